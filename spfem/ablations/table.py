"""An ablation table as data: its variants, what they are measured by, and how that is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spfem.ablations.material import Material
from spfem.ablations.measured import Measured
from spfem.ablations.recipe import Recipe
from spfem.ablations.variants import Quantity
from spfem.settings import AblationSettings


@dataclass(frozen=True)
class AblationTable:
    """One table.

    Attributes:
        name: `spatial`, `temporal` and so on; the folder below `ablations/`.
        subject: what is taken apart, in words.
        scored_on: what the values are measured on, in words.
        variants: with `name`, `component`, `what` and `against`.
        quantities: by name, in the order of the panels of the figure.
        recipe: of a variant and seed; made in the process that asks.
        measure: learns a variant from a seed, in a folder that keeps its state, and measures it.
        prepare: makes the stages that all variants read; gets the seeds that are learned.
        steps: of learning of a variant, for the estimate of time.
        step_seconds: measures one step of the default variant, for the estimate of time.
        scoring_steps: about as many steps as reading and scoring take the time of.
    """

    name: str
    subject: str
    scored_on: str
    variants: tuple[Any, ...]
    quantities: Mapping[str, Quantity]
    recipe: Callable[[Material, Any, int], Recipe]
    measure: Callable[[Material, Any, int, Path], Mapping[str, Measured]]
    prepare: Callable[[Material, tuple[int, ...]], None]
    steps: Callable[[AblationSettings], int]
    step_seconds: Callable[[Material], float]
    scoring_steps: int


def no_preparation(material: Material, seeds: tuple[int, ...]) -> None:
    """For tables that read corpus, faces and pairs only."""


def ablation_folder(material: Material, table: str, variant: str, seed: int) -> Path:
    """Folder of the stage of a variant; only letters, digits, dots and dashes of its name."""
    name = re.sub(r"[^a-z0-9.]+", "-", variant.lower()).strip("-")
    return material.workspace.stage_folder("ablations", table, name, f"seed{seed}")
