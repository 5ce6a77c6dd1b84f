"""Metrics of pictures as losses on expressions: on differentiable renders of the head.

Source: ASCCL and STCCL, which show this comparison in their figures; their released code never
computes it with a gradient. Departs from the papers in drawing some heads of a batch instead of
all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spfem.correlation import SpatialCoherence, TemporalCoherence
from spfem.errors import SettingsError
from spfem.manipulator.supervision import Edit
from spfem.training import step_generator

if TYPE_CHECKING:
    from spfem.face.differentiable import ShapeRenderer

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
