"""One DataFrame as CSV (full precision), TeX (booktabs) and Markdown, in the papers' layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spfem.artifacts import writing
from spfem.evaluation.results_schema import AVERAGE, HIGHER_IS_BETTER
from spfem.evaluation.scores import METHODS
from spfem.settings import EMOTIONS

CALIBRATION = ("copy", "random", "truth")
DIGITS = 3


def _text(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "n/a" if np.isnan(value) else f"{value:.{DIGITS}f}"
    return str(value)


def markdown_table(table: pd.DataFrame) -> str:
    """A table in Markdown, with three digits; cells in `**` are bold where it is rendered."""
    rows = [[str(column) for column in table.columns], ["---"] * len(table.columns)]
    rows += [[_text(cell) for cell in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _tex(table: pd.DataFrame) -> str:
    text = table.map(_text).map(_tex_cell)
    text.columns = pd.Index([_tex_cell(str(column)) for column in table.columns])
    return text.style.hide(axis="index").to_latex(hrules=True)


def _tex_cell(text: str) -> str:
    bold = text.startswith("**") and text.endswith("**") and len(text) > 4
    plain = text[2:-2] if bold else text
    for character in "\\&%$#_{}":
        plain = plain.replace(character, rf"\{character}" if character != "\\" else "/")
    for character, command in (("↑", r"$\uparrow$"), ("↓", r"$\downarrow$")):
        plain = plain.replace(character, command)
    return rf"\textbf{{{plain}}}" if bold else plain


def save_table(
    table: pd.DataFrame, folder: Path, name: str, *, shown: pd.DataFrame | None = None
) -> list[Path]:
    """Write `<name>.csv`, `<name>.tex` and `<name>.md`, each whole or not at all.

    Args:
        table: written to the CSV with full precision.
        folder: made if missing.
        name: of the files, without suffix.
        shown: what TeX and Markdown show instead of `table`, for example `paper_layout`.

    Returns:
        The three paths.
    """
    shown = table if shown is None else shown
    paths = [folder / f"{name}{suffix}" for suffix in (".csv", ".tex", ".md")]
    with writing(paths[0]) as aside:
        table.to_csv(aside, index=False, lineterminator="\n")
    for path, text in zip(paths[1:], (_tex(shown), markdown_table(shown)), strict=True):
        with writing(path) as aside:
            aside.write_text(text, encoding="utf-8")
    return paths


def clear_best(part: pd.DataFrame, *, higher_is_better: bool) -> str | None:
    """Method that is better than every other edit with intervals that do not meet.

    Args:
        part: one cell's rows, with method, value, ci_low and ci_high; `CALIBRATION` rows
            and do not compete.
        higher_is_better: direction of the metric.

    Returns:
        The method, or None if the intervals leave it open or fewer than two compete.
    """
    rivals = part[~part.method.isin(CALIBRATION)].dropna(subset=["value"])
    if len(rivals) < 2:
        return None
    best = rivals.sort_values("value", ascending=not higher_is_better).iloc[0]
    others = rivals[rivals.method != best.method]
    clear = (
        best.ci_low > others.ci_high.max()
        if higher_is_better
        else best.ci_high < others.ci_low.min()
    )
    return str(best.method) if clear else None


def paper_layout(results: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Main results as the papers print them: a row per setting, metric and method.

    Columns are the emotions and the average (with its interval); bold (`**`) marks a
    `clear_best` only.

    Args:
        results: from `main_results`.
        metrics: which ones, in this order; default all.
    """
    wanted = list(HIGHER_IS_BETTER) if metrics is None else list(metrics)
    rows = []
    for setting in results.setting.unique():
        for metric in wanted:
            of_metric = results[(results.setting == setting) & (results.metric == metric)]
            for backbone in of_metric.backbone.unique():
                part = of_metric[of_metric.backbone == backbone]
                rows += _layout_rows(setting, metric, backbone, part)
    return pd.DataFrame(rows)


def _layout_rows(
    setting: str, metric: str, backbone: str, part: pd.DataFrame
) -> list[dict[str, str]]:
    higher = HIGHER_IS_BETTER[metric]
    rows = [
        {
            "setting": setting,
            "metric": f"{metric} {'↑' if higher else '↓'}",
            "measured with": backbone,
            "method": method,
        }
        for method in METHODS
        if (part.method == method).any()
    ]
    for emotion in (*EMOTIONS, AVERAGE):
        cell = part[part.emotion == emotion]
        best = clear_best(cell, higher_is_better=higher)
        for row in rows:
            values = cell[cell.method == row["method"]]
            text = "n/a"
            if len(values) and not np.isnan(values.value.iloc[0]):
                text = f"{values.value.iloc[0]:.{DIGITS}f}"
                if emotion == AVERAGE:
                    low, high = values.ci_low.iloc[0], values.ci_high.iloc[0]
                    text += f" [{low:.{DIGITS}f}, {high:.{DIGITS}f}]"
            row[emotion] = f"**{text}**" if row["method"] == best else text
    return rows
