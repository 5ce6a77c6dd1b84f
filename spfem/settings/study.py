"""Defaults of the user study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StudySettings:
    """How much a participant sees, and how answers become a table.

    The papers' studies are not described; questions and sizes are ours.
    """

    trials: int = 24  # comparisons a participant, besides checks and repeats
    checks: int = 2  # comparisons with a spoilt video, whose answer is known
    repeats: int = 3  # comparisons shown again with sides swapped
    check_blocks: int = 8  # blocks over the width of a spoilt frame
    resamples: int = 2000
    confidence: float = 0.95
    prior_wins: float = 0.5  # added to each side of each pair, so that strengths stay finite
    largest_file_bytes: int = 2_000_000  # of answers
