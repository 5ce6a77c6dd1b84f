"""The stage that learns the spatial metric from a paired corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import torch

from spfem.artifacts import file_digest, write_json
from spfem.correlation.frame_pairs import (
    AlignedClips,
    FramePairs,
    TrackLookup,
    collect_frame_pairs,
)
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.training import train_spatial
from spfem.distributed import first_alone, is_first, wait_for_all
from spfem.errors import CorpusError
from spfem.opened_stages import open_stage
from spfem.settings import SpatialSettings
from spfem.training import Progress

CHECKPOINT_NAME = "spatial.safetensors"
CURVE_NAME = "curve.json"


class FaceStore(TrackLookup, Protocol):
    """Face tracks by clip key, with a digest of them all."""

    @property
    def digest(self) -> str:
        """Of the stage that made the tracks."""


class PairStore(Protocol):
    """Aligned clip pairs, with a digest of them all."""

    @property
    def digest(self) -> str:
        """Of the stage that made the pairs."""

    @property
    def pairs(self) -> Iterable[AlignedClips]:
        """Every pair of the corpus."""


def frame_pairs_of_role(
    faces: FaceStore, pairs: PairStore, roles: Mapping[str, str], role: str
) -> FramePairs:
    """Frame pairs of the actors whose role is `train`, `held_out` or `target`.

    Raises:
        CorpusError: if no actor has the role or none of their pairs is usable.
    """
    actors = {actor for actor, given in roles.items() if given == role}
    if not actors:
        raise CorpusError(f"no actor has the role {role!r}; found {sorted(set(roles.values()))}")
    return collect_frame_pairs(faces, pairs.pairs, actors)


def learn_spatial(
    faces: FaceStore,
    pairs: PairStore,
    roles: Mapping[str, str],
    folder: Path,
    settings: SpatialSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    first: Path | None = None,
    force: bool = False,
    progress: Progress = iter,
) -> Path:
    """Learn the metric on the `train` actors, unless `folder` holds it already.

    Args:
        faces: tracks by clip key.
        pairs: aligned clips.
        roles: actor to role; the curve shows the `held_out` actors.
        folder: stage folder; receives the checkpoint and `curve.json`.
        settings: of the metric and its learning.
        seed: of weights and draws.
        device: where to compute.
        first: checkpoint of a learned metric of the same sizes to start from.
        force: learn again even if nothing changed.
        progress: wrapper of the step loop.

    Returns:
        Path of the checkpoint, for `SpatialCoherence.load`.
    """
    with first_alone():
        stage = open_stage(
            folder,
            "spatial",
            settings={"spatial": settings, "seed": seed, "roles": dict(roles)},
            inputs={"faces": faces.digest, "pairs": pairs.digest}
            | ({} if first is None else {"first": file_digest(first)}),
            code=(learn_spatial, type(faces), type(pairs)),
            force=force,
        )
    checkpoint = folder / CHECKPOINT_NAME
    if stage.complete and checkpoint.exists():
        return checkpoint
    learned = train_spatial(
        frame_pairs_of_role(faces, pairs, roles, "train"),
        frame_pairs_of_role(faces, pairs, roles, "held_out"),
        settings,
        seed=seed,
        device=device,
        folder=folder,
        first=None if first is None else SpatialCoherence.load(first, supervise=False),
        progress=progress,
    )
    if is_first():
        write_json(folder / CURVE_NAME, learned.curve)
        learned.model.save(checkpoint, provenance={"seed": seed, "digest": stage.digest})
        stage.finish(steps=settings.steps, threads=torch.get_num_threads(), device=str(device))
    wait_for_all()
    return checkpoint
