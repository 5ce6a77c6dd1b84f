"""The papers' own numbers, and what of them was found again."""

from spfem.paper.check import check_papers, count_verdicts, shown_check
from spfem.paper.comparison import average_layout, compare_tables, emotion_layout
from spfem.paper.published import (
    baseline_disagreement,
    published_logs,
    published_methods,
    published_misprints,
)

__all__ = [
    "average_layout",
    "baseline_disagreement",
    "check_papers",
    "compare_tables",
    "count_verdicts",
    "emotion_layout",
    "published_logs",
    "published_methods",
    "published_misprints",
    "shown_check",
]
