"""Numbers that the papers and their repositories state, as facts: `data/published/*.csv`.

Claims of the main tables: additions against their base, VD against CM, values as printed.

Claims on the metrics themselves: similarity before and after learning, logs, speed.

Every numeric claim of the papers that is known, one row each, made from the published tables.

Parts of the table, column `part`:

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


def similarity_claims(similarity: pd.DataFrame) -> list[Claim]:
    """Matched and unmatched regions, before and after learning."""
    figure = similarity[similarity.source == "STCCL_overview.png"]
    value = figure.set_index(["quantity", "domain"]).value.astype(float)
    rows = []
    for domain in ("spatial", "temporal"):
        before = value["positive_similarity_before", domain]
        common = {"part": "similarity", "source": "STCCL, overview figure", "setting": domain}
        rows.append(
            common
            | {
                "claim": f"{domain}: learning makes matched regions more alike",
                "metric": "gain",
                "published_base": before,
                "published_value": value["positive_similarity_after", domain],
            }
        )
        rows.append(
            common
            | {
                "claim": f"{domain}: matched regions are more alike than unmatched "
                "ones before learning",
                "metric": "contrast before",
                "published_base": value["unmatched_similarity_before", domain],
                "published_value": before,
            }
        )
        rows.append(
            common
            | {
                "claim": f"{domain}: unmatched regions are not alike before learning",
                "metric": "unmatched",
                "published_base": 0.0,
                "published_value": value["unmatched_similarity_before", domain],
            }
        )
    log = similarity[similarity.source == "log/stccl"].set_index("quantity").value.astype(float)
    rows.append(
        {
            "part": "similarity",
            "source": "STCCL, log of the joint run",
            "setting": "joint",
            "claim": "joint: matched regions are more alike than unmatched ones after learning",
            "metric": "contrast after",
            "published_base": log["shuffled_after_train_epoch21"],
            "published_value": log["positive_after_train_epoch21"],
        }
    )
    return rows


def training_claims(logs: pd.DataFrame) -> list[Claim]:
    """What the joint run's log shows, and the transformer's loss against chance."""
    joint = {
        (str(row["split"]), int(row["epoch"])): row
        for row in logs[logs.run == "stccl"].to_dict("records")
    }
    unseen = {epoch: float(row["loss"]) for (s, epoch), row in joint.items() if s == "test_implied"}
    last, middle = max(unseen), min(unseen, key=lambda epoch: unseen[epoch])

    def row(claim: str, metric: str, split: str, column: str, first: int) -> Claim:
        return {
            "part": "training",
            "claim": claim,
            "source": "STCCL, log of the joint run",
            "setting": "train" if split == "train" else "held_out",
            "metric": metric,
            "published_base": float(joint[split, first][column]),
            "published_value": float(joint[split, last][column]),
        }

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
        {
            "part": "training",
            "claim": "the temporal transformer learns: its loss is far below chance",
            "source": "STCCL, log of the temporal run without heads",
            "setting": "independent",
            "metric": "transformer",
            "published_base": float(np.log([256, 128, 64, 32]).sum()),
            "published_value": float(alone[alone.split == "train"].loss.iloc[-1]),
        },
    ]  # fmt: skip


def speed_claims(speeds: pd.DataFrame) -> list[Claim]:
    """Speed of the joint runs."""
    joint = speeds[speeds.run.str.startswith("stccl")]
    return [
        {
            "part": "speed",
            "claim": f"{row['run']}: iterations a second of learning, batch {row['batch_size']:g}",
            "source": "STCCL, stamps of the log",
            "published_value": float(row["iterations_per_second"]),
        }
        for row in joint.to_dict("records")
    ]


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
        *_unread_claims(),
    ]
    empty: Claim = dict.fromkeys(CLAIMS_COLUMNS, "") | {
        "published_base": np.nan,
        "published_value": np.nan,
    }
    return pd.DataFrame([empty | row for row in rows], columns=list(CLAIMS_COLUMNS))


def _unread_claims() -> list[Claim]:
    what = {
        "ASCCL": "main tables and ablations",
        "STCCL": "ablations, results on EAT and DICE, user study",
        "SCMCL": "final tables, ablations, user study",
    }
    return [
        {"part": "unread", "claim": f"{paper}: {text}", "source": f"{paper}, body of the paper"}
        for paper, text in what.items()
    ]
