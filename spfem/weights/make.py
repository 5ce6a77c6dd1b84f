"""Make the shipped models anew: learn, round, measure, and put them with cards and hashes.

Learning, and rounding with measuring, are stages of the run, so that a killed command goes on and
a second one repeats nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spfem import __version__, stages
from spfem.artifacts import RECORD_NAME, file_digest, open_stage, writing
from spfem.checkpoints import load_checkpoint
from spfem.errors import CheckpointError, SettingsError
from spfem.pretrained import hash_file, sha256_of, shipped_path
from spfem.weights.card import card_file, page_file, read_card, write_card
from spfem.weights.half_precision import pack_half
from spfem.weights.recipes import RECIPES, Recipe
from spfem.workspace import Workspace

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
