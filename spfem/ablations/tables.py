"""The five ablation tables."""

from __future__ import annotations

from spfem.ablations import (
    cross_modal_variants,
    estimate,
    retrieval_variants,
    spatial_variants,
    supervision_variants,
    temporal_variants,
)
from spfem.ablations.cross_modal import cross_modal_recipe, measure_cross_modal
from spfem.ablations.retrieval import measure_retrieval, prepare_retrieval, retrieval_recipe
from spfem.ablations.spatial import measure_spatial, spatial_recipe
from spfem.ablations.supervision import (
    measure_supervision,
    prepare_supervision,
    supervision_recipe,
)
from spfem.ablations.table import AblationTable, no_preparation
from spfem.ablations.temporal import measure_temporal, temporal_recipe
from spfem.ablations.variants import Quantity

SPEECH = {
    "speech_wins": Quantity("same above other speech ↑", 1, wins_of="speech_auc"),
    "speech_auc": Quantity("speech AUC ↑", 1, ranks=True),
}
PLACE = {"place_gap": Quantity("same minus other place ↑", 1)}
SPATIAL = AblationTable(
    "spatial",
    "ASCCL, the spatial metric",
    "matched moments of actors that the metric did not learn from",
    spatial_variants.VARIANTS,
    {**SPEECH, **PLACE, "mouth_share": Quantity("gradient on the mouth ↑", 1)},
    spatial_recipe,
    measure_spatial,
    no_preparation,
    lambda settings: settings.spatial_steps,
    estimate.spatial_step_seconds,
    180,
)
TEMPORAL = AblationTable(
    "temporal",
    "STCCL, the metric of windows",
    "matched windows of actors that the metric did not learn from",
    temporal_variants.VARIANTS,
    {**SPEECH, **PLACE},
    temporal_recipe,
    measure_temporal,
    no_preparation,
    lambda settings: settings.temporal_steps,
    estimate.temporal_step_seconds,
    60,
)
CROSS_MODAL = AblationTable(
    "cross_modal",
    "SCMCL, the metric of sound and vision",
    "spoken moments of actors that the metric did not learn from",
    cross_modal_variants.VARIANTS,
    {
        "sound_to_sound": Quantity("recall at 1, sound to sound ↑", 1),
        "sound_to_vision": Quantity("recall at 1, sound to vision ↑", 1),
        "vision_to_vision": Quantity("recall at 1, vision to vision ↑", 1),
    },
    cross_modal_recipe,
    measure_cross_modal,
    no_preparation,
    lambda settings: settings.cross_modal_steps,
    estimate.cross_modal_step_seconds,
    25,
)
RETRIEVAL = AblationTable(
    "retrieval",
    "SCMCL, the windows that sound finds",
    "spoken neutral windows of the target actors",
    retrieval_variants.VARIANTS,
    {
        "same_viseme": Quantity("same viseme ↑", 1),
        "right_moment": Quantity("exactly the moment ↑", 1),
        "mouth_distance": Quantity("mouth units off the truth, % ↓", -1, factor=100),
        "covered": Quantity("windows with a pair", 0),
    },
    retrieval_recipe,
    measure_retrieval,
    prepare_retrieval,
    lambda settings: 1,
    estimate.retrieval_seconds,
    0,
)
SUPERVISION = AblationTable(
    "supervision",
    "the supervision of the manipulator",
    "codes of edits of held-back clips against the exact truth, before rendering",
    supervision_variants.VARIANTS,
    {
        "mouth_error": Quantity("mouth units off the truth, % ↓", -1, factor=100),
        "expression_error": Quantity("all units off the truth, % ↓", -1, factor=100),
        "emotion_probability": Quantity("probability of the emotion ↑", 1),
        "emotion_accuracy": Quantity("emotion accuracy ↑", 1),
    },
    supervision_recipe,
    measure_supervision,
    prepare_supervision,
    lambda settings: settings.tune_steps,
    estimate.supervision_step_seconds,
    13,
)
