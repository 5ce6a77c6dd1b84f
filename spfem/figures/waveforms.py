"""Two recordings of one sentence and how their moments were aligned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from spfem.errors import ShapeError
from spfem.figures.style import LOOKS, apply_style, without_frame


class AlignmentAxes(NamedTuple):
    """Axes of an alignment picture: the cost matrix with a waveform at its left and below."""

    cost: Axes
    first: Axes
    second: Axes


def new_alignment_figure(size: float = 4.2) -> tuple[Figure, AlignmentAxes]:
    """Make a styled square figure of `size` inches with the axes of an alignment picture."""
    apply_style()
    figure = Figure(figsize=(size, size), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 5), height_ratios=(5, 1))
    cost = figure.add_subplot(grid[0, 1])
    return figure, AlignmentAxes(
        cost, figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 1])
    )


def draw_waveform(
    ax: Axes, audio: np.ndarray, sample_rate: int, *, upright: bool = False, position: int = 0
) -> Axes:
    """Draw the loudness envelope of audio (A,), along the axis or, upright, from bottom to top."""
    columns = min(600, len(audio))
    blocks = np.array_split(audio, columns)
    high, low = np.array([b.max() for b in blocks]), np.array([b.min() for b in blocks])
    seconds = (np.arange(columns) + 0.5) * len(audio) / columns / sample_rate
    fill = ax.fill_betweenx if upright else ax.fill_between
    fill(seconds, low, high, color=LOOKS[position].colour, linewidth=0)
    without_frame(ax)
    (ax.set_ylim if upright else ax.set_xlim)(0, len(audio) / sample_rate)
    return ax


def draw_alignment(
    axes: AlignmentAxes,
    first: np.ndarray,
    second: np.ndarray,
    path: np.ndarray,
    cost: np.ndarray,
    *,
    sample_rate: int,
    fps: float,
    labels: tuple[str, str] = ("first", "second"),
    truth: np.ndarray | None = None,
) -> AlignmentAxes:
    """Draw the cost of pairing moments, the path chosen, and both waveforms.

    Args:
        axes: of `new_alignment_figure`.
        first: (A,) audio, drawn upright at the left.
        second: (A',) audio, drawn below.
        path: (L, 2) frame indices of first and second.
        cost: (T, T') distance of the features of each pair of frames.
        sample_rate: hertz, of both.
        fps: frames per second of `path` and `cost`.
        labels: names of the recordings.
        truth: (L', 2) frame indices of the true alignment, where known.

    Raises:
        ShapeError: if path or truth are not (L, 2) or leave the cost matrix.
    """
    for name, route in (("path", path), ("truth", truth)):
        if route is not None and (
            route.ndim != 2 or route.shape[1] != 2 or (route.max(axis=0) >= cost.shape).any()
        ):
            raise ShapeError(
                f"{name} must be (L, 2) frame indices inside the cost matrix {cost.shape}; got "
                f"{route.shape}"
            )
    rows, columns = cost.shape
    axes.cost.imshow(
        cost,
        origin="lower",
        extent=(0, columns / fps, 0, rows / fps),
        aspect="auto",
        cmap="cividis",
        interpolation="nearest",
    )
    for route, colour, line, name in (
        (truth, "#ffffff", ":", "truth"),
        (path, "#d55e00", "-", "alignment"),
    ):
        if route is not None:
            places = (np.asarray(route) + 0.5) / fps
            axes.cost.plot(places[:, 1], places[:, 0], line, color=colour, label=name)
    axes.cost.set(xlim=(0, columns / fps), ylim=(0, rows / fps))
    if truth is not None:
        axes.cost.legend(loc="upper left", labelcolor="white")
    axes.cost.tick_params(labelbottom=False, labelleft=False)
    draw_waveform(axes.first, first, sample_rate, upright=True)
    draw_waveform(axes.second, second, sample_rate, position=1)
    axes.first.set_ylim(0, rows / fps)
    axes.second.set_xlim(0, columns / fps)
    axes.first.set_ylabel(f"{labels[0]}, time in seconds")
    axes.second.set_xlabel(f"{labels[1]}, time in seconds")
    for axis in (axes.first.yaxis, axes.second.xaxis):
        axis.set_major_locator(_round_seconds(max(rows, columns) / fps))
    return axes


def _round_seconds(length: float) -> MultipleLocator:
    return MultipleLocator(0.5 if length < 4 else 1.0)
