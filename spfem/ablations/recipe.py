"""The stage of one variant and seed: what decides its numbers, and its folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spfem.ablations.measured import Measured, load_measured, save_measured
from spfem.artifact_code import MadeBy, code_digest
from spfem.artifacts import digest
from spfem.opened_stages import RECORD_NAME, open_stage

MEASURED_NAME = "measured.npz"
LEARNING_FOLDER = "learning"


@dataclass(frozen=True)
class Recipe:
    """Everything that the numbers of a variant depend on.

    Attributes:
        folder: of the stage, `ablations/<table>/<variant>/seed<k>`.
        name: of the stage.
        settings: plain values and dataclasses.
        inputs: digests of what is read.
        code: functions that make the numbers, see `open_stage`.
    """

    folder: Path
    name: str
    settings: Any
    inputs: Mapping[str, str]
    code: tuple[MadeBy, ...]


def read_variant(recipe: Recipe) -> dict[str, Measured] | None:
    """What was measured, if the stage is complete and up to date; nothing is changed on disk."""
    try:
        record = json.loads((recipe.folder / RECORD_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    wanted = digest(
        {
            "stage": recipe.name,
            "settings": recipe.settings,
            "inputs": dict(recipe.inputs),
            "code": code_digest(*recipe.code),
        }
    )
    if record.get("digest") != wanted or not record.get("complete"):
        return None
    return load_measured(recipe.folder / MEASURED_NAME)


def make_variant(
    recipe: Recipe, measure: Callable[[Path], Mapping[str, Measured]]
) -> dict[str, Measured]:
    """Learn and measure, unless the stage is complete.

    Args:
        recipe: of the variant.
        measure: gets a folder for the state of learning, from which a killed run goes on; the
            folder is removed in the end, so that only numbers are kept.
    """
    stage = open_stage(
        recipe.folder,
        recipe.name,
        settings=recipe.settings,
        inputs=recipe.inputs,
        code=recipe.code,
    )
    path, learning = recipe.folder / MEASURED_NAME, recipe.folder / LEARNING_FOLDER
    if not stage.complete:
        learning.mkdir(exist_ok=True)
        save_measured(path, measure(learning))
        shutil.rmtree(learning)
        stage.finish(threads=torch.get_num_threads())
    return load_measured(path)
