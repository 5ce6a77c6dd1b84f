"""Variants of the cross-modal metric: consistency, masks, fusion, stage A, what is seen."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.ablations.variants import DEFAULT, Variant
from spfem.correlation.crossmodal.model import Visual
from spfem.stages.metrics import DIRECT_WEIGHT


@dataclass(frozen=True)
class CrossModalVariant(Variant):
    """A variant of the metric of sound and what is seen, after stage A or without it."""

    visual: Visual = "expression"
    stage_a: bool = True


VARIANTS = (
    CrossModalVariant(
        DEFAULT, "", "expressions, stages A and B, distances held to each other, 2 frames fused"
    ),
    CrossModalVariant(
        "no consistency", "consistency", "each modality for itself", {"consistency_weight": 0.0}
    ),
    CrossModalVariant(
        "consistency x 10", "consistency", "10 times the weight", {"consistency_weight": 10.0}
    ),
    CrossModalVariant(
        "softmax consistency", "consistency", "of similarities (LSCMC)", {"consistency": "softmax"}
    ),
    CrossModalVariant(
        "neighbours negative",
        "masked negatives",
        "frames next to the positive count as negatives",
        {"false_negative_frames": 0},
    ),
    CrossModalVariant(
        "wider mask",
        "masked negatives",
        "3 frames on each side masked",
        {"false_negative_frames": 3},
    ),
    CrossModalVariant("1 frame", "fusion of frames", "nothing is fused", {"frames": 1}),
    CrossModalVariant("4 frames", "fusion of frames", "4 frames are fused", {"frames": 4}),
    CrossModalVariant("no stage A", "stage A", "two modalities from the start", stage_a=False),
    CrossModalVariant("image", "what is seen", "face pictures, not expressions", visual="image"),
    CrossModalVariant(
        "direct term (ours)",
        "our extension",
        "sound is also compared with vision",
        {"direct_weight": DIRECT_WEIGHT},
    ),
)
