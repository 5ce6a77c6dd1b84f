"""Numbers that the papers and their repositories state, as facts: `data/published/*.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spfem.errors import InputError
from spfem.project import project_folder
from spfem.settings import EMOTIONS

AVERAGE = "average"
ROUNDING = 0.001  # of a printed average against the mean of its printed cells

COLUMNS: dict[str, tuple[str, ...]] = {
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
KEY: Sequence[str] = COLUMNS["method_tables"][:6]


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
    if tuple(table.columns) != COLUMNS[name]:
        raise InputError(
            f"{path} has the columns {', '.join(table.columns)}; wanted {', '.join(COLUMNS[name])}"
        )
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
