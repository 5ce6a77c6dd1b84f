"""How correlation metrics supervise the manipulator: losses on its reference-driven edits.

ASCCL and STCCL compare pictures of the person before and after the edit, see
`spfem.supervision.moved`; some of a batch, not all. SCMCL compares edits with real windows that
sound alike, see `spfem.supervision.pairs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import Module

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.retrieval import AudioBank
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.head.model import load_head_model
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Guide, SupervisedEdit
from spfem.methods import Method
from spfem.settings import SupervisionSettings
from spfem.supervision.pairs import (
    PairLosses,
    PictureDistances,
    RetrievedWindows,
    embed_windows,
)
from spfem.supervision.pictures import PictureLosses, feature_term, metric_term

if TYPE_CHECKING:
    from spfem.face.track import FaceTrack
    from spfem.supervision.moved import FaceMover


@dataclass(frozen=True)
class Heard:
    """A metric of sound and what is seen, and by actor which windows sound alike to it."""

    metric: CrossModalCoherence
    banks: Mapping[str, AudioBank]


@dataclass(frozen=True)
class Supervisors:
    """What supervises a method's manipulator, frozen (`supervise`).

    Attributes:
        pictures: by name of `PICTURE_LOSSES`: metrics of pictures or of windows of them, and for
            `identity` a network from chips (B, 3, 150, 150) to features (B, C).
        expressions: sound beside expressions, or None.
        images: sound beside images, or None.
    """

    pictures: Mapping[str, Module] = field(default_factory=dict)
    expressions: Heard | None = None
    images: Heard | None = None


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
    if method.paired_pictures:
        weights["picture_consistency"] = settings.manipulator_consistency
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
    parts: list[Part] = []
    retrieve = None
    shown = {name: model for name, model in supervisors.pictures.items() if weights[name]}
    if shown or supervisors.images:
        mover = move_faces(faces, keys, windows)
    if shown:
        parts.append(compare_pictures(shown, settings, mover, windows))
    if supervisors.expressions:
        pairs, retrieved = retrieve_pairs(supervisors.expressions, settings, keys, windows)
        parts.append(pairs)
        retrieve = retrieved.draw
    if supervisors.images:
        parts.append(compare_distances(supervisors.images, settings, mover, keys, windows))
    return Guide(weights, partial(join_losses, parts), retrieve)


Part = PictureLosses | PairLosses | PictureDistances


def join_losses(parts: Sequence[Part], edit: SupervisedEdit) -> dict[str, Tensor]:
    """The losses of all parts by name."""
    return {name: loss for part in parts for name, loss in part(edit).items()}


def compare_pictures(
    models: Mapping[str, Module],
    settings: SupervisionSettings,
    mover: FaceMover,
    windows: ExpressionWindows,
) -> PictureLosses:
    """Losses of moved pictures, for `supervise_manipulator`."""
    terms = {}
    for name, model in models.items():
        if isinstance(model, TemporalCoherence):
            terms[name] = metric_term(model, settings.manipulator_windows)
        elif isinstance(model, SpatialCoherence):
            terms[name] = metric_term(model, settings.manipulator_frames)
        else:
            terms[name] = feature_term(model, settings.manipulator_frames)
    return PictureLosses(terms, mover, seed=windows.seed)


def move_faces(
    faces: Mapping[str, FaceTrack], keys: Sequence[str], windows: ExpressionWindows
) -> FaceMover:
    """What moves the pictures of the training clips, for `supervise_manipulator`."""
    from spfem.supervision.moved import FaceMover  # needs the tracker's packages; the rest does not

    return FaceMover(faces, keys, load_head_model(), windows.frames.device)


def compare_distances(
    heard: Heard,
    settings: SupervisionSettings,
    mover: FaceMover,
    keys: Sequence[str],
    windows: ExpressionWindows,
) -> PictureDistances:
    """Distances of moved pictures, for `supervise_manipulator`."""
    retrieved = RetrievedWindows(heard.banks, keys, windows, seed=windows.seed)
    count = max(1, settings.manipulator_frames // heard.metric.settings.frames)
    return PictureDistances(heard.metric, retrieved, windows, mover, count)


def retrieve_pairs(
    heard: Heard,
    settings: SupervisionSettings,
    keys: Sequence[str],
    windows: ExpressionWindows,
) -> tuple[PairLosses, RetrievedWindows]:
    """Losses of retrieved windows, for `supervise_manipulator`."""
    embeddings = embed_windows(heard.metric, windows)
    losses = PairLosses(heard.metric, embeddings, settings.manipulator_paired_form)
    return losses, RetrievedWindows(heard.banks, keys, windows, seed=windows.seed)
