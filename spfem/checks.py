"""What a notebook checks at its end: a claim, what was found, whether it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Check:
    """One claim about what a notebook has just made.

    `claim` says what should hold, `found` the number or words found, `holds` whether it does.
    """

    claim: str
    found: str
    holds: bool


def list_checks(*checks: Check) -> pd.DataFrame:
    """Table `claim, found, holds` of checks in the order given; what fails is shown like the rest.

    Example:
        >>> list_checks(Check("scores lie in [-1, 1]", "0.31 to 0.97", True)).holds.tolist()
        ['yes']
    """
    import pandas as pd

    rows = [(check.claim, check.found, "yes" if check.holds else "NO") for check in checks]
    return pd.DataFrame(rows, columns=["claim", "found", "holds"])
