"""The papers' bars of similarity, before and after learning, beside ours."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spfem.errors import ShapeError

NUMBERS = ("value", "ci_low", "ci_high")
OURS = {"spatial": "spatial", "temporal": "temporal_vd"}
QUANTITIES = (("before", "mismatched_place"), ("before", "matched"), ("after", "matched"))
STATES = ("unmatched\nbefore", "matched\nbefore", "matched\nafter")


def similarity_bars(check: pd.DataFrame, similarity: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Values of the overview figure and ours, for `draw_bars`.

    Args:
        check: from `check_papers`, for the published values.
        similarity: rows of `similarity.csv`; ours is that of the held-out actor.
        corpus: that ours was measured on, for the name of the bars.

    Returns:
        Rows with domain (`spatial`, `temporal`), state (of `STATES`), of, value, ci_low, ci_high;
        published values have none, so theirs is the value itself.

    Raises:
        ShapeError: if the check has no claims on the overview figure.
    """
    rows: list[dict[str, Any]] = []
    part = check[check.part == "similarity"]
    for domain in ("spatial", "temporal"):
        claims = part[part.setting == domain].set_index("metric")
        if not {"gain", "unmatched"} <= set(claims.index):
            raise ShapeError(f"the check has no claims on the {domain} bars of the overview figure")
        gain, unmatched = claims.loc["gain"], claims.loc["unmatched"]
        published = unmatched.published_value, gain.published_base, gain.published_value
        own = similarity[(similarity.metric == OURS[domain]) & (similarity.split == "held_out")]
        found = {
            (row["state"], row["quantity"]): {name: row[name] for name in NUMBERS}
            for row in own.to_dict("records")
        }
        for state, quantity, value in zip(STATES, QUANTITIES, published, strict=True):
            place = {"domain": domain, "state": state}
            printed = dict.fromkeys(NUMBERS, value)
            rows.append(place | {"of": "published, MEAD"} | printed)
            rows.append(place | {"of": f"ours, {corpus}"} | found[quantity])
    return pd.DataFrame(rows)
