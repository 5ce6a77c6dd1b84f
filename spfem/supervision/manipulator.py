"""How correlation metrics supervise the manipulator: losses on its reference-driven edits.

ASCCL and STCCL compare pictures of the person before and after the edit, see
`spfem.supervision.moved`; some of a batch, not all.

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
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.paired import distance_consistency_loss, paired_expression_loss
from spfem.correlation.retrieval import AudioBank, retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.errors import CorpusError, ShapeError
from spfem.head.model import load_head_model
from spfem.manipulator.data import ExpressionWindows, WindowBatch
from spfem.manipulator.learn import Guide, Retrieved, SupervisedEdit
from spfem.methods import Method
from spfem.settings import EMOTIONS, SupervisionSettings
from spfem.supervision.pictures import PictureLosses, feature_term, metric_term
from spfem.training import step_generator

if TYPE_CHECKING:
    from spfem.face.track import FaceTrack

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
    """What supervises a method's manipulator, frozen (`supervise`).

    Attributes:
        pictures: by name of `PICTURE_LOSSES`: metrics of pictures or of windows of them, and for
            `identity` a network from chips (B, 3, 150, 150) to features (B, C).
        cross_modal: metric of sound and expressions, or None.
        banks: by actor, which windows sound alike; read with `cross_modal` only.
    """

    pictures: Mapping[str, Module] = field(default_factory=dict)
    cross_modal: CrossModalCoherence | None = None
    banks: Mapping[str, AudioBank] = field(default_factory=dict)


def manipulator_weights(settings: SupervisionSettings, method: Method) -> dict[str, float]:
    """Weight of each loss that supervises a manipulator, by name as in the learning curve.

    Those of the papers; `spfem.supervision.shares` may find others.
    """
    if method.released_form:
        return {}
    weights = {
        name: settings.manipulator_temporal if "temporal" in name else settings.manipulator_spatial
        for name in method.pictures
    }
    if method.paired:
        weights["paired"] = settings.manipulator_paired
        weights["consistency"] = settings.manipulator_consistency
    return weights


def supervise_manipulator(
    supervisors: Supervisors,
    settings: SupervisionSettings,
    weights: Mapping[str, float],
    faces: Mapping[str, FaceTrack],
    keys: Sequence[str],
    windows: ExpressionWindows,
) -> Guide:
    """The losses of all supervisors as one guide; all on the device of the windows.

    Args:
        supervisors: metrics and banks.
        settings: how many pictures are moved, and the form of the paired loss.
        weights: of `manipulator_weights`; a loss of weight 0 is not computed.
        faces: tracks of the clips by key.
        keys: of the clips in training order.
        windows: of the training, in coefficients.
    """
    parts: list[PictureLosses | PairLosses] = []
    retrieve = None
    shown = {name: model for name, model in supervisors.pictures.items() if weights[name]}
    if shown:
        parts.append(compare_pictures(shown, settings, faces, keys, windows))
    if supervisors.cross_modal is not None:
        pairs, retrieved = retrieve_pairs(
            supervisors.cross_modal, supervisors.banks, settings, keys, windows
        )
        parts.append(pairs)
        retrieve = retrieved.draw
    return Guide(weights, partial(join_losses, parts), retrieve)


def join_losses(
    parts: Sequence[PictureLosses | PairLosses], edit: SupervisedEdit
) -> dict[str, Tensor]:
    """The losses of all parts by name."""
    return {name: loss for part in parts for name, loss in part(edit).items()}


def compare_pictures(
    models: Mapping[str, Module],
    settings: SupervisionSettings,
    faces: Mapping[str, FaceTrack],
    keys: Sequence[str],
    windows: ExpressionWindows,
) -> PictureLosses:
    """Losses of moved pictures, for `supervise_manipulator`."""
    from spfem.supervision.moved import FaceMover  # needs the tracker's packages; the rest does not

    terms = {}
    for name, model in models.items():
        if isinstance(model, TemporalCoherence):
            terms[name] = metric_term(model, settings.manipulator_windows)
        elif isinstance(model, SpatialCoherence):
            terms[name] = metric_term(model, settings.manipulator_frames)
        else:
            terms[name] = feature_term(model, settings.manipulator_frames)
    mover = FaceMover(faces, keys, load_head_model(), windows.frames.device)
    return PictureLosses(terms, mover, seed=windows.seed)


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
