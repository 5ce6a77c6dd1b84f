"""Ablations: what each component of the papers is worth on the embedded corpus.

Variants are data (`spatial_variants.VARIANTS` and so on), each one learned and measured in a stage
of its own below `ablations/` of the workspace. `make_ablations` makes what is missing,
`ablation_tables` reads what is there.
"""

from spfem.ablations.run import (
    TABLES,
    ablation_tables,
    caption_of,
    estimate_seconds,
    make_ablations,
    missing_jobs,
    read_ablations,
)
from spfem.ablations.show import how_to_make, show_ablation
from spfem.ablations.statistics import in_words, wide_table

__all__ = [
    "TABLES",
    "ablation_tables",
    "caption_of",
    "estimate_seconds",
    "how_to_make",
    "in_words",
    "make_ablations",
    "missing_jobs",
    "read_ablations",
    "show_ablation",
    "wide_table",
]
