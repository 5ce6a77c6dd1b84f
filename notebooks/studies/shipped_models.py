"""Make the shipped models anew: learn, round, measure, and put them with cards and hashes.

Learning, and rounding with measuring, are stages of the run, so that a killed command goes on and
a second one repeats nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from spfem import __version__
from spfem.checkpoints import load_checkpoint, save_checkpoint
from spfem.corpus.clips import Clip
from spfem.errors import CheckpointError, SettingsError
from spfem.files import file_digest, writing
from spfem.pretrained import hash_file, sha256_of, shipped_path
from spfem.reading.films import reader_cast
from spfem.run import stages
from spfem.run.artifacts import RECORD_NAME, open_stage
from spfem.run.workspace import Workspace
from spfem.weights.card import KEYS, card_file, page_file, read_card, render_card
from studies import shipped_figures as measure

SYNTHETIC = (
    "It was learned from synthetic faces and voices at a small scale, for two processor cores. Its "
    "figures are of held-out actors of that corpus; on recordings of people it was not measured."
)
EMOTION_CLIPS = "clips of every emotion, aligned by sound with the neutral clip of the sentence"


class Recipe(NamedTuple):
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
        limits: what it is not.
        measured_with: digests of what the figures are measured on.
        lessons: names of the actors that it is learned from, and the number of their clips.
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
    limits: str
    measured_with: Callable[[Workspace], Mapping[str, str]]
    lessons: Callable[[Workspace], tuple[list[str], int]]


def _tracked_pairs(workspace: Workspace) -> dict[str, str]:
    """All other figures are of aligned clips, their faces and their codes."""
    return {
        "corpus": stages.make_corpus(workspace).digest,
        "persons": stages.make_persons(workspace).digest,
        "pairs": stages.make_pairs(workspace).digest,
    }


def _reader_lessons(workspace: Workspace) -> tuple[list[str], int]:
    """Names of the people whom the reader learns from, none of a corpus, and their clips."""
    films = workspace.scale.reader_films
    names = [f"P{number:03d}" for number in range(len(reader_cast(films)))]
    return names, len(names) * (1 + films.mixed_clips)


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
        title, f"{kind} coherence", variant, load, name, EMOTION_CLIPS, "before learning",
        measure.SIMILARITY, lambda workspace, seed: stages.make_metric(workspace, name, seed),
        partial(measure.measure_metric, name), SYNTHETIC, _tracked_pairs, _train_clips,
    )  # fmt: skip


RECIPES: Mapping[str, Recipe] = {
    "reader": Recipe(
        "Reader of face units", "face reader", "units", "FaceReader.pretrained()", "reader",
        "films of people of its own, drawn from another seed than any corpus, with random mixtures "
        "of emotions and single units, exactly known, seen by the tracker in frames of several "
        "sizes",
        "fit without reader", measure.READING, stages.make_reader, measure.measure_reader,
        "It was learned from synthetic faces only, as the tracker of the package sees them. "
        "Its figures are of an actor of the embedded corpus; what real people truly show is not "
        "known, so on recordings they were not measured. Its 52 units are those of our head model.",
        _fitted_clips, _reader_lessons,
    ),
    "spatial": _picture_metric(
        "spatial", "Spatial coherence (ASCCL)", "spatial", "paper", "SpatialCoherence.pretrained()"
    ),
    "spatial_speech": _picture_metric(
        "spatial_speech",
        "Spatial coherence that also tells moments of speech apart (our extension of ASCCL)",
        "spatial", "speech", 'SpatialCoherence.pretrained("speech")',
    ),
    "spatial_temporal_vd": _picture_metric(
        "spatial_temporal_vd", "Spatial-temporal coherence by visual disparities (STCCL-VD)",
        "spatial-temporal", "vd", "SpatialTemporalCoherence.pretrained()",
    ),
    "cross_modal_expression": Recipe(
        "Cross-modal coherence of sound and expression (SCMCL)", "cross-modal coherence",
        "expression", "CrossModalCoherence.pretrained()", "cross_modal_expression", EMOTION_CLIPS,
        "before learning", measure.RETRIEVAL,
        lambda workspace, seed: stages.make_cross_modal_metric(workspace, "expression", seed),
        measure.measure_sound_metric,
        f"{SYNTHETIC} Its expressions are the 52 face units of our tracker, not DECA codes.",
        _tracked_pairs, _train_clips,
    ),
    "manipulator": Recipe(
        "Expression manipulator (NED)", "manipulator", "ned", "pretrained_manipulator()",
        "manipulator --method ned",
        "clips of every emotion, beside what other takes of the sentence say that they would be in "
        "another one",
        "source unedited",
        measure.EDITS, lambda workspace, seed: stages.make_manipulator(workspace, "ned", seed),
        measure.measure_manipulator,
        f"{SYNTHETIC} It edits the 52 face units of our tracker, not DECA codes.",
        _tracked_pairs, _manipulator_clips,
    ),
}  # fmt: skip
"""By the name of the file below `spfem/weights`, in the order of making.

Each is put into its folder before the next is made, so what others are learned with goes first.
"""


def pack_half(source: Path, path: Path, *, kind: str) -> None:
    """Write the checkpoint `source` to `path` with its floating-point tensors as float16.

    Kind, settings and provenance stay, so what loads the one loads the other.

    Raises:
        CheckpointError: if the file cannot be read, or a value is too large for half precision.
    """
    tensors, facts = load_checkpoint(source, kind=kind)
    packed = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    lost = [name for name, tensor in packed.items() if not torch.isfinite(tensor).all()]
    if lost:
        raise CheckpointError(
            f"{source} does not fit half precision: {', '.join(sorted(lost))} would be infinite"
        )
    save_checkpoint(path, packed, kind=kind, facts=facts)


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write both forms of the card beside the model `path`."""
    ordered = json.dumps({key: card[key] for key in KEYS}, indent=1) + "\n"
    texts = {card_file(path): ordered, page_file(path): render_card(card)}
    for file, text in texts.items():
        with writing(file) as aside:
            aside.write_text(text, encoding="utf-8")


LARGEST_ROUNDING = 0.005  # of a figure, by half precision, unless its interval is wider


def make_weights(
    workspace: Workspace, out: Path, *, seed: int = 0, names: Sequence[str] = ()
) -> list[Path]:
    """Make the models of `RECIPES` with a run's stages, and put them into `out` one by one.

    What the run has learned already is taken as it is. `names` are all by default.

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


def pack_model(workspace: Workspace, name: str, checkpoint: Path, seed: int) -> Path:
    """Round a learned checkpoint, measure it on held-out actors and write its card, as a stage.

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
        facts = {"figures": figures, "rounding": _rounding(name, figures), "seed": seed}
        write_card(path, _card(workspace, recipe, checkpoint, path) | facts)
        stage.finish()
    return path


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


def publish(made: Path, out: Path) -> Path:
    """Copy a model into a folder, its hash last, so that nothing half copied is taken for whole."""
    path = out / made.name
    hash_file(path).unlink(missing_ok=True)
    for name in (made, card_file(made), page_file(made)):
        with writing(out / name.name) as aside:
            shutil.copyfile(name, aside)
    with writing(hash_file(path)) as aside:
        aside.write_text(f"{read_card(path)['sha256']}  {path.name}\n", encoding="utf-8")
    return path


def _card(workspace: Workspace, recipe: Recipe, checkpoint: Path, path: Path) -> dict[str, Any]:
    """The card of `path` but for what was measured."""
    tensors, facts = load_checkpoint(path, kind=recipe.kind)
    record = json.loads((checkpoint.parent / RECORD_NAME).read_text(encoding="utf-8"))
    corpus, scale = stages.make_whole_corpus(workspace), workspace.scale
    actors, clips = recipe.lessons(workspace)
    held_out = sorted(actor for actor, role in corpus.roles.items() if role == "held_out")
    taken = ("title", "load", "kind", "variant", "baseline", "explained", "limits")
    return {name: value for name, value in recipe._asdict().items() if name in taken} | {
        "name": path.stem,
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
    }
