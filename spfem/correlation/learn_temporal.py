"""The stage that learns a metric on windows from a paired corpus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from spfem.artifacts import write_json
from spfem.correlation.learn import CURVE_NAME, FaceStore, PairStore, frame_pairs_of_role
from spfem.correlation.temporal_training import train_temporal
from spfem.correlation.windows import FrameWindows
from spfem.distributed import first_alone, is_first, wait_for_all
from spfem.opened_stages import open_stage
from spfem.settings import TemporalSettings
from spfem.training import Progress


def learn_temporal(
    name: str,
    faces: FaceStore,
    pairs: PairStore,
    roles: Mapping[str, str],
    folder: Path,
    settings: TemporalSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    force: bool = False,
    progress: Progress = iter,
) -> Path:
    """Learn the metric `name` on the `train` actors, unless `folder` holds it already.

    Args:
        name: one of `TEMPORAL_METRICS`.
        faces: tracks by clip key.
        pairs: aligned clips.
        roles: actor to role; the curve shows the `held_out` actors.
        folder: stage folder; receives the checkpoint `<name>.safetensors` and `curve.json`.
        settings: of the metric and its learning.
        seed: of weights and draws.
        device: where to compute.
        force: learn again even if nothing changed.
        progress: wrapper of the step loop.

    Returns:
        Path of the checkpoint, for `load` of the metric's class.
    """
    with first_alone():
        stage = open_stage(
            folder,
            name,
            settings={name: settings, "seed": seed, "roles": dict(roles)},
            inputs={"faces": faces.digest, "pairs": pairs.digest},
            code=(learn_temporal, type(faces), type(pairs)),
            force=force,
        )
    checkpoint = folder / f"{name}.safetensors"
    if stage.complete and checkpoint.exists():
        return checkpoint
    train, held_out = (
        FrameWindows(frame_pairs_of_role(faces, pairs, roles, role), settings.window_frames)
        for role in ("train", "held_out")
    )
    learned = train_temporal(
        name,
        train,
        held_out,
        settings,
        seed=seed,
        device=device,
        folder=folder,
        progress=progress,
    )
    if is_first():
        write_json(folder / CURVE_NAME, learned.curve)
        learned.model.save(checkpoint, provenance={"seed": seed, "digest": stage.digest})
        stage.finish(steps=settings.steps, threads=torch.get_num_threads(), device=str(device))
    wait_for_all()
    return checkpoint
