"""What `main_results.csv` promises to whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from spfem.corpus.protocol import SETTINGS
from spfem.errors import ShapeError
from spfem.evaluation.scores import METHODS
from spfem.settings import EMOTIONS

COLUMNS = (
    "setting", "method", "metric", "backbone", "emotion", "value", "ci_low", "ci_high", "seeds",
    "clips",
)  # fmt: skip
AVERAGE = "average"

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
    "picture_error": False,
    "emotion_accuracy": True,
    "image_entropy": True,
    "face_found": True,
}


def check_main_results(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` if it keeps its promises.

    Raises:
        ShapeError: naming the first broken one.
    """
    key = ["setting", "method", "metric", "backbone", "emotion"]
    measured = table.value.notna()
    inside = table.ci_low.le(table.value + 1e-9) & table.ci_high.ge(table.value - 1e-9)
    promises = {
        f"columns are {', '.join(COLUMNS)}": list(table.columns) == list(COLUMNS),
        "there is a row": len(table) > 0,
        f"settings are of {SETTINGS}": table.setting.isin(SETTINGS).all(),
        f"methods are of {METHODS}": table.method.isin(METHODS).all(),
        "metrics are known": table.metric.isin(list(HIGHER_IS_BETTER)).all(),
        "emotions are known": table.emotion.isin([*EMOTIONS, AVERAGE]).all(),
        "rows are unique": not table.duplicated(key).any(),
        "intervals hold their value": inside[measured].all(),
        "a value rests on clips, a missing one on none": (measured == (table.clips > 0)).all(),
        "there is a seed": (table.seeds > 0).all(),
    }
    for promise, kept in promises.items():
        if not kept:
            raise ShapeError(f"the main results table is broken: not true that {promise}")
    return table
