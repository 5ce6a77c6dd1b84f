"""Feature maps of every frame of a clip, computed when a metric first looks at the clip."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation.preprocess import images_from_frames, prepare_images
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.explore.clips import ExploredClip
from spfem.explore.recent import Recent

BATCH_FRAMES = 16
KEPT_BYTES = 1 << 30  # one frame of 96 pixels takes 276 KB at the widths of demo and full


class ClipFeatures:
    """Feature maps of the clips looked at last, float32, at most 1 GiB of them.

    All that a metric says of places follows from these maps by differences and small heads, which
    are fast enough to be computed for each view. Kept descriptors would take 2 to 8 times as much.
    """

    def __init__(self) -> None:
        self._kept: Recent[list[Tensor]] = Recent(KEPT_BYTES, _count_bytes)

    def of(self, model: SpatialCoherence | TemporalCoherence, clip: ExploredClip) -> list[Tensor]:
        """Maps (T, C, H, W) of all levels, on the model's device."""
        return self._kept.get((model, clip), lambda: _compute(model, clip))


@torch.no_grad()
def _compute(model: SpatialCoherence | TemporalCoherence, clip: ExploredClip) -> list[Tensor]:
    device, size = next(model.parameters()).device, model.settings.image_size
    parts = []
    for start in range(0, len(clip.faces), BATCH_FRAMES):
        images = images_from_frames(clip.faces[start : start + BATCH_FRAMES], device)
        parts.append(model.resnet50(prepare_images(images, size)))
    return [torch.cat(level).contiguous() for level in zip(*parts, strict=True)]


def _count_bytes(maps: list[Tensor]) -> int:
    return sum(level.numel() * level.element_size() for level in maps)
