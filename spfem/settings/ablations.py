"""How much is learned for the ablation tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AblationSettings:
    """Learning is short, and equally long for all variants of a table, the unchanged one too."""

    seeds: tuple[int, ...] = (0, 1, 2)
    spatial_steps: int = 20_000
    temporal_steps: int = 20_000
    cross_modal_steps: int = 20_000  # of each modality alone, and again of two together
    tune_steps: int = 2_000  # of a manipulator, from the one that all methods share
    scored_pairs: int = 45  # clip pairs of unseen actors, evenly spread, at most
    comparisons: int = 225  # matched moments, spread over the scored pairs
    gradient_moments: int = 20  # of those, whose gradient is looked at
    sources_per_actor: int = 2  # neutral clips that are edited, per target actor
    variants: int | None = None  # of each table, the first ones; None: all
