"""What moving the source's own pixels costs, and what the codes that move them cost.

Every row shows one and the same edits, made from other codes or by another renderer, so that the
loss of pictures, of tracking and of codes can be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from spfem.errors import ShapeError
from spfem.evaluation.estimates import AVERAGE, Estimates
from spfem.evaluation.frechet import BLENDSHAPES
from spfem.evaluation.scores import ClipScore, FaceSample
from spfem.evaluation.tables import describe_cell
from spfem.settings import EvaluationSettings

ROWS: Mapping[str, str] = {
    "copy": "source as it is",
    "own": "own codes",
    "ned": "NED's codes",
    "habit": "actor's habit",
    "fitted": "fitted to the truth",
    "exact": "true units",
    "truth": "true edit",
    "ned_renderer_own": "own codes",
    "ned_renderer_ned": "NED's codes",
    "ned_renderer_fitted": "fitted to the truth",
}
"""Rows -> what is shown: a video of the corpus, or the codes that the source is shown with.

`habit` adds the mean difference of the actor's other clips to the source's codes, without a
network; `fitted` is what a perfect manipulator would give, `exact` the difference of the units that
made both videos. `copy` and `truth` are encoded and tracked again like all others. Rows of NED's
renderer say so; the others move pixels.
"""

NED_RENDERER = "ned_renderer_"  # how the names of rows by NED's renderer begin
OWN_ROWS = ("own", "ned_renderer_own")
"""Rows that show the source itself and are held against it; no emotion was wished."""

METRICS = (
    "mouth_error", "mesh_mouth_error", "emotion_accuracy", "fad", "detail_mouth", "detail_eyes",
)  # fmt: skip
COLUMNS = ("row", "metric", "value", "ci_low", "ci_high", "edits")
OF_A_WISH = ("emotion_accuracy", "fad")  # metrics that need a wished emotion


def moved_pixels_table(
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Assemble the table.

    The value of a row is the mean over the emotions of the mean over their edits, as in
    `main_results`. Intervals redraw source clips, all edits of a source together, since they are
    alike; so they speak for these actors, who are too few to be redrawn.

    Args:
        scores: of all edits; `method` is the row, and `scores` hold `detail_mouth` and
            `detail_eyes` beside what `score_clip` gives.
        real: samples of real clips of the edited actors, all emotions, for the Fréchet distance.
        settings: resamples and confidence.
        seed: of the resampling.

    Returns:
        Rows with `COLUMNS`, in the order of `ROWS` and `METRICS`; `value` is NaN with `edits` 0
        where there is nothing to measure: a wish in `OWN_ROWS`, codes behind `truth`.

    Raises:
        ShapeError: if a score is of no known row, or two are of the same row and edit.
    """
    unknown = sorted({score.method for score in scores} - set(ROWS))
    if unknown:
        raise ShapeError(f"rows are of {', '.join(ROWS)}; found {', '.join(unknown)}")
    rows: list[dict[str, Any]] = []
    per_clip = [metric for metric in METRICS if metric != "fad"]
    estimates = Estimates(
        real, settings, seed=seed, metrics=per_clip, backbones=(BLENDSHAPES,), redraw_actors=False
    )
    for row in ROWS:
        part = [score for score in scores if score.method == row]
        if len({score.edit for score in part}) < len(part):
            raise ShapeError(f"two scores of row {row!r} are of one edit; give each edit once")
        if part:
            found = {metric: cells for (metric, _), cells in estimates.of(part).items()}
            for metric in METRICS:
                wished = row not in OWN_ROWS or metric not in OF_A_WISH
                cell = found[metric].get(AVERAGE) if wished else None
                told = describe_cell(cell, settings, frechet=metric == "fad")
                rows.append({"row": row, "metric": metric, **told, "edits": told["clips"]})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def moved_pixels_layout(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is read: a line a row, a column a metric, intervals in brackets."""
    lines = []
    for row in dict.fromkeys(table.row):
        part = table[table.row == row].set_index("metric")
        line = {"row": row, "edits": str(part.edits.max())}
        for metric in METRICS:
            cell = part.loc[metric]
            text = f"{cell.value:.2f} [{cell.ci_low:.2f}, {cell.ci_high:.2f}]"
            line[metric] = text if cell.edits else "n/a"
        lines.append(line)
    return pd.DataFrame(lines)
