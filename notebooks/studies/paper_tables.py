"""The papers' tables with ours in a block of its own, which says on what it was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spfem.evaluation.tables import HIGHER_IS_BETTER, paper_layout
from spfem.methods import METHODS
from spfem.settings import EMOTIONS
from studies.paper_claims import ADDITIONS, CORPORA, GOOD_DIRECTION, PAPERS
from studies.paper_claims import AVERAGE as PUBLISHED_AVERAGE
from studies.paper_sides import (
    OUR_METRICS,
    choose_backbone,
)

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
        ours = ours.assign(**{BLOCK: _our_block(ours_on)}, metric=metric)
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
    both = pd.concat([shown, ours.assign(**{BLOCK: _our_block(ours_on)})])[columns]
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
    labels = {_our_block(ours_on): f"{_our_block(ours_on)} ({used or 'nothing measured'})"}
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
        return pd.DataFrame(columns=["setting", "metric", "measured with", "method"])
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


def _our_block(corpus: str) -> str:
    return f"ours on {CORPORA.get(corpus, corpus)}"


def _arrow(metric: str) -> str:
    return f"{metric} {'↑' if GOOD_DIRECTION[metric] > 0 else '↓'}"
