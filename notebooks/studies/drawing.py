"""Charts of tables: bars with intervals, distributions, curves.

Every interval is one that the table states; nothing is resampled here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import seaborn.objects as so
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from spfem.errors import ShapeError
from spfem.plots import (
    LOOKS,
    METHOD_LOOKS,
    METRIC_LABELS,
    STYLE,
    WIDTH,
    apply_style,
    legend_above,
    look_of,
    title_of,
)

QUANTITY_LABELS: Mapping[str, str] = {
    "matched": "matched", "mismatched_place": "other place", "mismatched_speech": "other speech",
    "speech_auc": "speech AUC",
}  # fmt: skip
SPLIT_LABELS: Mapping[str, str] = {"train": "learned actors", "held_out": "held-out actor"}


def draw_bars(
    ax: Axes,
    table: pd.DataFrame,
    *,
    group: str,
    series: str,
    labels: Mapping[str, str] | None = None,
    write_values: bool = False,
    legend: bool = True,
) -> Axes:
    """Draw grouped bars with intervals.

    `table` has `group`, `series`, value, ci_low, ci_high, one row a pair. The values of `group`
    stand along the axis in order of appearance, with `labels` under them, those of `series` side by
    side. Without `legend` the figure should name the series.

    Raises:
        ShapeError: if a pair of group and series occurs twice or nothing is given.
    """
    if table.empty or table.duplicated([group, series]).any():
        raise ShapeError(f"bars need one row for each {group} and {series}; got {len(table)} rows")
    groups, names = list(dict.fromkeys(table[group])), list(dict.fromkeys(table[series]))
    order, dodge = so.Nominal(order=groups), so.Dodge(empty="keep", gap=0.08)
    looks = {name: look_of(str(name), place) for place, name in enumerate(names)}
    colours = so.Nominal({name: look.colour for name, look in looks.items()}, order=names)
    chart = so.Plot(table, x=group, y="value", color=series)
    chart = chart.add(so.Bar(alpha=1, edgecolor="white", edgewidth=0.5), dodge, legend=False)
    ends = {"ymin": "ci_low", "ymax": "ci_high"}
    interval = so.Range(color="#222222", linewidth=1.4)
    chart = chart.add(interval, dodge, color=None, group=series, legend=False, **ends)
    draw_on(ax, chart.scale(x=order, color=colours))
    by_colour = {look.colour: look for look in looks.values()}
    for name, look in looks.items():  # for the legend, also of series whose bars have no height
        ax.add_patch(Rectangle((0, 0), 0, 0, fc=look.colour, lw=0.5, label=title_of(str(name))))
    for bar in ax.patches:
        look = by_colour[to_hex(bar.get_facecolor())]
        bar.set_hatch(look.hatch)
        bar.set_edgecolor("#777777" if look == METHOD_LOOKS["copy"] else "white")
    if write_values:
        for row in table[table.value.notna()].to_dict("records"):
            slot = (names.index(row[series]) + 0.5) / len(names) - 0.5
            top = np.nanmax([0, row["value"], row["ci_high"]])
            ax.annotate(
                f"{row['value']:.2f}", (groups.index(row[group]) + 0.8 * slot, top), ha="center",
                xytext=(0, 2), textcoords="offset points", fontsize=7,
            )  # fmt: skip
        ax.margins(y=0.12)
    ax.set_xticks(
        np.arange(len(groups)), [(labels or {}).get(str(g), title_of(str(g))) for g in groups]
    )
    ax.axhline(0, color="#444444", linewidth=0.8)
    ax.yaxis.grid(visible=True)
    if legend:
        legend_above(ax, len(names))
    return ax


def draw_similarity(
    ax: Axes, similarity: pd.DataFrame, *, metric: str, split: str, legend: bool = True
) -> Axes:
    """Draw the quantities of one metric and split of `similarity.csv` before and after learning."""
    part = similarity[(similarity.metric == metric) & (similarity.split == split)]
    axis: dict[str, Any] = {"group": "quantity", "series": "state", "labels": QUANTITY_LABELS}
    draw_bars(ax, part, **axis, write_values=True, legend=legend)
    ax.set_title(f"{metric.replace('_', ' ')}, {SPLIT_LABELS[split]}", loc="left")
    ax.set_ylim(min(-0.1, float(part.ci_low.min()) - 0.1), 1.12)
    return ax


def draw_all_similarities(axes: Sequence[Axes], similarity: pd.DataFrame, *, split: str) -> None:
    """Draw each quantity of `similarity.csv` for all metrics, on axes under each other."""
    part = similarity[similarity.split == split]
    for number, (ax, quantity) in enumerate(zip(axes, QUANTITY_LABELS, strict=True)):
        rows = part[part.quantity == quantity]
        draw_bars(ax, rows, group="metric", series="state", write_values=True, legend=number == 0)
        ax.set_ylabel(QUANTITY_LABELS[quantity])
        ax.set_ylim(min(-0.05, float(rows.ci_low.min()) - 0.05), 1.15)
    axes[-1].tick_params(axis="x", labelrotation=20)


def draw_retrieval(ax: Axes, retrieval: pd.DataFrame, *, split: str) -> Axes:
    """Draw the recall at 1 of `retrieval.csv` by query and target, states side by side.

    The dashed line is chance.
    """
    part = retrieval[retrieval.split == split].rename(columns={"recall_at_1": "value"})
    part = part.assign(search=part["query"] + "\n→ " + part["target"])
    draw_bars(ax, part, group="search", series="state")
    ax.axhline(float(part.chance_at_1.mean()), color="#444444", linewidth=1, linestyle="--")
    ax.set_ylabel(f"recall at 1, {SPLIT_LABELS[split]}\n(dashed: chance)")
    return ax


def draw_metric(ax: Axes, results: pd.DataFrame, metric: str, backbone: str | None = None) -> Axes:
    """Draw one metric of the main results, emotions along the axis, methods side by side.

    The title names the backbone, so the legend of the methods is left to the figure. `results` are
    those of one setting; `backbone` is needed where a metric has several.
    """
    part = results[(results.metric == metric) & (backbone is None or results.backbone == backbone)]
    draw_bars(ax, part, group="emotion", series="method", legend=False)
    ax.set_ylabel(METRIC_LABELS[metric])
    if part.backbone.nunique() == 1:
        ax.set_title(f"measured with {part.backbone.iloc[0]}", loc="left")
    ax.set_xticklabels(ax.get_xticklabels(), rotation=30, ha="right")
    return ax


def draw_histogram(
    ax: Axes, scores: Mapping[str, Sequence[float] | np.ndarray], *, label: str, bins: int = 40
) -> Axes:
    """Draw distributions of scores over each other, with their means; `scores` by name."""
    every = np.concatenate([np.asarray(values, float) for values in scores.values()])
    for place, (name, values) in enumerate(scores.items()):
        look, mean = look_of(name, place), float(np.mean(values))
        sns.histplot(
            x=np.asarray(values, float), bins=bins, binrange=(every.min(), every.max() + 1e-9),
            stat="density", element="step", color=look.colour, alpha=0.2, linestyle=look.line,
            linewidth=1.4, label=f"{name} ({mean:.2f})", ax=ax,
        )  # fmt: skip
        ax.axvline(mean, color=look.colour, linestyle=look.line, linewidth=0.8)
    ax.set(xlabel=label, ylabel="density")
    legend_above(ax, 1)
    return ax


def draw_learning(ax: Axes, record: Path, columns: Sequence[str] = ("loss",)) -> Axes:
    """Draw columns of a learning record (`curve.json`): one of all splits, several held out.

    It has rows with `step`, `split` and the columns.

    Raises:
        ShapeError: if a column is missing, or there are more than looks to tell them apart.
    """
    curve = pd.DataFrame(json.loads(record.read_text(encoding="utf-8")))
    if missing := [name for name in ("step", "split", *columns) if name not in curve]:
        raise ShapeError(
            f"{record} has no column {', '.join(missing)}; it has {', '.join(curve.columns)}"
        )
    if len(columns) > len(LOOKS):
        raise ShapeError(f"{len(columns)} curves cannot be told apart, {len(LOOKS)} can")
    if len(columns) == 1:
        shown = curve.rename(columns={columns[0]: "value", "split": "series"})
        shown = shown.sort_values("series", key=lambda names: names != "train", kind="stable")
    else:
        shown = curve[curve.split == "held_out"]
        shown = shown.melt("step", list(columns), var_name="series")
    _draw_lines(ax, shown, "step")
    ax.set(xlabel="step", ylabel=columns[0] if len(columns) == 1 else "")
    legend_above(ax, min(2, shown.series.nunique()))
    return ax


def draw_over_time(ax: Axes, curves: Mapping[str, np.ndarray], *, fps: float, label: str) -> Axes:
    """Draw values (T,) of each frame by name, such as mouth openings; NaN leaves a gap."""
    parts = [
        pd.DataFrame({"seconds": np.arange(len(values)) / fps, "value": values, "series": name})
        for name, values in curves.items()
    ]
    _draw_lines(ax, pd.concat(parts, ignore_index=True), "seconds")
    ax.set(xlabel="time in seconds", ylabel=label)
    legend_above(ax, min(4, len(curves)))
    return ax


def draw_terms(
    curves: Mapping[str, pd.DataFrame], *, columns: int = 4, smoothing: int = 1
) -> Figure:
    """Draw training records of several methods: one axes a term, the methods in it.

    They have one row a recorded step, with `step`; terms that only some methods have are drawn for
    those. `smoothing` is rows of a running mean.

    Raises:
        ShapeError: if there is no term.
    """
    parts = [
        curve.set_index("step")
        .rolling(smoothing, min_periods=1, center=True).mean()
        .melt(ignore_index=False, var_name="term").reset_index().assign(series=name)
        for name, curve in curves.items()
    ]  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise ShapeError("the records have no term beside step")
    terms, looks = table.term.unique(), [look_of(name, place) for place, name in enumerate(curves)]
    apply_style()
    figure = Figure(figsize=(WIDTH, 0.5 + 1.5 * -(-len(terms) // columns)), layout="constrained")
    chart = _line_chart(table, "step", list(curves)).facet("term", wrap=min(columns, len(terms)))
    chart = chart.share(x=True, y=False).label(title=title_of, y="")
    left = {"axes.grid": True, "axes.titlelocation": "left"}
    style = sns.axes_style() | sns.plotting_context() | left
    chart.theme(style).on(figure).plot()
    lines = [Line2D([], [], color=look.colour, linestyle=look.line) for look in looks]
    titles = [title_of(name) for name in curves]
    figure.legend(lines, titles, loc="outside upper right", ncols=3)
    return figure


def _line_chart(table: pd.DataFrame, over: str, names: Sequence[str]) -> so.Plot:
    looks = {name: look_of(name, place) for place, name in enumerate(names)}
    chart = so.Plot(table, x=over, y="value", color="series", linestyle="series")
    return chart.add(so.Path(), legend=False).scale(
        color=so.Nominal({name: look.colour for name, look in looks.items()}, order=list(names)),
        linestyle=so.Nominal({name: look.line for name, look in looks.items()}, order=list(names)),
    )


def _draw_lines(ax: Axes, table: pd.DataFrame, over: str) -> None:
    """Lines of `value` over a column, one a `series`, named for a legend."""
    names = list(dict.fromkeys(table.series))
    draw_on(ax, _line_chart(table, over, names))
    for place, name in enumerate(names):
        look = look_of(name, place)
        ax.plot([], [], color=look.colour, linestyle=look.line, label=title_of(name))
    ax.grid(visible=True)


def draw_on(ax: Axes, chart: so.Plot) -> None:
    """Draw a chart on axes in our style; the caller writes the labels of both axes."""
    shown = {
        name: axis.get_tick_params().get(name, True)
        for name, axis in (("labelbottom", ax.xaxis), ("labelleft", ax.yaxis))
    }
    chart.theme(STYLE).label(x="", y="").on(ax).plot()
    ax.tick_params(**shown)  # those of shared axes were hidden
