"""Variants of the spatial metric: neighbours, centres, temperature, levels, adaptive weights."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.ablations.partial import ALL_NEIGHBOURS, CROSS, RIGHT, RIGHT_AND_DOWN
from spfem.ablations.variants import DEFAULT, Variant


@dataclass(frozen=True)
class SpatialVariant(Variant):
    """A variant of the spatial metric; levels and neighbours are those that count."""

    levels: tuple[int, ...] | None = None
    neighbours: tuple[int, ...] = ALL_NEIGHBOURS


def _level(number: int, words: str) -> SpatialVariant:
    what = f"the {words} level alone"
    return SpatialVariant(f"level {number + 1} alone", "levels", what, levels=(number,))


VARIANTS = (
    SpatialVariant(DEFAULT, "", "8 neighbours, all levels, adaptive weights, temperature 0.07"),
    SpatialVariant(
        "uniform weights",
        "adaptive weights",
        "every pair of places counts alike",
        {"adaptive": False},
    ),
    SpatialVariant("4 neighbours", "neighbours", "left, right, above, below", neighbours=CROSS),
    SpatialVariant("2 neighbours", "neighbours", "right and below", neighbours=RIGHT_AND_DOWN),
    SpatialVariant("1 neighbour", "neighbours", "right", neighbours=RIGHT),
    SpatialVariant("centres / 4", "centres", "8, 4, 2, 2 centres", {"centres": (8, 4, 2, 2)}),
    SpatialVariant("centres x 2", "centres", "64, 32, 16, 8 centres", {"centres": (64, 32, 16, 8)}),
    SpatialVariant("temperature 0.02", "temperature", "sharper softmax", {"temperature": 0.02}),
    SpatialVariant("temperature 0.2", "temperature", "softer softmax", {"temperature": 0.2}),
    SpatialVariant("temperature 0.5", "temperature", "softer still", {"temperature": 0.5}),
    _level(0, "finest"),
    _level(1, "second"),
    _level(2, "third"),
    _level(3, "coarsest"),
)
