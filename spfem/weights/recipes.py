"""How each shipped model is made: the stage that learns it, what measures it, what it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spfem import stages
from spfem.corpus.clips import Clip
from spfem.weights import measure
from spfem.workspace import Workspace

SYNTHETIC = (
    "It was learned from synthetic faces and voices at a small scale, for two processor cores. Its "
    "figures are of held-out actors of that corpus; on recordings of people it was not measured."
)
EMOTION_CLIPS = "clips of every emotion, aligned by sound with the neutral clip of the sentence"


@dataclass(frozen=True)
class Recipe:
    """How one shipped model is made.

    Attributes:
        title: of the card.
        kind: of checkpoint, as `variant` a key of `spfem.pretrained.PRETRAINED`.
        variant: of the kind.
        load: Python that loads it.
        stage: words of `python -m spfem stage` that learn it.
        learned_from: in words.
        baseline: in words, what the figures are compared with.
        explained: what the quantities of the figures are.
        make: checkpoint of a workspace and a seed.
        measure: figures of the checkpoints `value` and `unrounded` and a seed.
        measured_with: digests of what the figures are measured on.
        lessons: names of the actors that it is learned from, and the number of their clips.
        limits: what it is not.
    """

    title: str
    kind: str
    variant: str
    load: str
    stage: str
    learned_from: str
    baseline: str
    explained: Mapping[str, str]
    make: Callable[[Workspace, int], Path]
    measure: Callable[[Workspace, Mapping[str, Path], int], measure.Figures]
    measured_with: Callable[[Workspace], Mapping[str, str]]
    lessons: Callable[[Workspace], tuple[list[str], int]]
    limits: str


def _tracked_pairs(workspace: Workspace) -> dict[str, str]:
    """All figures so far are of aligned clips, their faces and their codes."""
    return {
        "corpus": stages.make_corpus(workspace).digest,
        "persons": stages.make_persons(workspace).digest,
        "pairs": stages.make_pairs(workspace).digest,
    }


def _train_clips(workspace: Workspace) -> tuple[list[str], int]:
    return _counted(stages.make_corpus(workspace).select(role="train"))


def _manipulator_clips(workspace: Workspace) -> tuple[list[str], int]:
    return _counted(stages.manipulator_clips(stages.make_corpus(workspace)))


def _counted(clips: Sequence[Clip]) -> tuple[list[str], int]:
    return sorted({clip.actor for clip in clips}), len(clips)


def _picture_metric(name: str, title: str, kind: str, variant: str, load: str) -> Recipe:
    return Recipe(
        title=title,
        kind=kind,
        variant=variant,
        load=load,
        stage=name,
        learned_from=EMOTION_CLIPS,
        baseline="before learning",
        explained=measure.SIMILARITY,
        make=lambda workspace, seed: stages.make_metric(workspace, name, seed),
        measure=partial(measure.measure_metric, name),
        measured_with=_tracked_pairs,
        lessons=_train_clips,
        limits=SYNTHETIC,
    )


RECIPES: Mapping[str, Recipe] = {
    "spatial": _picture_metric(
        "spatial",
        "Spatial coherence (ASCCL)",
        "spatial coherence",
        "paper",
        "SpatialCoherence.pretrained()",
    ),
    "spatial_speech": _picture_metric(
        "spatial_speech",
        "Spatial coherence that also tells moments of speech apart (our extension of ASCCL)",
        "spatial coherence",
        "speech",
        'SpatialCoherence.pretrained("speech")',
    ),
    "spatial_temporal_vd": _picture_metric(
        "spatial_temporal_vd",
        "Spatial-temporal coherence by visual disparities (STCCL-VD)",
        "spatial-temporal coherence",
        "vd",
        "SpatialTemporalCoherence.pretrained()",
    ),
    "cross_modal_expression": Recipe(
        title="Cross-modal coherence of sound and expression (SCMCL)",
        kind="cross-modal coherence",
        variant="expression",
        load="CrossModalCoherence.pretrained()",
        stage="cross_modal_expression",
        learned_from=EMOTION_CLIPS,
        baseline="before learning",
        explained=measure.RETRIEVAL,
        make=lambda workspace, seed: stages.make_cross_modal_metric(workspace, "expression", seed),
        measure=measure.measure_sound_metric,
        measured_with=_tracked_pairs,
        lessons=_train_clips,
        limits=f"{SYNTHETIC} Its expressions are the 52 face units of our tracker, not DECA codes.",
    ),
    "manipulator": Recipe(
        title="Expression manipulator (NED)",
        kind="manipulator",
        variant="ned",
        load="pretrained_manipulator()",
        stage="manipulator --method ned",
        learned_from="clips of every emotion, without pairs",
        baseline="source unedited",
        explained=measure.EDITS,
        make=lambda workspace, seed: stages.make_manipulator(workspace, "ned", seed),
        measure=measure.measure_manipulator,
        measured_with=_tracked_pairs,
        lessons=_manipulator_clips,
        limits=f"{SYNTHETIC} It edits the 52 face units of our tracker, not DECA codes.",
    ),
}
"""By the name of the file below `spfem/weights`, in the order of making.

Each is put into its folder before the next is made, so what others are learned with goes first.
"""
