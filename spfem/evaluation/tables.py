"""The main results, with intervals clustered by actor, and tables as CSV, TeX and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spfem.corpus.protocol import SETTINGS
from spfem.errors import ShapeError
from spfem.evaluation.estimates import AVERAGE, Cell, Estimates
from spfem.evaluation.scores import METHODS, ClipScore, FaceSample
from spfem.files import writing
from spfem.methods import BASES
from spfem.settings import EMOTIONS, EvaluationSettings

KEY = ("base", "setting", "method", "metric", "backbone", "emotion")
COLUMNS = (*KEY, "value", "ci_low", "ci_high", "seeds", "clips")
CALIBRATION = ("copy", "random", "habit", "truth")
"""Rows of what nothing was learned for: shown beside the methods of every base."""
DIGITS = 3

HIGHER_IS_BETTER: Mapping[str, bool] = {
    "fad": False,
    "lse_d": False,
    "csim": True,
    "lse_c": True,
    "lse_offset": False,
    "identity_distance": False,
    "mouth_error": False,
    "mesh_mouth_error": False,
    "mouth_correlation": True,
    "expression_error": False,
    "expression_gain": True,
    "emotion_leakage": False,
    "detail_kept": True,
    "picture_error": False,
    "emotion_accuracy": True,
    "image_entropy": True,
    "face_found": True,
}

RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "fad",
            "lse_d",
            "identity_distance",
            "mouth_error",
            "mesh_mouth_error",
            "expression_error",
            "detail_kept",
            "picture_error",
            "image_entropy",
        ),
        (0.0, np.inf),
    ),
    **dict.fromkeys(("csim", "mouth_correlation"), (-1.0, 1.0)),
    **dict.fromkeys(("emotion_accuracy", "face_found"), (0.0, 1.0)),
}
"""What a metric can be; others can be anything."""


def check_main_results(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` if it keeps its promises.

    Raises:
        ShapeError: naming the first broken one.
    """
    measured = table.value.notna()
    # Of one clip and one seed there is no interval.
    inside = ~(table.ci_low.gt(table.value + 1e-9) | table.ci_high.lt(table.value - 1e-9))
    promises = {
        f"columns are {', '.join(COLUMNS)}": list(table.columns) == list(COLUMNS),
        "there is a row": len(table) > 0,
        f"bases are of {BASES}": table.base.isin(BASES).all(),
        f"settings are of {SETTINGS}": table.setting.isin(SETTINGS).all(),
        f"methods are of {METHODS}": table.method.isin(METHODS).all(),
        "metrics are known": table.metric.isin(list(HIGHER_IS_BETTER)).all(),
        "emotions are known": table.emotion.isin([*EMOTIONS, AVERAGE]).all(),
        "rows are unique": not table.duplicated(list(KEY)).any(),
        "intervals hold their value": inside[measured].all(),
        "a value rests on clips, a missing one on none": (measured == (table.clips > 0)).all(),
        "there is a seed": (table.seeds > 0).all(),
    }
    for promise, kept in promises.items():
        if not kept:
            raise ShapeError(f"the main results table is broken: not true that {promise}")
    return table


def of_base(scores: Sequence[ClipScore], base: str) -> list[ClipScore]:
    """Scores of a base, and of the calibrating rows, which belong to every base that has any."""
    own = [score for score in scores if score.base == base]
    there = {score.method for score in own}
    lent = set(CALIBRATION) - there
    return [*own, *(s for s in scores if s.base != base and s.method in lent)] if own else []


def main_results(
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    *,
    seed: int = 0,
    estimates: Estimates | None = None,
) -> pd.DataFrame:
    """The main results: base by setting by method by metric by emotion.

    A value is the mean over clips and seeds; `average` is the mean over the emotions. Intervals
    are crossed over actors, their clips and seeds (`spfem.evaluation.redraws`). The Fréchet
    distance pools the target actors, since one actor gives too few frames; its real frames are
    those of the same actors in the wanted emotion. Rows of `copy` (output = input) and `truth`
    (the true counterpart) calibrate every metric: a metric that praises `copy` rewards doing
    nothing, and no method can be told from `truth` below the distance of `truth`.

    Args:
        scores: one per base, method, edit and seed; a seed may lack edits.
        real: samples of real clips of the target actors, all emotions.
        settings: resamples and confidence.
        seed: of the resampling.
        estimates: of `real` and `settings`, where other tables are made of the same scores.

    Returns:
        Rows with `COLUMNS`; `value` is NaN with `clips` 0 where nothing could be measured, the
        interval is NaN where neither clips nor seeds are more than one.

    Raises:
        ShapeError: if the rows break the table's promises (`check_main_results`).
    """
    estimates = estimates or Estimates(real, settings, seed=seed)
    rows: list[dict[str, Any]] = []
    for base, setting, method in product(BASES, SETTINGS, METHODS):
        part = of_base(scores, base)
        chosen = [s for s in part if s.edit.setting == setting and s.method == method]
        if not chosen:
            continue
        wanted = {score.edit.emotion for score in chosen}
        seeds = len({score.seed for score in chosen})
        for (metric, backbone), cells in estimates.of(chosen).items():
            for emotion in (*(e for e in EMOTIONS if e in wanted), AVERAGE):
                cell = describe_cell(cells.get(emotion), settings, metric)
                named = (base, setting, method, metric, backbone, emotion)
                row = dict(zip(KEY, named, strict=True)) | {"seeds": seeds}
                rows.append(row | cell)
    return check_main_results(pd.DataFrame(rows, columns=list(COLUMNS)))


def describe_cell(cell: Cell | None, settings: EvaluationSettings, metric: str) -> dict[str, Any]:
    """Value, interval and clips of a cell; NaN of no clips where nothing was measured.

    Draws are spread as far as few actors ask for; an interval ends where the metric does.
    """
    if cell is None:
        return {"value": np.nan, "ci_low": np.nan, "ci_high": np.nan, "clips": 0}
    interval = cell.estimate.interval(settings.confidence)
    value, (least, most) = interval.value, RANGES.get(metric, (-np.inf, np.inf))
    low, high = max(interval.low, min(least, value)), min(interval.high, max(most, value))
    return {"value": value, "ci_low": low, "ci_high": high, "clips": cell.clips}


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
        part: one cell's rows, with method, value, ci_low and ci_high; those of `CALIBRATION`
            do not compete.
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
    """Main results as the papers print them: a row per base, setting, metric and method.

    Columns are the emotions and the average (with its interval); bold (`**`) marks a
    `clear_best` only.

    Args:
        results: from `main_results`.
        metrics: which ones, in this order; default all.
    """
    rows = []
    order = product(results.base.unique(), results.setting.unique(), metrics or HIGHER_IS_BETTER)
    for base, setting, metric in order:
        of_metric = results[
            (results.base == base) & (results.setting == setting) & (results.metric == metric)
        ]
        higher = HIGHER_IS_BETTER[metric]
        for backbone, part in of_metric.groupby("backbone", sort=False):
            cells = {emotion: part[part.emotion == emotion] for emotion in (*EMOTIONS, AVERAGE)}
            best = {name: clear_best(c, higher_is_better=higher) for name, c in cells.items()}
            for method in METHODS:
                if not (part.method == method).any():
                    continue
                row = {
                    "base": base,
                    "setting": setting,
                    "metric": f"{metric} {'↑' if higher else '↓'}",
                    "measured with": backbone,
                    "method": method,
                }
                for emotion, cell in cells.items():
                    text = _cell_text(cell[cell.method == method], interval=emotion == AVERAGE)
                    row[emotion] = f"**{text}**" if method == best[emotion] else text
                rows.append(row)
    return pd.DataFrame(rows)


def _cell_text(values: pd.DataFrame, *, interval: bool) -> str:
    if not len(values) or np.isnan(values.value.iloc[0]):
        return "n/a"
    value, low, high = values[["value", "ci_low", "ci_high"]].iloc[0]
    within = f" [{low:.{DIGITS}f}, {high:.{DIGITS}f}]" if interval else ""
    return f"{value:.{DIGITS}f}{within}"
