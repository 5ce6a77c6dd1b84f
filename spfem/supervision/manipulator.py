"""Everything that supervises the manipulator of a method, in one object for its training.

Metrics of pictures as losses on expressions: on differentiable renders of the head.

Source: ASCCL and STCCL, which show this comparison in their figures; their released code never
computes it with a gradient. Departs from the papers in drawing some heads of a batch instead of
all.

The losses of SCMCL on a batch of edits with retrieved pairs.

Which space a term belongs to, where coefficients are standardised (the papers do not):

* the paired cosine, as adversarial, style and cycle terms, compares standardised expressions.
  DECA's coefficients, which it was made for, are centred with about unit variance; face units
  are all positive and of very different reach, so that the cosine of two raw ones is near 1
  whatever they show, and says little but of the strongest units;
* the metric embeds coefficients as it learned them, so distances are of restored expressions.

Retrieved pairs as numbers of training windows, and the draw of one pair a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.learn import metric_class
from spfem.correlation.paired import distance_consistency_loss, paired_expression_loss
from spfem.correlation.retrieval import AudioBank, retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.errors import CorpusError, SettingsError, ShapeError
from spfem.face.mesh import ShapeRenderer
from spfem.face.track import FaceTrack
from spfem.files import digest, file_digest
from spfem.head.model import HeadModel
from spfem.manipulator.data import WindowBatch, Windows
from spfem.manipulator.learn import Edit, Guide, Retrieved, Supervision
from spfem.run.deciding_code import code_digest
from spfem.settings import EMOTIONS, SupervisionSettings
from spfem.training import step_generator

Places = tuple[tuple[int, int], ...]
"""(window of the batch, frame of the window) of each head that is drawn."""

PLACES = 1  # which random numbers


def middle_frames(window_frames: int, count: int) -> range:
    """`count` consecutive frames around the middle of a window, which counts most in the blend.

    Raises:
        SettingsError: if the window is shorter.
    """
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
    (seed, step). Heads are as large as the largest metric wants.

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
        self.spatial, self.temporal, self.renderer = spatial, dict(temporal), renderer
        self.identities, self.frames, self.windows = identities, frames, windows
        self.seed = seed

    def __call__(self, edit: Edit) -> dict[str, Tensor]:
        """Scalars by the name of the metric: `spatial` and those of `temporal`."""
        batch, length = edit.edited.shape[:2]
        wanted = self._places(batch, length)
        places = list(dict.fromkeys(place for those in wanted.values() for place in those))
        position = {place: number for number, place in enumerate(places)}
        rows, columns = torch.tensor(places, device=edit.edited.device).unbind(1)
        identity = self.identities[edit.source.clip[rows]]
        with torch.no_grad():
            real = self.renderer(identity, edit.restore(edit.source.expression[rows, columns]))
        drawn = self.renderer(identity, edit.restore(edit.edited[rows, columns]))
        random = step_generator(self.seed, PLACES, edit.step)
        losses = {}
        for name, those in wanted.items():
            chosen = torch.tensor([position[place] for place in those], device=drawn.device)
            losses[name] = self._compare(name, drawn[chosen], real[chosen], random)
        return losses

    def _places(self, batch: int, length: int) -> dict[str, Places]:
        places: dict[str, Places] = {}
        if self.spatial is not None:
            middle = middle_frames(length, 1)[0]
            places["spatial"] = tuple((row, middle) for row in range(min(self.frames, batch)))
        for name, metric in self.temporal.items():
            frames = middle_frames(length, metric.settings.window_frames)
            rows = range(min(self.windows, batch))
            places[name] = tuple((row, frame) for row in rows for frame in frames)
        return places

    def _compare(self, name: str, drawn: Tensor, real: Tensor, random: torch.Generator) -> Tensor:
        if name == "spatial" and self.spatial is not None:
            return self.spatial.total(self.spatial.compare(drawn, real, generator=random))
        metric = self.temporal[name]
        shape = (-1, metric.settings.window_frames)
        return metric.total(
            metric.compare(drawn.unflatten(0, shape), real.unflatten(0, shape), generator=random)
        )


EMBEDDED_AT_ONCE = 1024  # windows


@torch.no_grad()
def embed_windows(metric: CrossModalCoherence, windows: Windows) -> Tensor:
    """Embeddings (N, D) of the last frames of all training windows, in coefficients."""
    numbers = torch.arange(len(windows), device=windows.frames.device)
    frames = metric.settings.frames
    return torch.cat(
        [
            metric.embed_visual(windows.take(part).expression[:, -frames:])
            for part in numbers.split(EMBEDDED_AT_ONCE)
        ]
    )


class PairLosses:
    """Paired expressions and consistency of distances, on reference-driven edits.

    Args:
        metric: of sound and expressions, in supervision.
        embeddings: (N, D) of `embed_windows`, made once.
        form: of the paired loss, see `paired_expression_loss`.
    """

    def __init__(
        self, metric: CrossModalCoherence, embeddings: Tensor, form: str = "cosine"
    ) -> None:
        self.metric, self.embeddings, self.form = metric, embeddings, form

    def __call__(self, edit: Edit) -> dict[str, Tensor]:
        """Scalars `paired` and `consistency`; 0 in a batch without pairs.

        Raises:
            ShapeError: if nothing was retrieved for the batch.
        """
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
        self, banks: Mapping[str, AudioBank], keys: Sequence[str], windows: Windows, *, seed: int
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


def _number_windows(bank: AudioBank, keys: Sequence[str], windows: Windows) -> np.ndarray:
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
    """What has been learned that supervises a method.

    Attributes:
        spatial: checkpoint of the spatial metric, or None.
        temporal: checkpoints of the metrics on windows, by name of `TEMPORAL_METRICS`.
        cross_modal: checkpoint of the metric of sound and expressions, or None.
        banks: by actor, which windows sound alike; read with `cross_modal` only.
    """

    spatial: Path | None = None
    temporal: Mapping[str, Path] = field(default_factory=dict)
    cross_modal: Path | None = None
    banks: Mapping[str, AudioBank] = field(default_factory=dict)

    @property
    def draws_heads(self) -> bool:
        """Whether a metric of pictures is among them."""
        return self.spatial is not None or bool(self.temporal)


def manipulator_weights(
    settings: SupervisionSettings, *, spatial: bool, temporal: tuple[str, ...], paired: bool
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
    tracks: Mapping[str, FaceTrack],
    *,
    seed: int = 0,
    device: str = "cpu",
) -> Supervision | None:
    """The losses of all supervisors as one supervision; None without any.

    Args:
        supervisors: checkpoints and banks.
        settings: weights, and how many heads are drawn.
        head: the model to draw.
        tracks: of the clips that the manipulator learns from, for their identities.
        seed: of the training.
        device: where to draw and compare.
    """
    weights = manipulator_weights(
        settings,
        spatial=supervisors.spatial is not None,
        temporal=tuple(supervisors.temporal),
        paired=supervisors.cross_modal is not None,
    )
    if not weights:
        return None

    def bind(keys: tuple[str, ...], windows: Windows) -> Guide:
        parts: list[HeadLosses | PairLosses] = []
        if supervisors.draws_heads:
            people = [tracks[key].identity for key in keys]
            parts.append(_draw_heads(supervisors, settings, head, people, seed, device))
        retrieve = None
        if supervisors.cross_modal is not None:
            metric = CrossModalCoherence.load(supervisors.cross_modal, device=device)
            pairs, retrieved = _retrieve_pairs(
                metric, supervisors.banks, settings, keys, windows, seed
            )
            parts.append(pairs)
            retrieve = retrieved.draw
        return Guide(weights, partial(_join_losses, parts), retrieve)

    facts: dict[str, Any] = {"weights": weights}
    if supervisors.cross_modal is not None:
        facts["paired_form"] = settings.manipulator_paired_form
    if supervisors.draws_heads:
        facts["heads"] = {
            "frames": settings.manipulator_frames,
            "windows": settings.manipulator_windows,
        }
    return Supervision(facts, _digests(supervisors), bind)


def _join_losses(parts: Sequence[HeadLosses | PairLosses], edit: Edit) -> dict[str, Tensor]:
    return {name: loss for part in parts for name, loss in part(edit).items()}


def _retrieve_pairs(
    metric: CrossModalCoherence,
    banks: Mapping[str, AudioBank],
    settings: SupervisionSettings,
    keys: tuple[str, ...],
    windows: Windows,
    seed: int,
) -> tuple[PairLosses, RetrievedWindows]:
    losses = PairLosses(metric, embed_windows(metric, windows), settings.manipulator_paired_form)
    return losses, RetrievedWindows(banks, keys, windows, seed=seed)


def _draw_heads(
    supervisors: Supervisors,
    settings: SupervisionSettings,
    head: HeadModel,
    people: Sequence[np.ndarray],
    seed: int,
    device: str,
) -> HeadLosses:
    """Losses of drawn heads; `people` are the identities (I,) of the clips."""
    identities = torch.from_numpy(np.stack(people)).to(device)
    path = supervisors.spatial
    spatial = None if path is None else SpatialCoherence.load(path, device=device)
    temporal = {
        name: metric_class(name).load(checkpoint, device=device)
        for name, checkpoint in supervisors.temporal.items()
    }
    sizes = [metric.settings.image_size for metric in temporal.values()]
    sizes += [] if spatial is None else [spatial.settings.image_size]
    return HeadLosses(
        spatial,
        temporal,
        ShapeRenderer(head, max(sizes)).to(device),
        identities,
        frames=settings.manipulator_frames,
        windows=settings.manipulator_windows,
        seed=seed,
    )


def _digests(supervisors: Supervisors) -> dict[str, str]:
    digests = {}
    if supervisors.draws_heads:
        digests["code of heads"] = code_digest(_draw_heads, _join_losses)
    if supervisors.spatial is not None:
        digests["spatial"] = file_digest(supervisors.spatial)
    for name, path in supervisors.temporal.items():
        digests[name] = file_digest(path)
    if supervisors.cross_modal is not None:
        digests["code of pairs"] = code_digest(_retrieve_pairs, _join_losses)
        digests["cross_modal"] = file_digest(supervisors.cross_modal)
        digests["banks"] = digest({actor: bank.digest for actor, bank in supervisors.banks.items()})
    return digests
