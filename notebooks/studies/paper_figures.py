"""Figures of the check of the papers: what they print beside ours, claim by claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from spfem.errors import ShapeError
from spfem.plots import LOOKS, Look, title_of
from studies.drawing import draw_on
from studies.interval_plots import draw_intervals

LINEAR = 0.001  # of the base, below which the axis is linear
PUBLISHED_MARKS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("stccl", "mead"): ("D", "STCCL, MEAD"),
    ("stccl", "ravdess"): ("s", "STCCL, RAVDESS"),
    ("scmcl", "mead"): ("^", "SCMCL, MEAD"),
}
"""Paper and corpus to marker and name; open marks, so that grey suffices to tell them."""

GREY, OURS_LOOK = "#777777", Look("#000000", "o", "-", "")
SPLITS = {"train": "learned actors", "held_out": "unseen actor"}
LOGGED_SPLITS = {"train": "train", "held_out": "test_implied"}
OUR_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "matched": ("matched_released", "spatial_matched_released"),
    "shuffled": ("mismatched_released", "spatial_mismatched_released"),
}
"""Logged score to the columns of ours whose mean it is: temporal and spatial part."""
NUMBERS = ("value", "ci_low", "ci_high")
BAR_METRICS = {"spatial": "spatial", "temporal": "temporal_vd"}
QUANTITIES = (("before", "mismatched_place"), ("before", "matched"), ("after", "matched"))
STATES = ("unmatched\nbefore", "matched\nbefore", "matched\nafter")


def draw_forest(ax: Axes, check: pd.DataFrame, gains: Mapping[str, int]) -> list[tuple[str, str]]:
    """Draw one line a metric and method: what papers print, open; ours with interval, filled.

    To the right is better, in shares of the base; the axis is logarithmic beyond `LINEAR`.
    Ours is one mark however many papers claim the same. A line without ours was not tested.

    `check`: rows of `check_papers`, part `method`, of one setting and base; `gains`: published
    metric to the sign of a better value.

    Returns:
        The (metric, method) of each line, from above.

    Raises:
        ShapeError: if there is no row.
    """
    if check.empty:
        raise ShapeError("no claim to draw; give the rows of part 'method' of one setting")
    lines = list(dict.fromkeys(zip(check.metric, check.addition, strict=True)))
    lines.sort(key=lambda line: list(gains).index(line[0]))
    signs = check.metric.map(gains)
    places = [lines.index(line) for line in zip(check.metric, check.addition, strict=True)]
    papers = [PUBLISHED_MARKS[key][0] for key in _papers(check)]
    published = pd.DataFrame({"gain": check.published_change * signs, "line": places, "by": papers})
    dots = so.Dot(color="white", edgecolor=GREY, pointsize=5.5, edgewidth=1)
    chart = so.Plot(published, x="gain", y="line", marker="by").add(dots, legend=False)
    draw_on(ax, chart.scale(marker=so.Nominal({mark: mark for mark in papers})))
    ours = check.drop_duplicates(["metric", "addition"]).set_index(["metric", "addition"])
    ours, signs = ours.loc[lines], pd.Series([gains[metric] for metric, _ in lines])
    columns = {"ours_change": "difference", "change_low": "ci_low", "change_high": "ci_high"}
    shown = ours[list(columns)].rename(columns=columns).mul(signs.to_numpy(), axis=0)
    shown[["ci_low", "ci_high"]] = np.sort(shown[["ci_low", "ci_high"]])
    draw_intervals(ax, shown, [_label(*line) for line in lines], [OURS_LOOK] * len(lines))
    ax.set_xscale("symlog", linthresh=LINEAR, linscale=0.5)
    ax.set_xlim(-1, 1)
    ticks = [-0.1, -0.01, -LINEAR, 0, LINEAR, 0.01, 0.1]
    ax.set_xticks(ticks, minor=False)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.1%}" if value else "0"))
    ax.tick_params(axis="x", labelsize=7)
    ax.set_xlabel("better than NED by (symmetric log)")
    return lines


def forest_legend(check: pd.DataFrame) -> list[Line2D]:
    """Handles of a legend for `draw_forest`: the papers in the rows, and ours."""
    present = set(_papers(check))
    style: dict[str, Any] = {"color": GREY, "markerfacecolor": "white", "ls": ""}
    handles = [
        Line2D([], [], marker=marker, label=name, **style)
        for key, (marker, name) in PUBLISHED_MARKS.items()
        if key in present
    ]
    on = ", ".join(sorted({name for name in check.ours_on if name}))
    for fill, word in (("#000000", "clear of zero"), ("white", "holds zero")):
        ours: dict[str, Any] = {"color": "#000000", "marker": "o", "markerfacecolor": fill}
        if on:
            handles.append(Line2D([], [], label=f"ours on {on}, interval {word}", **ours))
    return handles


def _papers(check: pd.DataFrame) -> list[tuple[str, str]]:
    """Paper and corpus of each claim, keys of `PUBLISHED_MARKS`."""
    papers = check["source"].str.split(",").str[0].str.lower()
    return list(zip(papers, check.corpus, strict=True))


def _label(metric: str, addition: str) -> str:
    return f"{metric}, {title_of('ned+' + addition).removeprefix('NED + ')}"


def joined_curves(
    logs: pd.DataFrame, curves: Sequence[pd.DataFrame], *, run: str = "stccl"
) -> pd.DataFrame:
    """The log and the mean of our records over the share of learning done.

    Both use the released definition of the scores, a cosine over places; losses are shares of
    their value at the first record, since their scales differ.

    Args:
        logs: from `published_logs`.
        curves: learning records of the joint metric, one a seed.
        run: of the log.

    Returns:
        Rows with of (`published`, `ours`), split, done in (0, 1], matched, shuffled, loss.

    Raises:
        ShapeError: if a record lacks a column.
    """
    rows = []
    logged = logs[logs.run == run]
    for split, name in LOGGED_SPLITS.items():
        part = logged[logged.split == name].sort_values("epoch")
        done = (part.epoch + 1) / (part.epoch.max() + 1)
        published = part[["matched", "shuffled", "loss"]].assign(done=done)
        rows.append(_shares(published).assign(of="published", split=split))
    missing = {c for names in OUR_COLUMNS.values() for c in names} | {"loss", "step", "split"}
    for curve in curves:
        missing_here = missing - set(curve)
        if missing_here:
            raise ShapeError(f"a learning record lacks {', '.join(sorted(missing_here))}")
    if curves:
        mean = pd.concat(curves).groupby(["split", "step"]).mean(numeric_only=True).reset_index()
        for split in SPLITS:
            part = mean[mean.split == split].sort_values("step")
            ours = pd.DataFrame(
                {name: part[list(columns)].mean(axis=1) for name, columns in OUR_COLUMNS.items()}
            )
            ours = ours.assign(loss=part.loss, done=part.step / part.step.max())
            rows.append(_shares(ours).assign(of="ours", split=split))
    columns = ["of", "split", "done", "matched", "shuffled", "loss"]
    return pd.concat(rows, ignore_index=True)[columns]


def draw_published_curve(ax: Axes, table: pd.DataFrame, column: str, corpus: str) -> Axes:
    """Draw one column of `joined_curves`: published and ours, learned and unseen actors.

    `column` is `matched`, `shuffled` or `loss`; `corpus` that which ours was learned on.
    """
    names = {"published": "published, MEAD", "ours": f"ours, {corpus}"}
    for place, (of, name) in enumerate(names.items()):
        for split, line in zip(SPLITS, ("-", "--"), strict=True):
            part = table[(table.of == of) & (table.split == split)]
            look, label = LOOKS[place], f"{name}, {SPLITS[split]}"
            style: dict[str, Any] = {
                "color": look.colour,
                "linestyle": line,
                "marker": look.marker,
                "ms": 3,
            }
            if len(part):
                ax.plot(part.done, part[column], label=label, **style)
    ax.set_xlabel("share of learning")
    ax.grid(visible=True)
    return ax


def _shares(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(loss=table.loss / table.loss.iloc[0])


def similarity_bars(check: pd.DataFrame, similarity: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Values of the overview figure and ours, for `draw_bars`.

    `check`: from `check_papers`, for the published values; `similarity`: rows of `similarity.csv`;
    ours is that of the held-out actor.

    Returns:
        Rows with domain (`spatial`, `temporal`), state (of `STATES`), of, value, ci_low, ci_high;
        published values have none, so theirs is the value itself.

    Raises:
        ShapeError: if the check has no claims on the overview figure.
    """
    rows: list[dict[str, Any]] = []
    part = check[check.part == "similarity"]
    for domain in ("spatial", "temporal"):
        claims = part[part.setting == domain].set_index("metric")
        if not {"gain", "unmatched"} <= set(claims.index):
            raise ShapeError(f"the check has no claims on the {domain} bars of the overview figure")
        gain, unmatched = claims.loc["gain"], claims.loc["unmatched"]
        published = unmatched.published_value, gain.published_base, gain.published_value
        own = similarity[
            (similarity.metric == BAR_METRICS[domain]) & (similarity.split == "held_out")
        ]
        found = {
            (row["state"], row["quantity"]): {name: row[name] for name in NUMBERS}
            for row in own.to_dict("records")
        }
        for state, quantity, value in zip(STATES, QUANTITIES, published, strict=True):
            place = {"domain": domain, "state": state}
            printed = dict.fromkeys(NUMBERS, value)
            rows.append(place | {"of": "published, MEAD"} | printed)
            rows.append(place | {"of": f"ours, {corpus}"} | found[quantity])
    return pd.DataFrame(rows)
