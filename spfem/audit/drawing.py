"""Figures of the audit: lips over time, and differences to the baseline clip by clip."""

from __future__ import annotations

import pandas as pd
import seaborn.objects as so
from matplotlib.axes import Axes

from spfem.audit.folder import SOURCE
from spfem.audit.measure import MeasuredClip
from spfem.audit.metrics import METRICS
from spfem.audit.timing import sample_at
from spfem.drawing import draw_on
from spfem.interval_plots import against_zero
from spfem.plots import LOOKS, look_of, title_of

INK = "#222222"
SPREAD = 0.5  # of a row, between clips of one method


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
    part, methods = clips[clips.metric == metric], list(dict.fromkeys(clips.method))
    kinds = sorted(set(clips.driven_by))
    looks = [LOOKS[number % len(LOOKS)] for number, _ in enumerate(kinds)]
    chart = so.Plot(part, y="method").add(
        so.Dot(pointsize=4, alpha=0.75), so.Jitter(SPREAD, seed=0), x="difference",
        color="driven_by", marker="driven_by", orient="y", legend=False,
    )  # fmt: skip
    mean = {"data": summary[summary.metric == metric], "y": "method", "legend": False}
    chart = chart.add(
        so.Range(color=INK, linewidth=2), xmin="ci_low", xmax="ci_high", orient="y", **mean
    )
    dash = so.Dot(color=INK, marker="|", pointsize=16, stroke=2)
    chart = chart.add(dash, x="difference", orient="y", **mean).scale(
        y=so.Nominal(order=methods),
        color=so.Nominal([look.colour for look in looks], order=kinds),
        marker=so.Nominal([look.marker for look in looks], order=kinds),
    )
    draw_on(ax, chart)
    for kind, look in zip(kinds, looks, strict=True):
        label = f"{kind}-driven"
        ax.plot([], [], look.marker, color=look.colour, ms=4, alpha=0.75, label=label)
    against_zero(ax, [title_of(name) for name in methods])
    better = "right" if METRICS[metric].higher else "left"
    ax.set_title(f"{METRICS[metric].title} (better: {better})", loc="left")
    return ax
