"""How correlation metrics supervise the manipulator: losses on its reference-driven edits.

ASCCL and STCCL compare drawn heads. Source: the papers, which show this comparison in their
figures; their released code never computes it with a gradient. Departs from the papers in drawing
some heads of a batch instead of all.

SCMCL compares edits with real windows that sound alike. Which space a term belongs to, where
coefficients are standardised (the paper does not):

* the paired cosine, as adversarial, style and cycle terms, compares standardised expressions.
  DECA's coefficients, which it was made for, are centred with about unit variance; face units
  are all positive and of very different reach, so that the cosine of two raw ones is near 1
  whatever they show, and says little but of the strongest units;
* the metric embeds coefficients as it learned them, so distances are of restored expressions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.paired import distance_consistency_loss, paired_expression_loss
from spfem.correlation.retrieval import AudioBank, retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.errors import CorpusError, SettingsError, ShapeError
from spfem.face.mesh import ShapeRenderer
from spfem.head.model import HeadModel
from spfem.manipulator.data import ExpressionWindows, WindowBatch
from spfem.manipulator.learn import Guide, Retrieved, SupervisedEdit
from spfem.settings import EMOTIONS, SupervisionSettings
from spfem.training import step_generator

PLACES = 1  # which random numbers


def middle_frames(window_frames: int, count: int) -> range:
    """`count` consecutive frames around the middle of a window, which counts most in the blend."""
    if count > window_frames:
        raise SettingsError(
            f"a metric looks at {count} frames in a row, the manipulator's window has "
            f"{window_frames}; use a metric of shorter windows"
        )
    first = min(window_frames // 2 - count // 2, window_frames - count)
    return range(first, first + count)


class HeadLosses:
    """Losses of all metrics of pictures of a method; their heads are drawn once a step.

    Source and generated expressions are drawn frontally on the clip's own identity; the metrics
    compare the pictures, with the gradient through the generated ones. Batches come in random
    order, so their first windows are taken; the places that a metric looks at are drawn by
    (seed, step).

    Args:
        spatial: metric of single pictures, on the middle frame of `frames` windows; or None.
        temporal: metrics of windows by name, on their number of frames of `windows` windows.
        renderer: draws the heads.
        identities: (clips, I) of the clips in training order.
        frames: heads for the spatial metric.
        windows: windows of heads for each temporal metric.
        seed: of the training.
    """

    def __init__(
        self,
        spatial: SpatialCoherence | None,
        temporal: Mapping[str, TemporalCoherence],
        renderer: ShapeRenderer,
        identities: Tensor,
        *,
        frames: int,
        windows: int,
        seed: int,
    ) -> None:
        self.parts: dict[str, tuple[SpatialCoherence | TemporalCoherence, int, int]] = {
            name: (metric, windows, metric.settings.window_frames)
            for name, metric in temporal.items()
        }
        if spatial is not None:
            self.parts = {"spatial": (spatial, frames, 1)} | self.parts
        self.renderer, self.identities, self.seed = renderer, identities, seed

    def __call__(self, edit: SupervisedEdit) -> dict[str, Tensor]:
        """Scalars by the name of the metric: `spatial` and those of `temporal`."""
        batch, length = edit.edited.shape[:2]
        wanted = {  # (window of the batch, frame of the window) of each head
            name: [
                (row, frame)
                for row in range(min(count, batch))
                for frame in middle_frames(length, frames)
            ]
            for name, (_, count, frames) in self.parts.items()
        }
        places = list(dict.fromkeys(place for those in wanted.values() for place in those))
        position = {place: number for number, place in enumerate(places)}
        rows, columns = torch.tensor(places, device=edit.edited.device).unbind(1)
        identity = self.identities[edit.source.clip[rows]]
        with torch.no_grad():
            real = self.renderer(identity, edit.restore(edit.source.expression[rows, columns]))
        drawn = self.renderer(identity, edit.restore(edit.edited[rows, columns]))
        random = step_generator(self.seed, PLACES, edit.step)
        losses = {}
        for name, (metric, _, frames) in self.parts.items():
            chosen = torch.tensor([position[place] for place in wanted[name]], device=drawn.device)
            compared = drawn[chosen], real[chosen]
            if frames > 1:
                compared = tuple(pictures.unflatten(0, (-1, frames)) for pictures in compared)
            terms: Any = metric.compare(*compared, generator=random)  # each metric has its own
            losses[name] = metric.total(terms)
        return losses


EMBEDDED_AT_ONCE = 1024  # windows


@torch.no_grad()
def embed_windows(metric: CrossModalCoherence, windows: ExpressionWindows) -> Tensor:
    """Embeddings (N, D) of the last frames of all training windows, in coefficients."""
    numbers, frames = torch.arange(len(windows)), metric.settings.frames
    parts = numbers.to(windows.frames.device).split(EMBEDDED_AT_ONCE)
    return torch.cat([metric.embed_visual(windows.take(n).expression[:, -frames:]) for n in parts])


class PairLosses:
    """Paired expressions and consistency of distances, on reference-driven edits.

    Args:
        metric: of sound and expressions, frozen.
        embeddings: (N, D) of `embed_windows`, made once.
        form: of the paired loss, see `paired_expression_loss`.
    """

    def __init__(
        self, metric: CrossModalCoherence, embeddings: Tensor, form: str = "cosine"
    ) -> None:
        self.metric, self.embeddings, self.form = metric, embeddings, form

    def __call__(self, edit: SupervisedEdit) -> dict[str, Tensor]:
        """Scalars `paired` and `consistency`; 0 in a batch without pairs."""
        retrieved = edit.retrieved
        if retrieved is None:
            raise ShapeError("losses of pairs need what was retrieved for the batch, found None")
        paired = edit.edited.sum() * 0
        if edit.pairs is not None:
            rows = edit.pairs.rows
            paired = paired_expression_loss(
                edit.edited[rows],
                edit.pairs.target,
                retrieved.distance[rows],
                retrieved.paired[rows],
                intermediate_distance=retrieved.first_distance[rows],
                threshold=self.metric.settings.threshold,
                form=self.form,
            )
        consistency = distance_consistency_loss(
            self.metric,
            edit.restore(edit.edited),
            None,
            retrieved.distance,
            retrieved.paired,
            edit.source.label,
            edit.label,
            intermediate_distance=retrieved.first_distance,
            source_embedding=self.embeddings[edit.source.number],
            intermediate_embedding=self.embeddings[retrieved.by_way_of.clamp(min=0)],
        )
        return {"paired": paired, "consistency": consistency}


MISSING = -1
CANDIDATES = 2  # which random numbers


class RetrievedWindows:
    """Candidates of every training window for every emotion; one is drawn at random a step.

    Source: SCMCL. Windows that no bank knows (their sound is shorter than their picture) have
    no candidate, nor has an emotion that the actor never shows.

    Args:
        banks: by actor; of windows as long as the training's.
        keys: of the clips in training order.
        windows: of the training.
        seed: of the draw.

    Raises:
        CorpusError: if a bank holds windows that are not trained on, or of another length.
    """

    def __init__(
        self,
        banks: Mapping[str, AudioBank],
        keys: Sequence[str],
        windows: ExpressionWindows,
        *,
        seed: int,
    ) -> None:
        numbers = {actor: _number_windows(bank, keys, windows) for actor, bank in banks.items()}
        found = {
            (actor, label): retrieve_all(bank, emotion)
            for actor, bank in banks.items()
            for label, emotion in enumerate(EMOTIONS)
            if (bank.emotion == label).any()
        }
        widest = max((rows.window.shape[1] for rows in found.values()), default=1)
        shape = (len(windows), len(EMOTIONS), widest)
        window, by_way_of = (np.full(shape, MISSING, np.int32) for _ in range(2))
        distance, first_distance = (np.full(shape, np.inf, np.float32) for _ in range(2))
        for (actor, label), rows in found.items():
            own = numbers[actor]
            places = np.ix_(own, np.array([label]), np.arange(rows.window.shape[1]))
            for table, values in ((window, rows.window), (by_way_of, rows.by_way_of)):
                table[places] = np.where(values < 0, MISSING, own[values])[:, None]
            distance[places] = rows.distance[:, None]
            first_distance[places] = rows.first_distance[:, None]
        device = windows.frames.device
        self.window, self.by_way_of, self.distance, self.first_distance = (
            torch.from_numpy(table).to(device)
            for table in (window, by_way_of, distance, first_distance)
        )
        self.seed = seed

    def draw(self, source: WindowBatch, label: Tensor, step: int) -> Retrieved:
        """One candidate for each source window, uniformly, decided by (seed, step)."""
        rows = (source.number, label)
        count = (self.window[rows] >= 0).sum(dim=1)
        random = step_generator(self.seed, CANDIDATES, step)
        share = torch.rand(len(label), generator=random).to(count.device)
        chosen = (share * count).long()[:, None]  # candidates come first in their row
        return Retrieved(
            self.window[rows].gather(1, chosen)[:, 0].long(),
            self.distance[rows].gather(1, chosen)[:, 0],
            self.by_way_of[rows].gather(1, chosen)[:, 0].long(),
            self.first_distance[rows].gather(1, chosen)[:, 0],
        )


def _number_windows(bank: AudioBank, keys: Sequence[str], windows: ExpressionWindows) -> np.ndarray:
    """Number among the training windows of each window of a bank."""
    if bank.window_frames != len(windows.steps_of_window):
        raise CorpusError(
            f"the audio bank of {bank.actor} has windows of {bank.window_frames} frames, the "
            f"manipulator of {len(windows.steps_of_window)}; measure the banks anew"
        )
    clip_of = windows.clip.cpu().numpy()  # ascending, and in each clip by start
    clips = np.arange(len(keys))
    begin = np.searchsorted(clip_of, clips)
    count = np.searchsorted(clip_of, clips, side="right") - begin
    place = {key: number for number, key in enumerate(keys)}
    clip = np.array([place.get(key, MISSING) for key in bank.keys])[bank.clip]
    strange = (clip < 0) | (bank.first >= count[clip])
    if strange.any():
        key = bank.keys[bank.clip[strange.argmax()]]
        raise CorpusError(
            f"the audio bank of {bank.actor} has a window of clip {key} that is not trained on; "
            "measure the banks on the training clips"
        )
    return begin[clip] + bank.first


@dataclass(frozen=True)
class Supervisors:
    """The learned metrics that supervise a method's manipulator, frozen (`supervise`).

    Attributes:
        spatial: metric of single pictures, or None.
        temporal: metrics of windows of pictures, by name of `TEMPORAL_METRICS`.
        cross_modal: metric of sound and expressions, or None.
        banks: by actor, which windows sound alike; read with `cross_modal` only.
    """

    spatial: SpatialCoherence | None = None
    temporal: Mapping[str, TemporalCoherence] = field(default_factory=dict)
    cross_modal: CrossModalCoherence | None = None
    banks: Mapping[str, AudioBank] = field(default_factory=dict)


def manipulator_weights(
    settings: SupervisionSettings, *, spatial: bool, temporal: Sequence[str], paired: bool
) -> dict[str, float]:
    """Weight of each loss that supervises a manipulator, by name as in the learning curve."""
    weights = {"spatial": settings.manipulator_spatial} if spatial else {}
    weights |= dict.fromkeys(temporal, settings.manipulator_temporal)
    if paired:
        weights["paired"] = settings.manipulator_paired
        weights["consistency"] = settings.manipulator_consistency
    return weights


def supervise_manipulator(
    supervisors: Supervisors,
    settings: SupervisionSettings,
    head: HeadModel,
    identities: Tensor,
    keys: Sequence[str],
    windows: ExpressionWindows,
) -> Guide:
    """The losses of all supervisors as one guide; all on the device of the windows.

    Args:
        supervisors: metrics and banks.
        settings: weights, and how many heads are drawn.
        head: the model to draw.
        identities: (clips, I) of the clips in training order.
        keys: of the clips in training order.
        windows: of the training, in coefficients.
    """
    spatial, temporal, metric = supervisors.spatial, supervisors.temporal, supervisors.cross_modal
    parts: list[HeadLosses | PairLosses] = []
    retrieve = None
    if spatial is not None or temporal:
        parts.append(draw_heads(supervisors, settings, head, identities, windows))
    if metric is not None:
        pairs, retrieved = retrieve_pairs(metric, supervisors.banks, settings, keys, windows)
        parts.append(pairs)
        retrieve = retrieved.draw
    weights = manipulator_weights(
        settings, spatial=spatial is not None, temporal=[*temporal], paired=metric is not None
    )
    return Guide(weights, partial(join_losses, parts), retrieve)


def join_losses(
    parts: Sequence[HeadLosses | PairLosses], edit: SupervisedEdit
) -> dict[str, Tensor]:
    """The losses of all parts by name."""
    return {name: loss for part in parts for name, loss in part(edit).items()}


def draw_heads(
    supervisors: Supervisors,
    settings: SupervisionSettings,
    head: HeadModel,
    identities: Tensor,
    windows: ExpressionWindows,
) -> HeadLosses:
    """Losses of drawn heads, for `supervise_manipulator`."""
    spatial, temporal, device = supervisors.spatial, supervisors.temporal, windows.frames.device
    sizes = [metric.settings.image_size for metric in temporal.values()]
    sizes += [] if spatial is None else [spatial.settings.image_size]
    return HeadLosses(
        spatial,
        temporal,
        ShapeRenderer(head, max(sizes)).to(device),
        identities.to(device),
        frames=settings.manipulator_frames,
        windows=settings.manipulator_windows,
        seed=windows.seed,
    )


def retrieve_pairs(
    metric: CrossModalCoherence,
    banks: Mapping[str, AudioBank],
    settings: SupervisionSettings,
    keys: Sequence[str],
    windows: ExpressionWindows,
) -> tuple[PairLosses, RetrievedWindows]:
    """Losses of retrieved windows, for `supervise_manipulator`."""
    losses = PairLosses(metric, embed_windows(metric, windows), settings.manipulator_paired_form)
    return losses, RetrievedWindows(banks, keys, windows, seed=windows.seed)
