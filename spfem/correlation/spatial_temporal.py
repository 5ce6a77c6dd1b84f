"""STCCL, joint: coherence of each frame and of what changes between frames, in one loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spfem.correlation.comparison import LevelComparison, compare_level, draw_level_centres
from spfem.correlation.temporal import TemporalCoherence, WindowComparison
from spfem.correlation.window_comparison import compare_spatial_matrices


class SpatialTemporalCoherence(TemporalCoherence):
    """The spatial and the temporal metric on one backbone, one set of heads, one pass.

    The spatial part follows the formulation: neighbour disparities as in `SpatialCoherence` for
    `vd`, correlation matrices of a place and its neighbours for `cm`; all frames of a batch share
    their places. Source: STCCL. Departs from the released code: the weight of the temporal part
    is `settings.temporal_weight` (there, a misplaced argument and a factor give 0.35), both parts
    carry their scale, and the transformer is not ported.
    """

    kind = "spatial-temporal coherence"

    def total(self, compared: WindowComparison) -> Tensor:
        """Scalar: scaled sum of the spatial levels, plus `temporal_weight` times the temporal."""
        spatial = torch.stack([level.loss for level in compared.spatial]).sum()
        temporal = super().total(compared)
        return self.settings.spatial.scale * spatial + self.settings.temporal_weight * temporal

    def compare(
        self,
        generated: Tensor,
        source: Tensor,
        *,
        held: Tensor | None = None,
        places: Sequence[Tensor] | None = None,
        centres: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> WindowComparison:
        """Compare two batches of windows level by level, in both parts.

        Args:
            generated: the query windows, as in `forward`.
            source: the key windows.
            held: steps that repeat a frame.
            places: (P, 2) a level, of the temporal part and of spatial matrices.
            centres: (P, 2) a level, of the disparities of `vd`.
            generator: source of randomness of the draws that are not given.
        """
        query_maps, key_maps = self.feature_maps(generated, source, held)
        if places is None:
            places = self.draw_places(query_maps, generator)
        temporal = self.compare_maps(query_maps, key_maps, places, held, generated.shape[:2])
        vd = self.settings.formulation == "vd"
        if vd and centres is None:
            centres = self.draw_centres(query_maps, generator)
        where = centres if vd and centres is not None else places
        spatial = [
            self._compare_frames(level, query, key, at)
            for level, (query, key, at) in enumerate(zip(query_maps, key_maps, where, strict=True))
        ]
        return WindowComparison(temporal.temporal, spatial)

    def draw_centres(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the centres (P, 2) of each level for the spatial part of `vd`."""
        return draw_level_centres(maps, self.settings.spatial, generator)

    def _compare_frames(
        self, level: int, query: Tensor, key: Tensor, places: Tensor
    ) -> LevelComparison:
        spatial = self.settings.spatial
        if self.settings.formulation == "vd":
            return compare_level(self.mlp, level, query, key, places, spatial)
        return compare_spatial_matrices(self.mlp, level, query, key, places, spatial.temperature)
