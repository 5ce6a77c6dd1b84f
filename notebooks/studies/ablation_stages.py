"""What every ablation reads, and the stage that keeps the numbers of one variant and seed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spfem.corpus.clips import Corpus
from spfem.correlation.frames import AlignedClips, FramePairs, collect_frame_pairs
from spfem.correlation.learn import frame_pairs_of_role
from spfem.errors import ArtifactError, CorpusError, ShapeError
from spfem.files import digest, writing
from spfem.pairing.pairs import PairIndex
from spfem.run.artifacts import RECORD_NAME, open_stage
from spfem.run.data import make_corpus, make_faces, make_pairs
from spfem.run.deciding_code import MadeBy, code_digest
from spfem.run.faces import FaceStore
from spfem.run.workspace import Workspace
from spfem.scales import AblationSettings
from studies.ablation_variants import Quantity

UNSEEN_ROLES = ("held_out", "target")


@dataclass(frozen=True, eq=False)  # by identity, so that what is learned can be kept by it
class Material:
    """Corpus, faces and pairs of a workspace, opened once."""

    workspace: Workspace
    corpus: Corpus
    faces: FaceStore
    pairs: PairIndex

    @property
    def settings(self) -> AblationSettings:
        """How much is learned and scored."""
        return self.workspace.scale.ablations

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what is read."""
        return {name: getattr(self, name).digest for name in ("corpus", "faces", "pairs")}

    @property
    def device(self) -> str:
        """Where to learn."""
        return self.workspace.device

    @cached_property
    def train(self) -> FramePairs:
        """Frames of the actors that metrics learn from."""
        return frame_pairs_of_role(self.faces, self.pairs, self.corpus.roles, "train")

    def scored_pairs(self) -> tuple[AlignedClips, ...]:
        """Usable clip pairs of unseen actors, evenly spread over actors and emotions.

        Held-out and target actors alike: no metric learns from either.
        """
        roles = self.corpus.roles
        pairs = (pair for pair in self.pairs.pairs if pair.usable)
        usable = [pair for pair in pairs if roles[pair.source.split("/")[0]] in UNSEEN_ROLES]
        most = min(self.settings.scored_pairs, len(usable))
        spread = np.linspace(0, len(usable), most, endpoint=False).astype(int)
        return tuple(usable[number] for number in spread)

    @cached_property
    def unseen(self) -> FramePairs:
        """Frames of the scored pairs."""
        scored = self.scored_pairs()
        return collect_frame_pairs(self.faces, scored, {p.source.split("/")[0] for p in scored})

    def truths(self, name: str) -> dict[str, np.ndarray]:
        """The array `name` of the exact truth of each clip of the scored pairs, by clip key."""
        clips = {clip.key: clip for clip in self.corpus.clips}
        truths = {}
        for pair in self.scored_pairs():
            for key in (pair.source, pair.target):
                with np.load(clips[key].truth) as arrays:
                    truths[key] = arrays[name]
        return truths


def read_material(workspace: Workspace) -> Material:
    """Corpus, faces and pairs, made where they are not.

    Raises:
        CorpusError: if the corpus has no exact truth to measure against.
    """
    corpus = make_corpus(workspace)
    if not corpus.has_truth:
        raise CorpusError(
            f"{corpus.root} has no exact truth, which ablations are measured against; only the "
            "embedded corpus (--corpus synthetic) has it"
        )
    return Material(workspace, corpus, make_faces(workspace), make_pairs(workspace))


@dataclass(frozen=True)
class Measured:
    """A quantity at N observations.

    Attributes:
        values: (N, 2): sum and count of what is averaged, or for quantities by rank the right
            and the wrong score.
        clusters: (N, 2) str, actor and clip (pair).

    Raises:
        ShapeError: if the arrays are not (N, 2), or N is 0.
    """

    values: np.ndarray
    clusters: np.ndarray

    def __post_init__(self) -> None:
        shapes = self.values.shape, self.clusters.shape
        if shapes != ((len(self.values), 2), (len(self.values), 2)) or not len(self.values):
            raise ShapeError(f"values and clusters must be (N, 2) with N > 0, found {shapes}")


def measured_means(values: np.ndarray, clusters: np.ndarray) -> Measured:
    """A mean of values (N,), summed up within each cluster, since those are redrawn whole.

    NaN values do not count.
    """
    names, numbers = np.unique(clusters, axis=0, return_inverse=True)
    numbers, known = numbers.reshape(-1), ~np.isnan(values)
    count = len(names)
    sums = np.bincount(numbers[known], np.asarray(values, float)[known], minlength=count)
    return Measured(np.stack([sums, np.bincount(numbers[known], minlength=count)], 1), names)


def save_measured(path: Path, quantities: Mapping[str, Measured]) -> None:
    """Write one npz file, whole or not at all."""
    arrays = {}
    for name, measured in quantities.items():
        arrays[f"{name}.values"] = np.asarray(measured.values, np.float64)
        arrays[f"{name}.clusters"] = np.asarray(measured.clusters, str)
    with writing(path) as aside:
        np.savez_compressed(aside, names=np.array(json.dumps(list(quantities))), **arrays)  # type: ignore[arg-type]


def load_measured(path: Path) -> dict[str, Measured]:
    """Read what `save_measured` wrote.

    Raises:
        ArtifactError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {
                name: Measured(stored[f"{name}.values"], stored[f"{name}.clusters"])
                for name in json.loads(str(stored["names"]))
            }
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ArtifactError(
            f"{path} holds no measurements ({error}); delete its folder and run again"
        ) from error


MEASURED_NAME = "measured.npz"
LEARNING_FOLDER = "learning"


@dataclass(frozen=True)
class Recipe:
    """Everything that the numbers of a variant depend on, for `open_stage`.

    The folder is `ablations/<table>/<variant>/seed<k>`; `inputs` are digests of what is read,
    `code` the functions that make the numbers.
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
        {"stage": recipe.name, "settings": recipe.settings, "inputs": dict(recipe.inputs)}
        | {"code": code_digest(*recipe.code)}
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
    decided = {"settings": recipe.settings, "inputs": recipe.inputs, "code": recipe.code}
    stage = open_stage(recipe.folder, recipe.name, **decided)
    path, learning = recipe.folder / MEASURED_NAME, recipe.folder / LEARNING_FOLDER
    if not stage.complete:
        learning.mkdir(exist_ok=True)
        save_measured(path, measure(learning))
        shutil.rmtree(learning)
        stage.finish(threads=torch.get_num_threads())
    return load_measured(path)


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
        steps: name of the setting that tells how long a variant learns; empty if it does not.
        prepare: makes the stages that all variants read, beside corpus, faces and pairs; gets the
            seeds that are learned.
    """

    name: str
    subject: str
    scored_on: str
    variants: tuple[Any, ...]
    quantities: Mapping[str, Quantity]
    recipe: Callable[[Material, Any, int], Recipe]
    measure: Callable[[Material, Any, int, Path], Mapping[str, Measured]]
    steps: str
    prepare: Callable[[Material, tuple[int, ...]], None] | None = None


def ablation_folder(material: Material, table: str, variant: str, seed: int) -> Path:
    """Folder of the stage of a variant; only letters, digits, dots and dashes of its name."""
    name = re.sub(r"[^a-z0-9.]+", "-", variant.lower()).strip("-")
    return material.workspace.stage_folder("ablations", table, name, f"seed{seed}")
