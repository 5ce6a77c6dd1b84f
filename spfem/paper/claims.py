"""Every numeric claim of the papers that is known, one row each, made from the published tables.

Parts of the table, column `part`:

* `method`: a base with an addition against the base alone, averaged over emotions;
* `emotions`: in how many of the seven emotions that comparison is won;
* `formulation`: visual disparity (VD) against correlation matrices (CM);
* `similarity`: matched and unmatched regions, before and after learning;
* `training`: what the released logs show of learning;
* `value`: the printed averages as such;
* `speed`: how fast learning was;
* `unread`: tables of which no number is known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spfem.paper.learning_claims import similarity_claims, speed_claims, training_claims
from spfem.paper.method_claims import Claim, formulation_claims, method_claims, value_claims
from spfem.paper.published import (
    published_logs,
    published_methods,
    published_similarity,
    read_published,
)

COLUMNS = (
    "part", "claim", "source", "corpus", "setting", "metric", "base", "addition",
    "published_base", "published_value",
)  # fmt: skip


def list_claims() -> pd.DataFrame:
    """All claims, rows with `COLUMNS`; empty text and NaN where a column does not apply."""
    methods = published_methods()
    rows = [
        *method_claims(methods),
        *formulation_claims(methods),
        *similarity_claims(published_similarity()),
        *training_claims(published_logs()),
        *value_claims(methods),
        *speed_claims(read_published("training_speed")),
        *_unread_claims(),
    ]
    empty: Claim = dict.fromkeys(COLUMNS, "") | {
        "published_base": np.nan,
        "published_value": np.nan,
    }
    return pd.DataFrame([empty | row for row in rows], columns=list(COLUMNS))


def _unread_claims() -> list[Claim]:
    what = {
        "ASCCL": "main tables and ablations",
        "STCCL": "ablations, results on EAT and DICE, user study",
        "SCMCL": "final tables, ablations, user study",
    }
    return [
        {"part": "unread", "claim": f"{paper}: {text}", "source": f"{paper}, body of the paper"}
        for paper, text in what.items()
    ]
