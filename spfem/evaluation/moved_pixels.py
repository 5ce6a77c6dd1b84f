"""What moving the source's own pixels costs, and what the codes that move them cost.

Every row shows one and the same edits, made from other codes or by another renderer, so that the
loss of pictures, of tracking and of codes can be told apart:

* `copy`: the source as it is;
* `own`: re-rendered with its own codes, held against the *source*: what pictures alone lose;
* `ned`: codes of the manipulator NED;
* `habit`: the source's codes with the mean difference of the actor's other clips, no network;
* `fitted`: codes fitted to the true edit: what a perfect manipulator would give;
* `exact`: the source's codes with the difference of the units that made both videos;
* `truth`: the true edit, encoded and tracked again: the floor;
* `ned_renderer_own`, `_ned`, `_fitted`: NED's renderer with the same codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spfem.errors import ShapeError
from spfem.evaluation.emotion_means import Mean, average_of, emotion_means
from spfem.evaluation.frechet_of_edits import BLENDSHAPES, frechet_means
from spfem.evaluation.resampling import interval_of, redraw_counts
from spfem.evaluation.scores import ClipScore, FaceSample
from spfem.settings import EvaluationSettings

OWN_ROWS = ("own", "ned_renderer_own")
"""Rows that show the source itself and are held against it; no emotion was wished."""

ROWS = (
    "copy", "own", "ned", "habit", "fitted", "exact", "truth",
    "ned_renderer_own", "ned_renderer_ned", "ned_renderer_fitted",
)  # fmt: skip
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
    `main_results`. Intervals redraw actors, then their source clips, all edits of a source
    together, since edits of one source are alike.

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
    for row in ROWS:
        part = [score for score in scores if score.method == row]
        if len({score.edit for score in part}) < len(part):
            raise ShapeError(f"two scores of row {row!r} are of one edit; give each edit once")
        if part:
            rows += [
                {"row": row, "metric": metric, **_measured(row, metric, part, real, settings, seed)}
                for metric in METRICS
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _measured(
    row: str,
    metric: str,
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    seed: int,
) -> dict[str, Any]:
    means: dict[str, Mean] = {}
    if row in OWN_ROWS and metric in OF_A_WISH:
        pass
    elif metric == "fad":
        means = frechet_means(scores, real, BLENDSHAPES, settings, seed)
    else:
        labels = np.array([(score.edit.actor, score.edit.source) for score in scores])
        counts = redraw_counts(labels, resamples=settings.resamples, seed=seed)
        emotions = np.array([score.edit.emotion for score in scores])
        values = np.array([score.scores[metric] for score in scores], float)
        means = emotion_means(values, emotions, counts)
    if not means:
        nothing = float("nan")
        return {"value": nothing, "ci_low": nothing, "ci_high": nothing, "edits": 0}
    mean = average_of(means)
    frechet = metric == "fad"
    interval = interval_of(mean.value, mean.draws, settings.confidence, centred=frechet)
    low = max(interval.low, 0.0) if frechet else interval.low
    return {"value": mean.value, "ci_low": low, "ci_high": interval.high, "edits": mean.clips}


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
