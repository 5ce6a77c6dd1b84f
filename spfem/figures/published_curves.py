"""The released training log beside our own learning records, in one definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from spfem.errors import ShapeError
from spfem.figures.style import LOOKS

SPLITS = {"train": "learned actors", "held_out": "unseen actor"}
LOGGED_SPLITS = {"train": "train", "held_out": "test_implied"}
OUR_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "matched": ("matched_released", "spatial_matched_released"),
    "shuffled": ("mismatched_released", "spatial_mismatched_released"),
}
"""Logged score to the columns of ours whose mean it is: temporal and spatial part."""


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

    Args:
        ax: empty axes.
        table: from `joined_curves`.
        column: `matched`, `shuffled` or `loss`.
        corpus: that ours was learned on, for the legend.
    """
    names = {"published": "published, MEAD", "ours": f"ours, {corpus}"}
    for place, (of, name) in enumerate(names.items()):
        for split, line in zip(SPLITS, ("-", "--"), strict=True):
            part = table[(table.of == of) & (table.split == split)]
            if len(part):
                look = LOOKS[place]
                label = f"{name}, {SPLITS[split]}"
                ax.plot(
                    part.done,
                    part[column],
                    color=look.colour,
                    linestyle=line,
                    marker=look.marker,
                    markersize=3,
                    label=label,
                )
    ax.set_xlabel("share of learning")
    ax.grid(visible=True)
    return ax


def _shares(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(loss=table.loss / table.loss.iloc[0])
