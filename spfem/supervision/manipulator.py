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
class Supervisors:
    """What supervises a method's manipulator, frozen (`supervise`).

    Attributes:
        pictures: by name of `PICTURE_LOSSES`: metrics of pictures or of windows of them, and for
            `identity` a network from chips (B, 3, 150, 150) to features (B, C).
        cross_modal: metric of sound and expressions, or None.
        banks: by actor, which windows sound alike; read with `cross_modal` only.
        cross_modal_image: metric of sound and images, or None.
        image_banks: as `banks`, by its sound.
    """

    pictures: Mapping[str, Module] = field(default_factory=dict)
    cross_modal: CrossModalCoherence | None = None
    banks: Mapping[str, AudioBank] = field(default_factory=dict)
    cross_modal_image: CrossModalCoherence | None = None
    image_banks: Mapping[str, AudioBank] = field(default_factory=dict)


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
    if shown:
        parts.append(compare_pictures(shown, settings, faces, keys, windows))
    if supervisors.cross_modal is not None:
        pairs, retrieved = retrieve_pairs(
            supervisors.cross_modal, supervisors.banks, settings, keys, windows
        )
        parts.append(pairs)
        retrieve = retrieved.draw
    if supervisors.cross_modal_image is not None:
        metric, banks = supervisors.cross_modal_image, supervisors.image_banks
        parts.append(compare_distances(metric, banks, settings, faces, keys, windows))
    return Guide(weights, partial(join_losses, parts), retrieve)


Part = PictureLosses | PairLosses | PictureDistances


def join_losses(parts: Sequence[Part], edit: SupervisedEdit) -> dict[str, Tensor]:
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
    terms = {}
    for name, model in models.items():
        if isinstance(model, TemporalCoherence):
            terms[name] = metric_term(model, settings.manipulator_windows)
        elif isinstance(model, SpatialCoherence):
            terms[name] = metric_term(model, settings.manipulator_frames)
        else:
            terms[name] = feature_term(model, settings.manipulator_frames)
    return PictureLosses(terms, _mover(faces, keys, windows), seed=windows.seed)


def _mover(
    faces: Mapping[str, FaceTrack], keys: Sequence[str], windows: ExpressionWindows
) -> FaceMover:
    from spfem.supervision.moved import FaceMover  # needs the tracker's packages; the rest does not

    return FaceMover(faces, keys, load_head_model(), windows.frames.device)


def compare_distances(
    metric: CrossModalCoherence,
    banks: Mapping[str, AudioBank],
    settings: SupervisionSettings,
    faces: Mapping[str, FaceTrack],
    keys: Sequence[str],
    windows: ExpressionWindows,
) -> PictureDistances:
    """Distances of moved pictures, for `supervise_manipulator`."""
    retrieved = RetrievedWindows(banks, keys, windows, seed=windows.seed)
    count = max(1, settings.manipulator_frames // metric.settings.frames)
    return PictureDistances(metric, retrieved, windows, _mover(faces, keys, windows), count)


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
