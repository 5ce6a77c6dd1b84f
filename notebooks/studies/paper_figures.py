"""Figures and tables of the check of the papers: what they print beside ours."""

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
from spfem.evaluation.tables import HIGHER_IS_BETTER, paper_layout
from spfem.methods import METHODS
from spfem.plots import LOOKS, Look, title_of
from spfem.settings import EMOTIONS
from studies.drawing import draw_on
from studies.interval_plots import draw_intervals
from studies.paper_claims import ADDITIONS, CORPORA, GOOD_DIRECTION, PAPERS
from studies.paper_claims import AVERAGE as PUBLISHED_AVERAGE
from studies.paper_sides import OUR_METRICS, choose_backbone

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

    `check` holds rows of `check_papers`, part `method`, of one setting, base and base of ours;
    `gains` the sign of a better value by published metric.

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
    """The log and the mean of our records, one a seed, over the share of learning done.

    Both use the released definition of the scores, a cosine over places; losses are shares of
    their value at the first record, since their scales differ. Rows have of (`published`, `ours`),
    split, done in (0, 1], matched, shuffled, loss.

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
            style: dict[str, Any] = {"color": look.colour, "linestyle": line}
            style |= {"marker": look.marker, "ms": 3}
            if len(part):
                ax.plot(part.done, part[column], label=label, **style)
    ax.set_xlabel("share of learning")
    ax.grid(visible=True)
    return ax


def _shares(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(loss=table.loss / table.loss.iloc[0])


def similarity_bars(check: pd.DataFrame, similarity: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Values of the overview figure and ours, for `draw_bars`.

    The published values are from `check_papers`; ours are those of the held-out actor in rows of
    `similarity.csv`.

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


BLOCK = "values of"
ENDS = ["ci_low", "ci_high"]
PUBLISHED_WITH = "unpublished"  # networks and settings of the papers' metrics


def compare_tables(
    results: pd.DataFrame, published: pd.DataFrame, *, source: str, ours_on: str
) -> pd.DataFrame:
    """Values of a paper's tables (`published_methods`) and ours (`main_results`), long form.

    `source` is `stccl` or `scmcl`, `ours_on` the corpus of `results`. Rows have `values of`,
    setting, metric (the paper's name), measured with, method, emotion, value, ci_low, ci_high; the
    interval is NaN for published values.
    """
    theirs = _published_rows(published, source)
    rows = theirs.melt(
        id_vars=[BLOCK, "setting", "metric", "measured with", "method"],
        value_vars=[*EMOTIONS, PUBLISHED_AVERAGE],
        var_name="emotion",
        value_name="value",
    )
    blocks = [rows.assign(ci_low=np.nan, ci_high=np.nan)]
    for metric in dict.fromkeys(theirs.metric):
        ours = choose_backbone(results, metric)
        block = [_our_block(ours_on, base) for base in ours.base]
        ours = ours.assign(**{BLOCK: block}, metric=metric)
        blocks.append(ours.rename(columns={"backbone": "measured with"})[list(rows.columns) + ENDS])
    return pd.concat(blocks, ignore_index=True)


def emotion_layout(
    results: pd.DataFrame, published: pd.DataFrame, *, source: str, ours_on: str
) -> pd.DataFrame:
    """A paper's table as printed (settings, metrics and methods by emotions), then ours.

    Ours has intervals at the average, and bold only where they tell a method from all others.
    """
    theirs = _published_rows(published, source)
    rows = theirs.assign(metric=[_arrow(metric) for metric in theirs.metric])
    numbers = [*EMOTIONS, PUBLISHED_AVERAGE]
    columns = [BLOCK, "setting", "metric", "measured with", "method", *numbers]
    shown = rows[columns].astype(object)
    shown[numbers] = rows[numbers].map(lambda value: f"{value:.3f}")
    ours = _our_layout(results, list(dict.fromkeys(theirs.metric)))
    ours[BLOCK] = [_our_block(ours_on, base) for base in ours.base]
    both = pd.concat([shown, ours])[columns]
    return both.reset_index(drop=True)


def average_layout(
    results: pd.DataFrame, published: pd.DataFrame, *, source: str, ours_on: str
) -> pd.DataFrame:
    """Averages only: a row a method, a column a setting and metric; published block first."""
    table = emotion_layout(results, published, source=source, ours_on=ours_on)
    networks = table[table["measured with"] != PUBLISHED_WITH]
    used = ", ".join(
        f"{str(metric).split()[0]} {part.iloc[0]}"
        for metric, part in networks.groupby("metric", sort=False)["measured with"]
    )
    labels = {block: f"{block} ({used})" for block in dict.fromkeys(networks[BLOCK])}
    table = table.assign(column=table.setting + " " + table.metric)
    wide = table.pivot(index=[BLOCK, "method"], columns="column", values=PUBLISHED_AVERAGE)
    order = list(dict.fromkeys(table.column))
    rows = list(dict.fromkeys(zip(table[BLOCK], table.method, strict=True)))
    wide = wide.reindex(index=pd.MultiIndex.from_tuples(rows, names=[BLOCK, "method"]))[order]
    wide = wide.fillna("n/a").reset_index()
    wide.columns.name = None
    return wide.assign(**{BLOCK: wide[BLOCK].replace(labels)})


def _our_layout(results: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    ours = {metric: OUR_METRICS[metric][0] for metric in metrics}
    parts = [choose_backbone(results, metric) for metric in metrics]
    known = [name for name in ours.values() if name in HIGHER_IS_BETTER]
    layout = paper_layout(pd.concat(parts), known)
    if layout.empty:
        return pd.DataFrame(columns=["base", "setting", "metric", "measured with", "method"])
    printed = {name: _arrow(metric) for metric, name in ours.items()}
    titles = {name: method.title for name, method in METHODS.items()}
    return layout.assign(
        metric=[printed[text.split()[0]] for text in layout.metric],
        method=layout.method.replace(titles),
    )


def _published_rows(published: pd.DataFrame, source: str) -> pd.DataFrame:
    """Rows of a paper, with their block, the method's name and what they were measured with."""
    rows = published[published.source == source]
    blocks = [f"{PAPERS[source]} on {CORPORA[corpus]}, published" for corpus in rows.corpus]
    methods = [
        base if addition == "none" else f"{base} + {ADDITIONS[addition]}"
        for base, addition in zip(rows.base, rows.addition, strict=True)
    ]
    return rows.assign(**{BLOCK: blocks, "measured with": PUBLISHED_WITH}, method=methods)


def _our_block(corpus: str, base: str) -> str:
    return f"ours on {CORPORA.get(corpus, corpus)}, base {base}"


def _arrow(metric: str) -> str:
    return f"{metric} {'↑' if GOOD_DIRECTION[metric] > 0 else '↓'}"
