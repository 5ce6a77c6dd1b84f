"""Everything that supervises the manipulator of a method, in one object for its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.artifact_code import code_digest
from spfem.artifacts import digest, file_digest
from spfem.correlation import CrossModalCoherence, SpatialCoherence
from spfem.correlation.crossmodal.bank import AudioBank
from spfem.correlation.temporal_training import metric_class
from spfem.face.differentiable import ShapeRenderer
from spfem.face.track_file import FaceTrack
from spfem.head import HeadModel
from spfem.manipulator.data import Windows
from spfem.manipulator.supervision import Edit, Guide, Supervision
from spfem.settings import SupervisionSettings
from spfem.supervision.heads import HeadLosses
from spfem.supervision.pairs import PairLosses, embed_windows
from spfem.supervision.retrieved_windows import RetrievedWindows


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
