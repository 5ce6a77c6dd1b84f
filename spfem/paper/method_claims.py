"""Claims of the main tables: additions against their base, VD against CM, values as printed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spfem.paper.published import AVERAGE, find_misprints
from spfem.settings import EMOTIONS

PAPERS = {"stccl": "STCCL", "scmcl": "SCMCL"}
CORPORA = {"mead": "MEAD", "ravdess": "RAVDESS"}
ADDITIONS = {"stccl_vd": "STCCL-VD", "stccl_cm": "STCCL-CM", "scmcl": "SCMCL"}
GOOD_DIRECTION = {"FAD": -1, "LSE-D": -1, "CSIM": 1, "IE": 1}
"""Sign of a better value. That of IE (entropy of the picture) is inferred: SCMCL raises it."""

Claim = dict[str, Any]


def _where(row: Any) -> Claim:
    return {
        "source": f"{PAPERS[row.source]}, table of {CORPORA[row.corpus]}",
        "corpus": row.corpus,
        "setting": row.setting,
        "metric": row.metric,
        "base": row.base,
    }


def _pairs(methods: pd.DataFrame) -> list[tuple[Any, Any]]:
    """Each row with an addition, and the row of its base alone."""
    key = ["source", "corpus", "setting", "metric", "base"]
    plain = {
        tuple(getattr(row, name) for name in key): row
        for row in methods[methods.addition == "none"].itertuples()
    }
    added = methods[methods.addition != "none"].itertuples()
    return [(row, plain[tuple(getattr(row, name) for name in key)]) for row in added]


def method_claims(methods: pd.DataFrame) -> list[Claim]:
    """An addition against its base: on average, and in how many emotions."""
    misprinted = {tuple(row[:6]) for row in find_misprints(methods).itertuples(index=False)}
    rows = []
    for row, base in _pairs(methods):
        name = f"{row.base} + {ADDITIONS[row.addition]}"
        where = _where(row) | {"addition": row.addition}
        values = float(base.average), float(row.average)
        word = "lower" if values[1] < values[0] else "higher"
        touched = any(tuple(side[1:7]) in misprinted for side in (row, base))
        note = " (a printed average here is a misprint)" if touched else ""
        text = (
            f"{CORPORA[row.corpus]}, {row.setting}: {name} has {word} {row.metric} than {row.base}"
        )
        rows.append(
            where
            | {
                "part": "method",
                "claim": text + note,
                "published_base": values[0],
                "published_value": values[1],
            }
        )
        won = sum(
            (getattr(row, emotion) - getattr(base, emotion)) * GOOD_DIRECTION[row.metric] > 0
            for emotion in EMOTIONS
        )
        text = (
            f"{CORPORA[row.corpus]}, {row.setting}: {name} has better {row.metric} than {row.base}"
        )
        rows.append(
            where
            | {
                "part": "emotions",
                "claim": f"{text} in {won} of {len(EMOTIONS)} emotions",
                "published_value": float(won),
            }
        )
    return rows


def formulation_claims(methods: pd.DataFrame) -> list[Claim]:
    """VD against CM, where the printed averages differ."""
    rows = []
    pairs = {
        (row.corpus, row.setting, row.metric, row.base, row.addition): row
        for row, _ in _pairs(methods)
    }
    for (*key, addition), row in pairs.items():
        if addition != "stccl_vd":
            continue
        vd, cm = float(row.average), float(pairs[(*key, "stccl_cm")].average)
        if vd == cm:  # says nothing of an order
            continue
        word = "lower" if vd < cm else "higher"
        place = f"{CORPORA[row.corpus]}, {row.setting}"
        text = f"{place}: {row.base} has {word} {row.metric} with VD than with CM"
        rows.append(
            _where(row)
            | {
                "part": "formulation",
                "claim": text,
                "addition": "stccl_vd",
                "published_base": cm,
                "published_value": vd,
            }
        )
    return rows


def value_claims(methods: pd.DataFrame) -> list[Claim]:
    """The printed averages as such, one row a table and setting."""
    rows = []
    key = ["source", "corpus", "setting"]
    for source, corpus, setting in methods[key].drop_duplicates().itertuples(index=False):
        part = methods.query("source == @source and corpus == @corpus and setting == @setting")
        rows.append(
            {
                "part": "value",
                "claim": f"{CORPORA[corpus]}, {setting}: {len(part)} averages as printed, from "
                f"{part[AVERAGE].min():g} to {part[AVERAGE].max():g}",
                "source": f"{PAPERS[source]}, table of {CORPORA[corpus]}",
                "corpus": corpus,
                "setting": setting,
            }
        )
    return rows
