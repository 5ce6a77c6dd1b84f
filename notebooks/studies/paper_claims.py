"""Numbers that the papers and their repositories state, and every numeric claim made of them.

The facts are `data/published/*.csv`. Parts of the table of claims, column `part`:

* `method`: a base with an addition against the base alone, averaged over emotions;
* `emotions`: in how many of the seven emotions that comparison is won;
* `formulation`: visual disparity (VD) against correlation matrices (CM);
* `similarity`: matched and unmatched regions, before and after learning;
* `training`: what the released logs show of learning;
* `value`: the printed averages as such;
* `speed`: how fast learning was;
* `unread`: tables of which no number is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spfem.errors import InputError
from spfem.files import project_folder
from spfem.settings import EMOTIONS

AVERAGE = "average"
ROUNDING = 0.001  # of a printed average against the mean of its printed cells

PUBLISHED_COLUMNS: dict[str, tuple[str, ...]] = {
    "method_tables": (
        "source", "corpus", "setting", "metric", "base", "addition", *EMOTIONS, AVERAGE,
    ),
    "misprints": (
        "source", "corpus", "setting", "metric", "base", "addition", "printed_average",
        "mean_of_cells", "what",
    ),
    "similarity": ("source", "quantity", "domain", "value", "note"),
    "training_logs": ("run", "split", "epoch", "loss", "matched", "shuffled"),
    "training_speed": ("run", "iterations", "hours", "iterations_per_second", "batch_size"),
    "network_costs": ("network", "per", "parameters", "gflop", "note"),
}  # fmt: skip
KEY: Sequence[str] = PUBLISHED_COLUMNS["method_tables"][:6]


def published_folder() -> Path:
    """Where the published numbers lie in a checkout."""
    return project_folder() / "data" / "published"


def read_published(name: str, folder: Path | None = None) -> pd.DataFrame:
    """One of the tables of `COLUMNS`; `data/published/README.md` says where each is from.

    Args:
        name: of the file, without suffix.
        folder: default `published_folder()`.

    Raises:
        InputError: if the file is missing or has other columns.
    """
    path = (folder or published_folder()) / f"{name}.csv"
    if not path.is_file():
        raise InputError(
            f"{path} is missing; the published numbers are part of the repository, so restore the "
            "file or run in a checkout"
        )
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    if tuple(table.columns) != PUBLISHED_COLUMNS[name]:
        wanted = ", ".join(PUBLISHED_COLUMNS[name])
        raise InputError(f"{path} has the columns {', '.join(table.columns)}; wanted {wanted}")
    return table


def published_methods() -> pd.DataFrame:
    """The papers' main tables: a row per source, corpus, setting, metric, base and addition.

    Columns are the seven emotions and the printed average, misprints kept.
    """
    return read_published("method_tables")


def published_similarity() -> pd.DataFrame:
    """Similarities before and after learning, from the overview figure, dumps and logs."""
    return read_published("similarity")


def published_logs() -> pd.DataFrame:
    """The released training logs, a row an epoch: loss, matched and shuffled similarity."""
    return read_published("training_logs")


def published_misprints() -> pd.DataFrame:
    """The rows whose printed average is not the mean of their cells, and what is wrong."""
    return read_published("misprints")


def find_misprints(methods: pd.DataFrame) -> pd.DataFrame:
    """Rows of `published_methods` whose average is off by more than rounding.

    Returns:
        `KEY` columns, `printed_average` and `mean_of_cells`.
    """
    mean = methods[list(EMOTIONS)].mean(axis=1)
    off = (mean - methods[AVERAGE]).abs() > ROUNDING
    found = methods.loc[off, [*KEY, AVERAGE]].rename(columns={AVERAGE: "printed_average"})
    return found.assign(mean_of_cells=mean[off]).reset_index(drop=True)


def baseline_disagreement(methods: pd.DataFrame) -> pd.DataFrame:
    """Averages of the same baseline on the same corpus in the two sources, side by side.

    Returns:
        Columns corpus, setting, metric, base, one column a source, and `relative_difference`,
        that of the second source to the first.
    """
    plain = methods[methods.addition == "none"]
    columns = ["corpus", "setting", "metric", "base"]
    first, second = list(dict.fromkeys(methods.source))
    sides = [
        plain[plain.source == source].set_index(columns)[AVERAGE].rename(source)
        for source in (first, second)
    ]
    both = pd.concat(sides, axis=1, join="inner").reset_index()
    return both.assign(relative_difference=both[second] / both[first] - 1)


PAPERS = {"stccl": "STCCL", "scmcl": "SCMCL"}
CORPORA = {"mead": "MEAD", "ravdess": "RAVDESS"}
ADDITIONS = {"stccl_vd": "STCCL-VD", "stccl_cm": "STCCL-CM", "scmcl": "SCMCL"}
GOOD_DIRECTION = {"FAD": -1, "LSE-D": -1, "CSIM": 1, "IE": 1}
"""Sign of a better value. That of IE (entropy of the picture) is inferred: SCMCL raises it."""

Claim = dict[str, Any]
BASE_KEY = ("source", "corpus", "setting", "metric", "base")


def _claim(part: str, claim: str, source: str, value: float = np.nan, **more: Any) -> Claim:
    """One row of `list_claims`; what it does not name stays empty."""
    return {"part": part, "claim": claim, "source": source, "published_value": float(value)} | more


def _facts(row: Any) -> Claim:
    return {name: getattr(row, name) for name in ("corpus", "setting", "metric", "base")}


def _table_of(row: Any) -> str:
    return f"{PAPERS[row.source]}, table of {CORPORA[row.corpus]}"


def _pairs(methods: pd.DataFrame) -> list[tuple[Any, Any]]:
    """Each row with an addition, and the row of its base alone."""
    plain = {
        tuple(getattr(row, name) for name in BASE_KEY): row
        for row in methods[methods.addition == "none"].itertuples()
    }
    added = methods[methods.addition != "none"].itertuples()
    return [(row, plain[tuple(getattr(row, name) for name in BASE_KEY)]) for row in added]


def method_claims(methods: pd.DataFrame) -> list[Claim]:
    """An addition against its base: on average, and in how many emotions."""
    misprinted = {tuple(row[:6]) for row in find_misprints(methods).itertuples(index=False)}
    rows = []
    for row, base in _pairs(methods):
        facts, source = _facts(row) | {"addition": row.addition}, _table_of(row)
        place = f"{CORPORA[row.corpus]}, {row.setting}: {row.base} + {ADDITIONS[row.addition]} has"
        values = float(base.average), float(row.average)
        word = "lower" if values[1] < values[0] else "higher"
        touched = any(tuple(side[1:7]) in misprinted for side in (row, base))
        note = " (a printed average here is a misprint)" if touched else ""
        text = f"{place} {word} {row.metric} than {row.base}{note}"
        rows.append(_claim("method", text, source, values[1], published_base=values[0], **facts))
        won = sum(
            (getattr(row, emotion) - getattr(base, emotion)) * GOOD_DIRECTION[row.metric] > 0
            for emotion in EMOTIONS
        )
        text = f"{place} better {row.metric} than {row.base} in {won} of {len(EMOTIONS)} emotions"
        rows.append(_claim("emotions", text, source, won, **facts))
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
        facts = _facts(row) | {"addition": "stccl_vd", "published_base": cm}
        rows.append(_claim("formulation", text, _table_of(row), vd, **facts))
    return rows


def value_claims(methods: pd.DataFrame) -> list[Claim]:
    """The printed averages as such, one row a table and setting."""
    rows = []
    for _, part in methods.groupby(["source", "corpus", "setting"], sort=False):
        row = part.iloc[0]
        low, high = part[AVERAGE].min(), part[AVERAGE].max()
        text = f"{CORPORA[row.corpus]}, {row.setting}: {len(part)} averages as printed, from "
        facts = {"corpus": row.corpus, "setting": row.setting}
        rows.append(_claim("value", f"{text}{low:g} to {high:g}", _table_of(row), **facts))
    return rows


def similarity_claims(similarity: pd.DataFrame) -> list[Claim]:
    """Matched and unmatched regions, before and after learning."""
    figure = similarity[similarity.source == "STCCL_overview.png"]
    value = figure.set_index(["quantity", "domain"]).value.astype(float)

    def row(claim: str, metric: str, domain: str, source: str, base: float, ours: float) -> Claim:
        facts = {"metric": metric, "setting": domain, "published_base": base}
        return _claim("similarity", f"{domain}: {claim}", f"STCCL, {source}", ours, **facts)

    rows = []
    for domain in ("spatial", "temporal"):
        before = value["positive_similarity_before", domain]
        after = value["positive_similarity_after", domain]
        unmatched = value["unmatched_similarity_before", domain]
        rows += [
            row(claim, metric, domain, "overview figure", *values)
            for claim, metric, *values in (
                ("learning makes matched regions more alike", "gain", before, after),
                ("matched regions are more alike than unmatched ones before learning",
                 "contrast before", unmatched, before),
                ("unmatched regions are not alike before learning", "unmatched", 0.0, unmatched),
            )
        ]  # fmt: skip
    log = similarity[similarity.source == "log/stccl"].set_index("quantity").value.astype(float)
    text = "matched regions are more alike than unmatched ones after learning"
    ends = log["shuffled_after_train_epoch21"], log["positive_after_train_epoch21"]
    return [*rows, row(text, "contrast after", "joint", "log of the joint run", *ends)]


def training_claims(logs: pd.DataFrame) -> list[Claim]:
    """What the joint run's log shows, and the transformer's loss against chance."""
    joint = {
        (str(row["split"]), int(row["epoch"])): row
        for row in logs[logs.run == "stccl"].to_dict("records")
    }
    unseen = {epoch: float(row["loss"]) for (s, epoch), row in joint.items() if s == "test_implied"}
    last, middle = max(unseen), min(unseen, key=lambda epoch: unseen[epoch])

    def row(claim: str, metric: str, split: str, column: str, first: int) -> Claim:
        facts = {"setting": "train" if split == "train" else "held_out", "metric": metric}
        base = float(joint[split, first][column])
        value = float(joint[split, last][column])
        source = "STCCL, log of the joint run"
        return _claim("training", claim, source, value, published_base=base, **facts)

    alone = logs[logs.run == "compute_sequence_aggregation_with_model_without_mlp"]
    return [
        row("unseen actor: no gain in matched similarity after the first epoch of 22",
            "no gain", "test_implied", "matched", 0),
        row("training actors: matched similarity rises after the first epoch of 22",
            "matched", "train", "matched", 0),
        row("training actors: shuffled similarity falls after the first epoch of 22",
            "shuffled", "train", "shuffled", 0),
        row(f"unseen actor: the loss rises again after half of the epochs ({middle} of {last + 1})",
            "loss, second half", "test_implied", "loss", middle),
        _claim("training", "the temporal transformer learns: its loss is far below chance",
               "STCCL, log of the temporal run without heads",
               alone[alone.split == "train"].loss.iloc[-1], setting="independent",
               metric="transformer", published_base=float(np.log([256, 128, 64, 32]).sum())),
    ]  # fmt: skip


def speed_claims(speeds: pd.DataFrame) -> list[Claim]:
    """Speed of the joint runs."""
    joint = speeds[speeds.run.str.startswith("stccl")]
    rows = []
    for row in joint.itertuples():
        text = f"{row.run}: iterations a second of learning, batch {row.batch_size:g}"
        speed = float(str(row.iterations_per_second))
        rows.append(_claim("speed", text, "STCCL, stamps of the log", speed))
    return rows


UNREAD = {  # paper -> of what no number is known
    "ASCCL": "main tables and ablations",
    "STCCL": "ablations, results on EAT and DICE, user study",
    "SCMCL": "final tables, ablations, user study",
}
CLAIMS_COLUMNS = (
    "part", "claim", "source", "corpus", "setting", "metric", "base", "addition",
    "published_base", "published_value",
)  # fmt: skip


def list_claims() -> pd.DataFrame:
    """All claims, rows with `COLUMNS`; empty text and NaN where a column does not apply."""
    methods = published_methods()
    rows = [
        *method_claims(methods),
        *formulation_claims(methods),
        *similarity_claims(published_similarity()),
        *training_claims(published_logs()),
        *value_claims(methods),
        *speed_claims(read_published("training_speed")),
        *(
            _claim("unread", f"{p}: {text}", f"{p}, body of the paper")
            for p, text in UNREAD.items()
        ),
    ]
    empty: Claim = dict.fromkeys(CLAIMS_COLUMNS, "") | {
        "published_base": np.nan,
        "published_value": np.nan,
    }
    return pd.DataFrame([empty | row for row in rows], columns=list(CLAIMS_COLUMNS))
