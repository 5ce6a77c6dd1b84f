"""Released defects that change what is learned: the same training with and without each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spfem.correlation.similarity import SimilarityScores
from spfem.correlation.similarity_table import QUANTITIES, quantity_columns, statistic_of
from spfem.errors import ShapeError
from spfem.evaluation.defects_in_use import COLUMNS
from spfem.settings import EvaluationSettings
from spfem.statistics import cluster_bootstrap, mean_of_rows


@dataclass(frozen=True)
class LearnedDefect:
    """A released behaviour that is switched on alone; `name` is its name in `compat`."""

    name: str
    metric: str
    what: str


SPATIAL_DEFECTS: tuple[LearnedDefect, ...] = (
    LearnedDefect(
        "scalar_weight", "spatial", "adaptive weights act only by their mean over all places"
    ),
    LearnedDefect("weight_gradient", "spatial", "adaptive weights carry a gradient, which smooths"),
    LearnedDefect(
        "wrapping_region", "spatial", "neighbours of border places come from the opposite edge"
    ),
)
TEMPORAL_DEFECTS: tuple[LearnedDefect, ...] = (
    LearnedDefect(
        "held_frames", "temporal_vd", "differences of a frame and itself count as rows to match"
    ),
    LearnedDefect(
        "repeated_places",
        "temporal_vd",
        "places are drawn with replacement, border included: duplicates are false negatives",
    ),
)
CROSS_MODAL_DEFECTS: tuple[LearnedDefect, ...] = (
    LearnedDefect("accumulated_gradients", "cross_modal", "gradients are never set to zero"),
    LearnedDefect(
        "false_negatives", "cross_modal", "the same and neighbouring frames count as negatives"
    ),
    LearnedDefect(
        "single_frame_visual",
        "cross_modal",
        "expressions learn on one frame: the fusion that is used later stays random",
    ),
)


def compare_learned(
    defect: LearnedDefect,
    released: Sequence[SimilarityScores],
    corrected: Sequence[SimilarityScores],
    settings: EvaluationSettings,
    *,
    steps: int,
) -> pd.DataFrame:
    """Rows of `defects.csv`: the four quantities of similarity with and without a defect.

    Args:
        defect: which.
        released: scores on the held-out actor after learning with the defect, one a seed.
        corrected: after learning without it, the same seeds and comparisons.
        settings: of the intervals, those of the paired difference.
        steps: of learning.

    Raises:
        ShapeError: if the two sides were not scored on the same comparisons and seeds.
    """
    if len(released) != len(corrected) or any(
        not np.array_equal(a.clusters, b.clusters)
        for a, b in zip(released, corrected, strict=False)
    ):
        raise ShapeError(f"both sides of {defect.name} must have the same seeds and comparisons")
    sides = [quantity_columns(side) for side in (released, corrected)]
    rows = [
        _row(
            defect,
            quantity,
            np.stack([side[quantity] for side in sides], axis=2),
            statistic_of(quantity),
            released[0].clusters,
            settings,
            steps,
        )
        for quantity in QUANTITIES
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compare_recall(
    defect: LearnedDefect,
    released: np.ndarray,
    corrected: np.ndarray,
    clusters: np.ndarray,
    settings: EvaluationSettings,
    *,
    quantity: str,
    steps: int,
) -> pd.DataFrame:
    """One row of `defects.csv` from retrievals that were right or wrong.

    Args:
        defect: which.
        released: (N, seeds) bool or float, one row a query.
        corrected: likewise.
        clusters: (N, D) labels of the queries.
        settings: of the interval.
        quantity: what is right or wrong.
        steps: of learning.
    """
    values = np.stack([released, corrected], axis=2).astype(float)
    row = _row(defect, quantity, values, mean_of_rows, clusters, settings, steps)
    return pd.DataFrame([row], columns=list(COLUMNS))


def _row(
    defect: LearnedDefect,
    quantity: str,
    values: np.ndarray,
    value: Callable[[np.ndarray], float],
    clusters: np.ndarray,
    settings: EvaluationSettings,
    steps: int,
) -> tuple[object, ...]:
    """One row from `values` (N, seeds, 2, ...), released and corrected."""
    interval = cluster_bootstrap(
        values,
        clusters,
        statistic=lambda rows: value(rows[:, :, 0]) - value(rows[:, :, 1]),
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=0,
    )
    sides = (value(values[:, :, 0]), value(values[:, :, 1]))
    reach = (interval.value, interval.low, interval.high)
    end = (values.shape[1], steps, defect.what)
    return (defect.name, defect.metric, quantity, *sides, *reach, *end)
