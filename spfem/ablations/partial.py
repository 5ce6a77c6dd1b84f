"""The spatial metric with some of its levels or neighbours only, which no setting reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from spfem.correlation.comparison import LevelComparison
from spfem.correlation.infonce import info_nce
from spfem.correlation.sampling import NEIGHBOUR_OFFSETS, NEIGHBOURS
from spfem.correlation.spatial import SpatialCoherence
from spfem.errors import SettingsError
from spfem.settings import SpatialSettings

ALL_NEIGHBOURS = tuple(range(NEIGHBOURS))
CROSS = tuple(n for n, step in enumerate(NEIGHBOUR_OFFSETS) if 0 in step)
RIGHT_AND_DOWN = tuple(n for n, step in enumerate(NEIGHBOUR_OFFSETS) if step in ((0, 1), (1, 0)))
RIGHT = tuple(n for n, step in enumerate(NEIGHBOUR_OFFSETS) if step == (0, 1))


class PartialSpatialCoherence(SpatialCoherence):
    """The loss counts some levels, and some neighbours of each centre; the rest is as it was.

    Args:
        settings: with compat `paper`.
        levels: which count; default all.
        neighbours: numbers in `NEIGHBOUR_OFFSETS` of those that count.

    Raises:
        SettingsError: for released behaviours, or a level or neighbour that does not exist.
    """

    def __init__(
        self,
        settings: SpatialSettings,
        *,
        levels: Sequence[int] | None = None,
        neighbours: Sequence[int] = ALL_NEIGHBOURS,
    ) -> None:
        super().__init__(settings)
        known = range(len(settings.widths))
        self.levels = tuple(known if levels is None else levels)
        self.neighbours = tuple(neighbours)
        if not self.levels or not set(self.levels) <= set(known):
            raise SettingsError(f"levels must be some of {tuple(known)}, found {self.levels}")
        if not self.neighbours or not set(self.neighbours) <= set(ALL_NEIGHBOURS):
            raise SettingsError(
                f"neighbours must be some of {ALL_NEIGHBOURS}, found {self.neighbours}"
            )
        if settings.compat != "paper":
            raise SettingsError(f"a partial metric has compat 'paper', found {settings.compat!r}")

    def total(self, levels: Sequence[LevelComparison]) -> Tensor:
        """Scalar: the losses of the levels that count, summed over the neighbours that count."""
        kept = [levels[number] for number in self.levels]
        if self.neighbours != ALL_NEIGHBOURS:
            kept = [self._with_neighbours(level) for level in kept]
        return super().total(kept)

    def _with_neighbours(self, level: LevelComparison) -> LevelComparison:
        """The comparison with rows of the kept neighbours, which are its only negatives too."""
        query, key, weight = (
            rows.unflatten(-1, (-1, NEIGHBOURS))[..., self.neighbours].flatten(-2)
            for rows in (level.query, level.key, level.weight)
        )
        cross_entropy = info_nce(query, key, self.settings.temperature)
        loss = ((weight * cross_entropy).sum(dim=1) / weight.sum(dim=1)).mean()
        return replace(
            level, query=query, key=key, cross_entropy=cross_entropy, weight=weight, loss=loss
        )


def initial_partial_metric(
    settings: SpatialSettings,
    seed: int,
    *,
    levels: Sequence[int] | None = None,
    neighbours: Sequence[int] = ALL_NEIGHBOURS,
) -> PartialSpatialCoherence:
    """The metric with the initial weights of the spatial metric of the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PartialSpatialCoherence(settings, levels=levels, neighbours=neighbours)
