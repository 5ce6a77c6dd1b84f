"""What was measured in a workspace, as the paper check wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Measured:
    """Tables of one corpus at one scale; None where a table was not made.

    Attributes:
        corpus: that everything was measured on.
        confidence: of the intervals of all tables.
        results: from `main_results`.
        differences: from `method_differences`, against plain NED.
        formulations: from `method_differences`, NED + STCCL-VD against NED + STCCL-CM.
        similarity: rows of `similarity.csv` of the metrics spatial, temporal_vd and
            spatial_temporal_vd.
        curves: learning record of the metric spatial_temporal_vd by seed.
        control: from `control_operators`.
    """

    corpus: str
    confidence: float = 0.95
    results: pd.DataFrame | None = None
    differences: pd.DataFrame | None = None
    formulations: pd.DataFrame | None = None
    similarity: pd.DataFrame | None = None
    curves: Mapping[int, pd.DataFrame] = field(default_factory=dict)
    control: pd.DataFrame | None = None
