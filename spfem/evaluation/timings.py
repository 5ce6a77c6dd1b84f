"""How long each stage took, from the records that the stages keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

COLUMNS = ("stage", "seconds", "device", "threads")


def stage_timings(records: Mapping[str, Mapping[str, Any]], *, device: str) -> pd.DataFrame:
    """Rows with `COLUMNS`, one a finished stage folder; seconds are summed over resumed runs.

    `threads` is the number that the stage was made with, 0 where its record is older than that.

    Args:
        records: `artifact.json` of each stage, by folder.
        device: of the run.
    """
    rows = [
        (
            folder,
            round(float(record["seconds"]), 2),
            device,
            record.get("threads") or record.get("facts", {}).get("threads", 0),
        )
        for folder, record in records.items()
        if record["complete"]
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
