"""The manipulator stage: train on tracked clips, keep the checkpoint and its learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from spfem.artifacts import file_digest, writing
from spfem.errors import InputError
from spfem.manipulator.checkpoint import load_manipulator, save_manipulator
from spfem.manipulator.model import ExpressionSpace
from spfem.manipulator.supervision import Supervision
from spfem.manipulator.training import train_manipulator
from spfem.opened_stages import open_stage
from spfem.settings import ManipulatorSettings
from spfem.training import Progress, Row

CHECKPOINT_NAME = "manipulator.safetensors"
CURVE_NAME = "curve.csv"


class Track(Protocol):
    """What the stage needs of a tracked clip."""

    @property
    def expression(self) -> np.ndarray:
        """Coefficients (T, E) float32, jaw opening first."""


def learn_manipulator(
    tracks: Mapping[str, Track],
    labels: Mapping[str, int],
    folder: Path,
    settings: ManipulatorSettings,
    *,
    space: ExpressionSpace,
    inputs: Mapping[str, str],
    seed: int = 0,
    device: str = "cpu",
    supervision: Supervision | None = None,
    initial: Path | None = None,
    progress: Progress = iter,
    force: bool = False,
) -> Path:
    """Train a manipulator on the clips named by `labels`, or reuse the one in `folder`.

    A killed training resumes from its last state. Clips shorter than the window are left out.

    Args:
        tracks: tracked clips by key; only those in `labels` are read, and none when the
            checkpoint is up to date.
        labels: emotion of each training clip.
        folder: of the stage.
        settings: sizes, steps, weights.
        space: names and range of the coefficients.
        inputs: digests of what `tracks` holds.
        seed: of weights, order and latents.
        device: where to train; not part of what identifies the result.
        supervision: correlation metrics that supervise.
        initial: checkpoint to go on from, see `train_manipulator`.
        progress: wraps the iterable of steps, for example `tqdm`.
        force: train anew.

    Returns:
        The path of the checkpoint, for `load_manipulator`.

    Raises:
        InputError: if a labelled clip has no track, or no clip is long enough.
    """
    stage = open_stage(
        folder,
        "manipulator",
        settings={
            "manipulator": settings,
            "seed": seed,
            "labels": labels,
            "names": space.names,
            "value_range": space.value_range,
            "supervision": supervision.settings if supervision else {},
        },
        inputs={
            **inputs,
            **(supervision.inputs if supervision else {}),
            "initial": "" if initial is None else file_digest(initial),
        },
        code=(learn_manipulator, type(tracks)),
        force=force,
    )
    path = folder / CHECKPOINT_NAME
    if stage.complete and path.exists():
        return path
    expressions = _read_expressions(tracks, labels, settings.window_frames)
    keys = tuple(expressions)
    try:
        trained = train_manipulator(
            [torch.from_numpy(expressions[key]) for key in keys],
            [labels[key] for key in keys],
            settings,
            space=space,
            seed=seed,
            device=device,
            guide=partial(supervision.bind, keys) if supervision else None,
            initial=None if initial is None else load_manipulator(initial, device=device),
            progress=progress,
            folder=folder,
        )
    except KeyboardInterrupt:
        stage.pause()
        raise
    save_manipulator(path, trained.manipulator)
    _write_curve(folder / CURVE_NAME, trained.rows)
    stage.finish(clips=len(keys), left_out=len(labels) - len(keys), last=trained.rows[-1])
    return path


def _read_expressions(
    tracks: Mapping[str, Track], labels: Mapping[str, int], window_frames: int
) -> dict[str, np.ndarray]:
    expressions: dict[str, np.ndarray] = {}
    for key in sorted(labels):
        if key not in tracks:
            raise InputError(f"clip {key} has a label but no track; run the face stage on it")
        expression = np.asarray(tracks[key].expression, np.float32)
        if len(expression) >= window_frames:
            expressions[key] = expression
    if not expressions:
        raise InputError(
            f"none of {len(labels)} clips has the {window_frames} frames of the manipulator's "
            "window; give longer clips"
        )
    return expressions


def _write_curve(path: Path, rows: list[Row]) -> None:
    names = list(rows[0])
    lines: list[list[Any]] = [names, *([f"{row[name]:.6g}" for name in names] for row in rows)]
    with writing(path) as aside:
        aside.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
