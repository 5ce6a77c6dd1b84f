"""How the correlation metric supervises the manipulator: on differentiable renders of the head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spfem.artifacts import digest, file_digest, source_digest
from spfem.correlation import SpatialCoherence
from spfem.face.differentiable import ShapeRenderer
from spfem.face.track_file import FaceTrack
from spfem.head import HeadModel
from spfem.manipulator import Supervision
from spfem.manipulator.training import ExpressionLoss

FRAMES_A_STEP = 4  # windows of a step whose middle frames are drawn and compared


def supervise_expressions(
    metric_path: Path,
    head: HeadModel,
    tracks: Mapping[str, FaceTrack],
    *,
    device: str = "cpu",
    frames: int = FRAMES_A_STEP,
) -> Supervision:
    """The spatial metric as a loss on expressions.

    The middle frame of some windows is drawn as a frontal shape image, once with the source's
    face units and once with the generated ones, on the clip's own identity; the metric compares
    the two pictures, with the gradient through the generated one.

    Source: ASCCL, which shows this comparison in its figure; its released code never computes it
    with a gradient. Departs from the paper in drawing `frames` of the batch instead of all.

    Args:
        metric_path: checkpoint of the spatial metric.
        head: the model to draw.
        tracks: of the clips that the manipulator learns from, for their identities.
        device: where to draw and compare.
        frames: pictures a step.
    """
    name = digest(
        [file_digest(metric_path), frames, source_digest("supervision.py", "face", "correlation")]
    )

    def bind(keys: tuple[str, ...]) -> ExpressionLoss:
        metric = SpatialCoherence.load(metric_path, device=device)
        renderer = ShapeRenderer(head, metric.settings.image_size).to(device)
        identities = torch.from_numpy(np.stack([tracks[key].identity for key in keys])).to(device)

        def loss(source: Tensor, generated: Tensor, clips: Tensor) -> Tensor:
            chosen = slice(0, min(frames, len(source)))  # windows come in random order
            middle = source.shape[1] // 2
            people = identities[clips[chosen]]
            with torch.no_grad():
                real = renderer(people, source[chosen, middle])
            return metric(renderer(people, generated[chosen, middle]), real)

        return loss

    return Supervision("spatial", name, bind)
