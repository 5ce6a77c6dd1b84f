"""Figures of the audit: lips over time, and differences to the baseline clip by clip."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from spfem.audit.folder import SOURCE
from spfem.audit.measure import MeasuredClip
from spfem.audit.metrics import METRICS
from spfem.audit.timing import sample_at
from spfem.figures.style import LOOKS, look_of, title_of

SPREAD = 0.09  # of a row, between clips of one method
MARKS = ("o", "s", "^", "D")  # of what drives the clips


def draw_lips(ax: Axes, measured: MeasuredClip, method: str) -> Axes:
    """Draw the opening of the lips of source and result in the time of the source.

    Args:
        ax: empty axes.
        measured: clip.
        method: panel of a result.
    """
    source, result = measured.openings[SOURCE], measured.openings[method]
    alignment = measured.alignments[method]
    places = alignment.places(len(source.values))
    values, shared = sample_at(result.values, result.usable, places)
    seconds = places / result.fps
    ax.plot(seconds, source.values, color="#777777", linewidth=2.5, alpha=0.6, label="source")
    values[~shared] = float("nan")
    ax.plot(seconds, values, color=look_of(method, 0).colour, label="result")
    ax.set_title(
        f"{title_of(method)}: offset {alignment.offset:+g} frames, clock {alignment.clock:.3g}, "
        f"correlation {alignment.correlation:.2f}",
        loc="left",
    )
    return ax


def draw_clip_differences(
    ax: Axes, clips: pd.DataFrame, summary: pd.DataFrame, metric: str
) -> Axes:
    """Draw the difference to the baseline of every clip, and its mean with interval.

    Args:
        ax: empty axes.
        clips: of `order.clip_differences`.
        summary: of `order.paired_differences`, one group.
        metric: which one.
    """
    part = clips[clips.metric == metric]
    methods = list(dict.fromkeys(part.method))
    kinds = sorted(set(clips.driven_by))
    for place, method in enumerate(methods):
        for rank, row in enumerate(part[part.method == method].itertuples()):
            kind = kinds.index(row.driven_by)
            shift = SPREAD * (rank % 5 - 2)
            look = LOOKS[kind % len(LOOKS)]
            label = f"{row.driven_by}-driven"
            ax.plot(
                row.difference,
                place + shift,
                MARKS[kind % len(MARKS)],
                color=look.colour,
                markersize=4,
                alpha=0.75,
                label=label,
            )
        mean = summary[(summary.metric == metric) & (summary.method == method)]
        for row in mean.itertuples():
            ax.plot([row.ci_low, row.ci_high], [place, place], color="#222222", linewidth=2)
            ax.plot(row.difference, place, "|", color="#222222", markersize=16, mew=2)
    ax.axvline(0, color="#444444", linewidth=0.8)
    ax.set_yticks(range(len(methods)), [title_of(name) for name in methods])
    ax.set_ylim(len(methods) - 0.5, -0.5)
    better = "right" if METRICS[metric].higher else "left"
    ax.set_title(f"{METRICS[metric].title} (better: {better})", loc="left")
    return ax
