"""Expression manipulators of a workspace: the one that all methods share, and those of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from spfem.errors import InputError
from spfem.files import digest, file_digest, writing
from spfem.head.model import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Guide, train_manipulator
from spfem.manipulator.networks import (
    ExpressionSpace,
    load_manipulator,
    save_manipulator,
)
from spfem.methods import Method, find_method
from spfem.run.artifacts import MANIPULATOR_NAME, open_stage
from spfem.run.data import make_corpus, make_persons, manipulator_clips
from spfem.run.deciding_code import code_digest
from spfem.run.metrics import (
    load_cross_modal_metric,
    load_spatial_metric,
    load_temporal_metric,
    make_audio_banks,
    make_cross_modal_metric,
    make_metric,
)
from spfem.run.workspace import Workspace
from spfem.settings import SupervisionSettings
from spfem.supervision.manipulator import (
    Supervisors,
    draw_heads,
    join_losses,
    manipulator_weights,
    retrieve_pairs,
    supervise_manipulator,
)
from spfem.training import show_progress

EXPRESSION_SPACE = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))
ANCHORED = False  # edits of the results take the generator's output as it is, as the papers do


def make_base_manipulator(workspace: Workspace, seed: int = 0) -> Path:
    """Checkpoint of the manipulator that all methods start from: NED without supervision."""
    return _make_manipulator(workspace, "base", seed)


def make_manipulator(workspace: Workspace, method: str, seed: int = 0) -> Path:
    """Checkpoint of the expression manipulator of a method.

    Every method, plain NED too, goes on from the base for equally many steps. Source: the
    released SCMCL manipulator, which fine-tunes NED's.
    """
    base = make_base_manipulator(workspace, seed)
    settings = workspace.scale.supervision
    supervision = make_supervision(workspace, find_method(method), settings, seed)
    return _make_manipulator(workspace, method, seed, initial=base, supervision=supervision)


@dataclass(frozen=True)
class Supervision:
    """What supervises a manipulator, made but not loaded.

    Attributes:
        settings: plain values that decide the losses, such as their weights.
        inputs: digests of checkpoints, banks and code that decide the losses.
        load: gets the clip keys in training order and all training windows, in coefficients.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    load: Callable[[Sequence[str], ExpressionWindows], Guide]


def make_supervision(
    workspace: Workspace, method: Method, settings: SupervisionSettings, seed: int = 0
) -> Supervision | None:
    """Make the metrics, and the retrieved windows, that supervise a method's manipulator.

    None for a method without supervision.
    """
    seed = workspace.scale.metric_seed(seed)
    heads = method.spatial or bool(method.temporal)
    if not (heads or method.paired):
        return None
    weights = manipulator_weights(
        settings, spatial=method.spatial, temporal=method.temporal, paired=method.paired
    )
    facts: dict[str, Any] = {"weights": weights}
    inputs, banks = {}, {}
    if heads:
        frames, windows = settings.manipulator_frames, settings.manipulator_windows
        facts["heads"] = {"frames": frames, "windows": windows}
        names = (("spatial",) if method.spatial else ()) + method.temporal
        inputs = {name: file_digest(make_metric(workspace, name, seed)) for name in names}
        inputs["code of heads"] = code_digest(draw_heads, join_losses)
    if method.paired:
        facts["paired_form"] = settings.manipulator_paired_form
        banks = make_audio_banks(workspace, "expression", seed)
        metric = make_cross_modal_metric(workspace, "expression", seed)
        inputs["cross_modal"] = file_digest(metric)
        inputs["banks"] = digest({actor: bank.digest for actor, bank in banks.items()})
        inputs["code of pairs"] = code_digest(retrieve_pairs, join_losses)

    def load(keys: Sequence[str], windows: ExpressionWindows) -> Guide:
        persons = make_persons(workspace)
        supervisors = Supervisors(
            load_spatial_metric(workspace, seed) if method.spatial else None,
            {name: load_temporal_metric(workspace, name, seed) for name in method.temporal},
            load_cross_modal_metric(workspace, "expression", seed) if method.paired else None,
            banks,
        )
        identities = torch.from_numpy(np.stack([persons[key].identity for key in keys]))
        return supervise_manipulator(
            supervisors, settings, load_head_model(), identities, keys, windows
        )

    return Supervision(facts, inputs, load)


def _make_manipulator(
    workspace: Workspace,
    name: str,
    seed: int,
    *,
    initial: Path | None = None,
    supervision: Supervision | None = None,
) -> Path:
    """Checkpoint and `curve.csv`, learned on the clips that have the frames of a window.

    Raises:
        InputError: if no clip is long enough.
    """
    tracks, settings = make_persons(workspace), workspace.scale.manipulator
    labels = {clip.key: clip.label for clip in manipulator_clips(make_corpus(workspace))}
    stage = open_stage(
        workspace.stage_folder("manipulator", name, f"seed{seed}"),
        "manipulator",
        settings={
            "manipulator": settings,
            "seed": seed,
            "labels": labels,
            "names": EXPRESSION_SPACE.names,
            "value_range": EXPRESSION_SPACE.value_range,
            "supervision": supervision.settings if supervision else {},
        },
        inputs={
            "faces": tracks.digest,
            **(supervision.inputs if supervision else {}),
            "initial": "" if initial is None else file_digest(initial),
        },
        code=(train_manipulator, load_manipulator, save_manipulator, type(tracks)),
    )
    path = stage.folder / MANIPULATOR_NAME
    if stage.complete and path.exists():
        return path
    codes = {key: np.asarray(tracks[key].expression, np.float32) for key in sorted(labels)}
    codes = {key: code for key, code in codes.items() if len(code) >= settings.window_frames}
    if not codes:
        raise InputError(
            f"none of {len(labels)} clips has the {settings.window_frames} frames of the "
            "manipulator's window; give longer clips"
        )
    windows = ExpressionWindows(
        [torch.from_numpy(code).to(workspace.device) for code in codes.values()],
        [labels[key] for key in codes],
        window_frames=settings.window_frames,
        batch_size=settings.batch_size,
        seed=seed,
    )
    try:
        manipulator, curve = train_manipulator(
            windows,
            settings,
            load_manipulator(initial, device=workspace.device) if initial else EXPRESSION_SPACE,
            supervision.load([*codes], windows) if supervision else None,
            progress=show_progress(f"manipulator {name}"),
            folder=stage.folder,
        )
    except KeyboardInterrupt:
        stage.pause()
        raise
    save_manipulator(path, manipulator)
    with writing(stage.folder / "curve.csv") as aside:
        pd.DataFrame(curve).to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")
    stage.finish(clips=len(codes), left_out=len(labels) - len(codes), last=curve[-1])
    return path
