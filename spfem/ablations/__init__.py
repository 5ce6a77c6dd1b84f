"""Ablations: what each component of the papers is worth on the embedded corpus.

Variants are data (`spatial_variants.VARIANTS` and so on), each one learned and measured in a stage
of its own below `ablations/` of the workspace. `make_ablations` makes what is missing,
`ablation_tables` reads what is there.
"""

from spfem.ablations.run import TABLES, ablation_tables, make_ablations, missing_jobs
from spfem.ablations.show import how_to_make, show_ablation

__all__ = [
    "TABLES",
    "ablation_tables",
    "how_to_make",
    "make_ablations",
    "missing_jobs",
    "show_ablation",
]
