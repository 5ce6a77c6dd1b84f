"""How long each stage took, from the records that the stages keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

COLUMNS = ("stage", "seconds", "device", "threads")


def stage_timings(
    records: Mapping[str, Mapping[str, Any]], *, device: str, threads: int
) -> pd.DataFrame:
    """Rows with `COLUMNS`, one a finished stage folder; seconds are summed over resumed runs.

    Args:
        records: `artifact.json` of each stage, by folder.
        device: of the run.
        threads: of the run.
    """
    rows = [
        (folder, round(float(record["seconds"]), 2), device, threads)
        for folder, record in records.items()
        if record["complete"]
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
