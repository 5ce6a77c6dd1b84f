"""Make the shipped models anew: learn, round, measure, and put them with cards and hashes.

Learning, and rounding with measuring, are stages of the run, so that a killed command goes on and
a second one repeats nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spfem import __version__
from spfem.checkpoints import load_checkpoint
from spfem.corpus.clips import Clip
from spfem.errors import CheckpointError, SettingsError
from spfem.files import file_digest, writing
from spfem.pretrained import hash_file, sha256_of, shipped_path
from spfem.run import stages
from spfem.run.artifacts import RECORD_NAME, open_stage
from spfem.run.workspace import Workspace
from spfem.weights import measure
from spfem.weights.card import card_file, pack_half, page_file, read_card, write_card

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
    """All other figures are of aligned clips, their faces and their codes."""
    return {
        "corpus": stages.make_corpus(workspace).digest,
        "persons": stages.make_persons(workspace).digest,
        "pairs": stages.make_pairs(workspace).digest,
    }


def _fitted_clips(workspace: Workspace) -> dict[str, str]:
    """What the reader is measured on; nothing that a shipped reader has read."""
    return {
        "corpus": stages.make_corpus(workspace).digest,
        "persons": stages.make_fitted_persons(workspace).digest,
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
    "reader": Recipe(
        title="Reader of face units",
        kind="face reader",
        variant="units",
        load="FaceReader.pretrained()",
        stage="reader",
        learned_from="films of people of its own, drawn from another seed than any corpus, with "
        "random mixtures of emotions and single units, exactly known, seen by the tracker in "
        "frames of several sizes",
        baseline="fit without reader",
        explained=measure.READING,
        make=stages.make_reader,
        measure=measure.measure_reader,
        measured_with=_fitted_clips,
        lessons=stages.reader_lessons,
        limits="It was learned from synthetic faces only, as the tracker of the package sees them. "
        "Its figures are of an actor of the embedded corpus; what real people truly show is not "
        "known, so on recordings they were not measured. Its 52 units are those of our head model.",
    ),
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


LARGEST_ROUNDING = 0.005  # of a figure, by half precision, unless its interval is wider


@dataclass(frozen=True)
class MadeWeights:
    """A model that is ready to be shipped, with its card and hash beside it."""

    name: str
    path: Path


def make_weights(
    workspace: Workspace, out: Path, *, seed: int = 0, names: Sequence[str] = ()
) -> list[MadeWeights]:
    """Make the models of `RECIPES` with a run's stages, and put them into `out` one by one.

    Args:
        workspace: of the run; what it has learned already is taken as it is.
        out: folder for the models.
        seed: of everything that is learned.
        names: only these; default all.

    Raises:
        SettingsError: if a name is unknown.
        CheckpointError: if half precision would change a model.
    """
    unknown = sorted(set(names) - set(RECIPES))
    if unknown:
        raise SettingsError(
            f"no model {', '.join(unknown)} comes with the package; choose of {', '.join(RECIPES)}"
        )
    made = []
    for name in [name for name in RECIPES if not names or name in names]:
        checkpoint = RECIPES[name].make(workspace, seed)
        made.append(publish(pack_model(workspace, name, checkpoint, seed), out))
    return made


def pack_model(workspace: Workspace, name: str, checkpoint: Path, seed: int) -> MadeWeights:
    """Round a learned checkpoint, measure it and write its card, in a stage of the workspace.

    Args:
        workspace: whose held-out actors it is measured on.
        name: of `RECIPES`.
        checkpoint: as learned.
        seed: it was learned with.

    Raises:
        CheckpointError: if half precision would change what it measures.
    """
    recipe = RECIPES[name]
    stage = open_stage(
        workspace.stage_folder("weights", name, f"seed{seed}"),
        f"weights {name}",
        settings={"name": name, "seed": seed, "evaluation": workspace.scale.evaluation},
        inputs={**recipe.measured_with(workspace), "checkpoint": file_digest(checkpoint)},
        code=(pack_half, _rounding, _card, write_card, recipe.measure),
    )
    path = shipped_path(name, stage.folder)
    if not stage.complete:
        pack_half(checkpoint, path, kind=recipe.kind)
        files = {"value": path, "unrounded": checkpoint}
        figures = recipe.measure(workspace, files, seed)
        rounding = _rounding(name, figures)
        write_card(path, _card(workspace, name, recipe, checkpoint, path, seed, figures, rounding))
        stage.finish()
    return MadeWeights(name, path)


def _rounding(name: str, figures: list[dict[str, Any]]) -> float:
    """The largest change of a figure by half precision; see `pack_model` for the error."""
    changes = [abs(row["value"] - row["unrounded"]) for row in figures]
    for row, change in zip(figures, changes, strict=True):
        known = 0.0 if row["ci_low"] is None else (row["ci_high"] - row["ci_low"]) / 2
        if change > max(LARGEST_ROUNDING, known):
            raise CheckpointError(
                f"half precision changes {row['quantity']} of {name} from {row['unrounded']} to "
                f"{row['value']}, which is more than can be left to chance; learn it longer, or "
                "ship it in single precision"
            )
    return round(max(changes), 6)


def publish(made: MadeWeights, out: Path) -> MadeWeights:
    """Copy a model into a folder, its hash last, so that nothing half copied is taken for whole."""
    path = out / made.path.name
    hash_file(path).unlink(missing_ok=True)
    for name in (made.path, card_file(made.path), page_file(made.path)):
        with writing(out / name.name) as aside:
            shutil.copyfile(name, aside)
    with writing(hash_file(path)) as aside:
        aside.write_text(f"{read_card(path)['sha256']}  {path.name}\n", encoding="utf-8")
    return MadeWeights(made.name, path)


def _card(
    workspace: Workspace,
    name: str,
    recipe: Recipe,
    checkpoint: Path,
    path: Path,
    seed: int,
    figures: list[dict[str, Any]],
    rounding: float,
) -> dict[str, Any]:
    import torch

    tensors, facts = load_checkpoint(path, kind=recipe.kind)
    record = json.loads((checkpoint.parent / RECORD_NAME).read_text(encoding="utf-8"))
    corpus, scale = stages.make_whole_corpus(workspace), workspace.scale
    actors, clips = recipe.lessons(workspace)
    held_out = sorted(actor for actor, role in corpus.roles.items() if role == "held_out")
    return {
        "name": name,
        "title": recipe.title,
        "load": recipe.load,
        "kind": recipe.kind,
        "variant": recipe.variant,
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "learned_from": {
            "text": recipe.learned_from,
            "corpus": workspace.corpus,
            "scale": scale.name,
            "actors": actors,
            "clips": clips,
            "fps": float(corpus.fps),
            "face_size": scale.face.face_size,
        },
        "seed": seed,
        "stage": f"python -m spfem stage {recipe.stage} --scale {scale.name}",
        "stage_digest": record["digest"],
        "made_with": {
            "spfem": __version__,
            "torch": torch.__version__.partition("+")[0],
            "device": workspace.device,
            "threads": record["threads"],
        },
        "settings": facts["settings"],
        "measured_on": f"the held-out actor{'s' * (len(held_out) > 1)} {', '.join(held_out)}",
        "confidence": scale.evaluation.confidence,
        "baseline": recipe.baseline,
        "figures": figures,
        "explained": dict(recipe.explained),
        "rounding": rounding,
        "limits": recipe.limits,
    }
