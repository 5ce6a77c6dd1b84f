"""Which frame of a result shows the moment of which frame of the source.

Published panels do not say. In the released clips results begin two frames late or three frames
early, and some source panels run on another clock (30 frames a second shown as 25). So rate and
offset are searched: those at which the lips of the result follow the lips of the source best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spfem.errors import ShapeError

FEWEST_FRAMES = 20
LEAST_OVERLAP = 0.6  # of the usable frames of the side that has fewer


class Curve(NamedTuple):
    """Values (T,) of a panel, which of its frames are usable (T,) bool, and its fps."""

    values: np.ndarray
    usable: np.ndarray
    fps: float


@dataclass(frozen=True)
class Alignment:
    """Frame t of the source is frame `rate * t + offset` of the panel.

    Attributes:
        rate: panel frames a source frame.
        offset: panel frames.
        clock: `rate` over that of two files that keep true time; 1 if they do.
        correlation: of the curves there.
    """

    rate: float
    offset: float
    clock: float
    correlation: float

    def places(self, frames: int) -> np.ndarray:
        """Places (T,) in the panel of the first `frames` frames of the source."""
        return self.rate * np.arange(frames) + self.offset


def sample_at(
    values: np.ndarray, usable: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation in time.

    Args:
        values: (T, ...) one row a frame.
        usable: (T,) bool.
        places: (N,) in frames, whole or not.

    Returns:
        (N, ...) float64 and (N,) bool, whether both neighbours are there and usable.
    """
    last = len(values) - 1
    inside = (places >= 0) & (places <= last)
    held = np.clip(places, 0, last)
    low = np.floor(held).astype(int)
    high = np.where(held > low, np.minimum(low + 1, last), low)
    share = (held - low).reshape(-1, *[1] * (values.ndim - 1))
    between = values[low] * (1 - share) + values[high] * share
    return between.astype(np.float64), inside & usable[low] & usable[high]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of (T,) and (T,); 0 where one of them does not move."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size > 1e-9 else 0.0


def align_panels(
    source: Curve,
    panels: Mapping[str, Curve],
    *,
    rates: tuple[float, ...],
    largest_offset_seconds: float,
) -> dict[str, Alignment]:
    """Line up the panels of one clip with its source.

    One clock for all panels of a clip (the one with the best mean correlation), one offset for
    each. Panels on their own clock are searched at half frames, others at whole ones. The
    search lets every panel look as good as it can, so a correlation found by it is a little too
    high; `best_offset` on the source of another clip tells how much.

    Args:
        source: opening of the lips of the source.
        panels: the same of each result.
        rates: clocks to try; 1 is true time.
        largest_offset_seconds: either way.

    Raises:
        ShapeError: if no panel shares enough frames with the source.
    """
    if not panels:
        return {}
    found: list[dict[str, Alignment]] = []
    for clock in rates:
        of_clock = {
            name: best_offset(
                source, curve, clock=clock, largest_offset_seconds=largest_offset_seconds
            )
            for name, curve in panels.items()
        }
        found.append({name: best for name, best in of_clock.items() if best is not None})
    if not any(found):
        raise ShapeError(
            f"no result shares {FEWEST_FRAMES} frames with a face with its source; "
            f"the source has {int(source.usable.sum())}"
        )
    return max(
        (one for one in found if one),
        key=lambda one: (len(one), float(np.mean([best.correlation for best in one.values()]))),
    )


def best_offset(
    source: Curve, panel: Curve, *, clock: float, largest_offset_seconds: float
) -> Alignment | None:
    """The offset of the best correlation on one clock; None without enough shared frames."""
    rate = clock * panel.fps / source.fps
    step = 1.0 if rate == 1 else 0.5
    reach = np.floor(largest_offset_seconds * panel.fps / step) * step
    fewest = LEAST_OVERLAP * min(source.usable.sum(), panel.usable.sum() / rate)
    best: Alignment | None = None
    for offset in np.arange(-reach, reach + step, step):
        places = rate * np.arange(len(source.values)) + offset
        values, usable = sample_at(panel.values, panel.usable, places)
        usable &= source.usable
        if usable.sum() < max(FEWEST_FRAMES, fewest):
            continue
        value = correlation(source.values[usable], values[usable])
        if best is None or value > best.correlation:
            best = Alignment(rate, float(offset), clock, value)
    return best
