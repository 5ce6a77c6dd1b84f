"""The arithmetic of the released ASCCL, STCCL and SCMCL code, as forms of this package's metrics.

`compat` in the settings of a metric switches released behaviours on, by name or all at once with
"upstream"; the class of the metric then makes the form found here (`CoherenceMetric`). Nothing
else imports this module, so that `spfem.correlation` stands without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from spfem.correlation.asccl import (
    NEIGHBOUR_OFFSETS,
    LevelComparison,
    ProjectionHeads,
    SpatialCoherence,
    adaptive_weight,
    draw_level_centres,
    info_nce,
)
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.sound import Batch, BatchDraw
from spfem.correlation.stccl import (
    SpatialTemporalCoherence,
    TemporalCoherence,
    WindowComparison,
)
from spfem.errors import ShapeError
from spfem.precision import constant, upload
from spfem.settings import CrossModalSettings, SpatialSettings

if TYPE_CHECKING:
    from spfem.correlation.learn import DrawAndCompare
    from spfem.training import Row


def wide_range(side: int) -> tuple[int, int]:
    """First centre coordinate along a side, and how many: touches the border of small maps.

    Source: ASCCL ("wrapping_region"); neighbours of such centres lie at the opposite edge.

    Example:
        >>> wide_range(28), wide_range(14)
        ((1, 26), (0, 13))
    """
    count = int(side // 2 + 0.45 * side)
    return (side - count) // 2, count


def wrapping_disparities(features: Tensor, centres: Tensor) -> Tensor:
    """As `neighbour_disparities`; a neighbour outside the map is taken from the opposite edge."""
    height, width = features.shape[2:]
    around = centres[:, None] + constant(NEIGHBOUR_OFFSETS, centres.device)  # (P, 8, 2)
    rows, columns = around[..., 0] % height, around[..., 1] % width
    middle = features[:, :, centres[:, 0], centres[:, 1]]  # (B, C, P)
    return (middle[..., None] - features[:, :, rows, columns]).flatten(2)


def compare_level_as_released(
    heads: ProjectionHeads,
    level: int,
    query_map: Tensor,
    key_map: Tensor,
    centres: Tensor,
    settings: SpatialSettings,
) -> LevelComparison:
    """ASCCL's comparison of maps (B, C, H, W) at places (P, 2).

    "weight_gradient" lets the weight pull the disparities below the threshold; with "scalar_weight"
    only the mean over all pairs of places and images acts, and every entry of `weight` is that
    number.
    """
    disparities = wrapping_disparities(query_map, centres)
    query = heads.describe(level, disparities)
    with torch.no_grad():
        key = heads.describe(level, wrapping_disparities(key_map, centres))
    surprise = info_nce(query, key, settings.temperature)
    if not settings.adaptive:
        return LevelComparison(query, key, surprise, torch.ones_like(surprise), surprise.mean())
    weighed = disparities if settings.released("weight_gradient") else disparities.detach()
    weight = adaptive_weight(weighed).mean(dim=1)
    if settings.released("scalar_weight"):
        weight = weight.mean().expand_as(surprise)
        loss = surprise.mean() * weight[0, 0]
    else:
        loss = ((weight * surprise).sum(dim=1) / weight.sum(dim=1)).mean()
    return LevelComparison(query, key, surprise, weight, loss)


class ReleasedSpatialCoherence(SpatialCoherence):
    """ASCCL as released, as far as `settings.compat` says."""

    compare_level = staticmethod(compare_level_as_released)

    def draw_centres(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the centres (P, 2) of each level for feature maps (B, C, H, W)."""
        return _draw_centres(self.settings, maps, generator)


def _draw_centres(
    settings: SpatialSettings, maps: Sequence[Tensor], generator: torch.Generator | None
) -> list[Tensor]:
    if settings.released("wrapping_region"):
        return draw_level_centres(maps, settings.centres, generator, region=wide_range)
    return draw_level_centres(maps, settings.centres, generator, inside=settings.inside)


def sample_repeated_places(
    height: int,
    width: int,
    count: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw places (count, 2) int64, (row, column), from the whole map with replacement.

    Source: STCCL ("repeated_places"). A place drawn twice is its own negative.
    """
    drawn_on = device if generator is None else generator.device
    flat = torch.randint(height * width, (count,), generator=generator, device=drawn_on)
    flat = upload(flat, device)
    return torch.stack([flat // width, flat % width], dim=1)


class ReleasedTemporalCoherence(TemporalCoherence):
    """STCCL as released, as far as `settings.compat` says; "all_pairs" is a setting of its own."""

    def total(self, compared: WindowComparison) -> Tensor:
        """Scalar: the losses of the levels summed, with "unscaled" without a scale."""
        if self.settings.released("unscaled"):
            return torch.stack([level.loss for level in compared.temporal]).sum()
        return super().total(compared)

    def compare_maps(
        self,
        query_maps: Sequence[Tensor],
        key_maps: Sequence[Tensor],
        places: Sequence[Tensor],
        held: Tensor | None,
        shape: tuple[int, ...],
    ) -> list[LevelComparison]:
        """With "held_frames" a frame minus itself counts as a difference."""
        if self.settings.released("held_frames"):
            held = None
        return super().compare_maps(query_maps, key_maps, places, held, shape)

    def draw_places(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the places (P, 2) of each level for feature maps (N, C, H, W)."""
        if not self.settings.released("repeated_places"):
            return super().draw_places(maps, generator)
        drawn = []
        for features, count in zip(maps, self.settings.places, strict=True):
            (height, width), device = features.shape[2:], features.device
            drawn.append(
                sample_repeated_places(height, width, count, generator=generator, device=device)
            )
        return drawn


class ReleasedSpatialTemporalCoherence(SpatialTemporalCoherence, ReleasedTemporalCoherence):
    """The joint metric with ASCCL and STCCL as released, each as far as its `compat` says."""

    def draw_centres(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the centres (P, 2) of each level for the spatial part."""
        return _draw_centres(self.settings.spatial, maps, generator)

    def compare_frames(
        self, level: int, query: Tensor, key: Tensor, places: Tensor
    ) -> LevelComparison:
        """The spatial part of one level, for maps (N, C, H, W) of single frames."""
        if self.settings.formulation == "vd":
            spatial = self.settings.spatial
            return compare_level_as_released(self.mlp, level, query, key, places, spatial)
        return super().compare_frames(level, query, key, places)


class ReleasedCrossModalCoherence(CrossModalCoherence):
    """SCMCL as released, as far as `settings.compat` says."""

    @property
    def learned_frames(self) -> int:
        """With "single_frame_visual" expressions learn on one frame; the fusion stays untrained."""
        alone = self.settings.released("single_frame_visual") and self.visual == "expression"
        return 1 if alone else self.settings.frames

    def is_consistent(self, step: int, samples: int) -> bool:
        """With "gate_per_epoch" the consistency sets in anew in every epoch, a step a sample."""
        if self.settings.released("gate_per_epoch"):
            return step % samples > self.settings.consistency_start
        return super().is_consistent(step, samples)

    def wanted_distance(
        self, distance: Tensor, crossing: Tensor, intermediate_distance: Tensor | None
    ) -> Tensor:
        """With "intermediate_distance" a window is held to the distance of source and neutral.

        Raises:
            ShapeError: if that distance is needed and missing.
        """
        if not self.settings.released("intermediate_distance") or not crossing.any():
            return distance
        if intermediate_distance is None:
            raise ShapeError("the released behaviour needs intermediate_distance, found None")
        return torch.where(crossing, intermediate_distance, distance)


class ReleasedBatchDraw(BatchDraw):
    """Draws with replacement, and masks no negative that says the same ("false_negatives")."""

    def __call__(self, random: np.random.Generator) -> Batch:
        """Draw an anchor uniformly, then the rest of its batch."""
        if not self.settings.released("false_negatives"):
            return super().__call__(random)
        anchor, others = self.draw_anchor(random)
        chosen = np.append(anchor, random.choice(others, self.settings.batch_size - 1))
        return Batch(self.samples.source[chosen], self.samples.target[chosen], None)


class AccumulatedGradients(nn.Module):
    """A model whose gradients are never set to zero.

    The sums over all steps are buffers, since a killed run must go on with them.

    Args:
        model: that is learned.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        for number, parameter in enumerate(model.parameters()):
            self.register_buffer(f"sum{number}", torch.zeros_like(parameter))
            parameter.register_hook(
                lambda gradient, name=f"sum{number}": getattr(self, name).add_(gradient).clone()
            )


def learn_as_released(
    model: nn.Module,
    compare: DrawAndCompare,
    held_out: DrawAndCompare | None,
    settings: CrossModalSettings,
    **run: Any,
) -> list[Row]:
    """As `learn_by_comparing`, with "accumulated_gradients" if `settings.compat` says so."""
    from spfem.correlation.learn import learn_by_comparing  # who supervises needs no learning

    if settings.released("accumulated_gradients"):
        model = AccumulatedGradients(model)
    return learn_by_comparing(model, compare, held_out, settings, **run)
