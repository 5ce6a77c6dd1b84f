"""A face-like picture and tables for the figure tests."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_face(side: int = 64) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side] / (side - 1) * 2 - 1
    picture = np.full((side, side, 3), 90.0)
    picture[(x / 0.7) ** 2 + (y / 0.9) ** 2 < 1] = (220, 180, 150)
    picture[((np.abs(x) - 0.3) / 0.13) ** 2 + ((y + 0.2) / 0.07) ** 2 < 1] = (40, 40, 60)
    picture[(x / 0.3) ** 2 + ((y - 0.5) / 0.1) ** 2 < 1] = (150, 40, 50)
    return picture.astype(np.uint8)


def make_similarity() -> pd.DataFrame:
    rows = [
        ("spatial", state, split, quantity, value, value - 0.05, value + 0.05, 1)
        for split in ("train", "held_out")
        for state, values in (("before", (0.5, 0.2)), ("after", (0.9, 0.0)))
        for quantity, value in zip(("matched", "mismatched_place"), values, strict=True)
    ]
    columns = ["metric", "state", "split", "quantity", "value", "ci_low", "ci_high", "seeds"]
    return pd.DataFrame(rows, columns=columns)
