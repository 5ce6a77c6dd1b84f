"""The papers' own numbers, and what of them was found again."""

from spfem.paper.check import check_papers, count_verdicts, shown_check
from spfem.paper.claims import list_claims
from spfem.paper.inputs import Measured
from spfem.paper.published import (
    baseline_disagreement,
    published_logs,
    published_methods,
    published_misprints,
    published_similarity,
)

__all__ = [
    "Measured",
    "baseline_disagreement",
    "check_papers",
    "count_verdicts",
    "list_claims",
    "published_logs",
    "published_methods",
    "published_misprints",
    "published_similarity",
    "shown_check",
]
