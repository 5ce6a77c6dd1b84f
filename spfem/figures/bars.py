"""Bars with intervals: similarity before and after learning, metrics by method; histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from spfem.errors import ShapeError
from spfem.figures.style import METHOD_LOOKS, legend_above, look_of, title_of

QUANTITY_LABELS: Mapping[str, str] = {
    "matched": "matched",
    "mismatched_place": "other place",
    "mismatched_speech": "other speech",
    "speech_auc": "speech AUC",
}

SPLIT_LABELS: Mapping[str, str] = {"train": "learned actors", "held_out": "held-out actor"}
METRIC_LABELS: Mapping[str, str] = {
    "fad": "FAD ↓",
    "lse_d": "LSE-D ↓",
    "lse_c": "LSE-C ↑",
    "lse_offset": "lip offset ↓\nframes",
    "csim": "CSIM ↑",
    "identity_distance": "identity distance ↓",
    "mouth_error": "mouth error ↓\n% of eye distance",
    "mesh_mouth_error": "mouth error on the mesh ↓\n% of eye distance",
    "mouth_correlation": "mouth correlation ↑",
    "expression_error": "expression error ↓",
    "picture_error": "picture error ↓\ngrey levels",
    "emotion_accuracy": "emotion accuracy ↑",
    "image_entropy": "image entropy ↑\nbits",
    "face_found": "frames with a face ↑",
}


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

    Args:
        ax: empty axes.
        table: rows with `group`, `series`, value, ci_low, ci_high; one row a pair.
        group: column whose values stand along the axis, in order of appearance.
        series: column whose values stand side by side in a group.
        labels: group value -> text under it.
        write_values: write each value over its bar.
        legend: name the series above the axes; without, the figure should.

    Raises:
        ShapeError: if a pair of group and series occurs twice or nothing is given.
    """
    if table.empty or table.duplicated([group, series]).any():
        raise ShapeError(f"bars need one row for each {group} and {series}; got {len(table)} rows")
    groups, names = list(dict.fromkeys(table[group])), list(dict.fromkeys(table[series]))
    width = 0.8 / len(names)
    for position, name in enumerate(names):
        part = table[table[series] == name].set_index(group).reindex(groups)
        places = np.arange(len(groups)) + (position - (len(names) - 1) / 2) * width
        look = look_of(str(name), position)
        value = part.value.to_numpy(float)
        reach = np.stack([value - part.ci_low, part.ci_high - value]).astype(float)
        ax.bar(
            places,
            value,
            0.92 * width,
            label=title_of(str(name)),
            color=look.colour,
            hatch=look.hatch,
            edgecolor="#777777" if look == METHOD_LOOKS["copy"] else "white",
            linewidth=0.5,
            yerr=np.clip(np.nan_to_num(reach), 0, None),
            error_kw={"elinewidth": 1.0, "capsize": min(2.5, 12 * width), "ecolor": "#444444"},
        )
        if write_values:
            tops = np.maximum(part.ci_high.to_numpy(float), 0)
            for x, y, text in zip(places, tops, value, strict=True):
                if np.isfinite(text):
                    ax.annotate(
                        f"{text:.2f}",
                        (x, y),
                        xytext=(0, 2),
                        textcoords="offset points",
                        ha="center",
                        fontsize=7,
                    )
    shown = [(labels or {}).get(str(name), title_of(str(name))) for name in groups]
    ax.set_xticks(np.arange(len(groups)), shown)
    ax.axhline(0, color="#444444", linewidth=0.8)
    ax.yaxis.grid(visible=True)
    if legend:
        legend_above(ax, len(names))
    return ax


def draw_similarity(
    ax: Axes, similarity: pd.DataFrame, *, metric: str, split: str, legend: bool = True
) -> Axes:
    """Draw the quantities of `similarity.csv` before and after learning, in one definition.

    Args:
        ax: empty axes.
        similarity: rows with metric, state, split, quantity, value, ci_low, ci_high.
        metric: for example `spatial`.
        split: `train` or `held_out`.
        legend: name the states above the axes.
    """
    part = similarity[(similarity.metric == metric) & (similarity.split == split)]
    draw_bars(
        ax,
        part,
        group="quantity",
        series="state",
        labels=QUANTITY_LABELS,
        write_values=True,
        legend=legend,
    )
    ax.set_title(f"{metric.replace('_', ' ')}, {SPLIT_LABELS[split]}", loc="left")
    ax.set_ylim(min(-0.1, float(part.ci_low.min()) - 0.1), 1.12)
    return ax


def draw_all_similarities(axes: Sequence[Axes], similarity: pd.DataFrame, *, split: str) -> None:
    """Draw each quantity of `similarity.csv` for all metrics, before and after learning.

    Args:
        axes: one a quantity, under each other.
        similarity: as in `draw_similarity`.
        split: `train` or `held_out`.
    """
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

    The title names the backbone, so the legend of the methods is left to the figure.

    Args:
        ax: empty axes.
        results: main results of one setting.
        metric: for example `fad`.
        backbone: needed where a metric has several.
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
    """Draw distributions of scores over each other, with their means.

    Args:
        ax: empty axes.
        scores: name -> scores.
        label: of the score axis.
        bins: over the common range.
    """
    every = np.concatenate([np.asarray(values, float) for values in scores.values()])
    edges = np.linspace(every.min(), every.max() + 1e-9, bins + 1)
    for position, (name, values) in enumerate(scores.items()):
        look, array = look_of(name, position), np.asarray(values, float)
        options: dict[str, Any] = {"bins": edges, "density": True, "color": look.colour}
        ax.hist(array, histtype="stepfilled", alpha=0.2, **options)
        ax.hist(array, histtype="step", linestyle=look.line, linewidth=1.4, **options)
        ax.plot(
            [], [], color=look.colour, linestyle=look.line, label=f"{name} ({array.mean():.2f})"
        )
        ax.axvline(array.mean(), color=look.colour, linestyle=look.line, linewidth=0.8)
    ax.set(xlabel=label, ylabel="density")
    legend_above(ax, 1)
    return ax
