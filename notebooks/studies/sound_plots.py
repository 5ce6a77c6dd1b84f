"""Sound on axes: waveform, mel spectrogram, and how two recordings' moments were aligned."""

from __future__ import annotations

from typing import NamedTuple

import librosa
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from spfem.errors import ShapeError
from spfem.plots import LOOKS, MATRIX_COLOURS, WEIGHT_COLOURS, apply_style, without_frame

ENVELOPE_POINTS = 600  # of a waveform; more cannot be seen at the width of a page
MEL_BANDS = 64
LOUDEST_BELOW = 60.0  # decibels under the loudest moment at which a spectrogram is dark


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
    """Draw the waveform of audio (A,) over seconds, along the axis or, upright, from the bottom."""
    librosa.display.waveshow(
        audio, sr=sample_rate, ax=ax, transpose=upright, axis=None,
        max_points=ENVELOPE_POINTS, color=LOOKS[position].colour,
    )  # fmt: skip
    (ax.set_ylim if upright else ax.set_xlim)(0, len(audio) / sample_rate)
    return without_frame(ax)


def draw_spectrogram(ax: Axes, audio: np.ndarray, sample_rate: int) -> Axes:
    """Draw the mel spectrogram of audio (A,) in decibels below its loudest moment, over seconds."""
    power = librosa.feature.melspectrogram(
        y=audio, sr=sample_rate, n_fft=512, hop_length=128, n_mels=MEL_BANDS
    )
    decibels = librosa.power_to_db(power, ref=np.max, top_db=LOUDEST_BELOW)
    librosa.display.specshow(
        decibels, sr=sample_rate, hop_length=128, x_axis="s", y_axis="mel", ax=ax,
        cmap=WEIGHT_COLOURS, rasterized=True,
    )  # fmt: skip
    ax.set(xlabel="time in seconds", ylabel="hertz", xlim=(0, len(audio) / sample_rate))
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

    The audio of `first` (A,) is drawn upright at the left, that of `second` (A',) below. `path` and
    `truth` (L, 2) are frame indices of both, `cost` (T, T') the distance of the features of each
    pair of frames.

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
    seconds = (0, columns / fps, 0, rows / fps)
    axes.cost.imshow(cost, origin="lower", extent=seconds, aspect="auto", cmap=MATRIX_COLOURS)
    for route, colour, line, name in (
        (truth, "#ffffff", ":", "truth"),
        (path, "#d55e00", "-", "alignment"),
    ):
        if route is not None:
            places = (np.asarray(route) + 0.5) / fps
            axes.cost.plot(places[:, 1], places[:, 0], line, color=colour, label=name)
    axes.cost.set(xlim=seconds[:2], ylim=seconds[2:])
    if truth is not None:
        axes.cost.legend(loc="upper left", labelcolor="white")
    axes.cost.tick_params(labelbottom=False, labelleft=False)
    draw_waveform(axes.first, first, sample_rate, upright=True)
    draw_waveform(axes.second, second, sample_rate, position=1)
    axes.first.set(ylim=seconds[2:], ylabel=f"{labels[0]}, time in seconds")
    axes.second.set(xlim=seconds[:2], xlabel=f"{labels[1]}, time in seconds")
    for axis in (axes.first.yaxis, axes.second.xaxis):
        axis.set_major_locator(MultipleLocator(0.5 if max(seconds) < 4 else 1.0))
    return axes
