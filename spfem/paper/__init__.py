"""The papers' own numbers, and what of them was found again."""

from spfem.paper.check import check_papers, count_verdicts, shown_check
from spfem.paper.claims import list_claims
from spfem.paper.comparison import average_layout, compare_tables, emotion_layout
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
    "average_layout",
    "baseline_disagreement",
    "check_papers",
    "compare_tables",
    "count_verdicts",
    "emotion_layout",
    "list_claims",
    "published_logs",
    "published_methods",
    "published_misprints",
    "published_similarity",
    "shown_check",
]
