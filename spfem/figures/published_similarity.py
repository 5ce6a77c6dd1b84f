"""The papers' bars of similarity, before and after learning, beside ours."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spfem.errors import ShapeError

STATES = ("unmatched\nbefore", "matched\nbefore", "matched\nafter")


def similarity_bars(check: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Values of the overview figure and ours, for `draw_bars`.

    Args:
        check: from `check_papers`.
        corpus: that ours was measured on, for the name of the bars.

    Returns:
        Rows with domain (`spatial`, `temporal`), state (of `STATES`), of, value, ci_low, ci_high;
        the interval is that of the value alone and NaN where it is not known.

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
        ours = unmatched.ours, gain.ours_base, gain.ours
        for name, values in (("published, MEAD", published), (f"ours, {corpus}", ours)):
            rows += [
                {"domain": domain, "state": state, "of": name, "value": value}
                for state, value in zip(STATES, values, strict=True)
            ]
    table = pd.DataFrame(rows)
    nothing = float("nan")
    return table.assign(ci_low=nothing, ci_high=nothing)
