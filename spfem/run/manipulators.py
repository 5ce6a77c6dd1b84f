"""Expression manipulators of a workspace: the one that all methods share, and those of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from spfem.correlation.scmcl import Visual
from spfem.edit.move import one_thread_each
from spfem.errors import InputError, SettingsError
from spfem.files import digest, file_digest, writing
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Guide, train_manipulator
from spfem.manipulator.networks import (
    ExpressionSpace,
    Manipulator,
    load_manipulator,
    save_manipulator,
)
from spfem.methods import PUBLISHED, Method, find_method
from spfem.run.artifacts import MANIPULATOR_NAME, open_stage
from spfem.run.data import (
    clip_counterparts,
    make_corpus,
    make_persons,
    manipulator_clips,
)
from spfem.run.deciding_code import code_digest
from spfem.run.faces import FaceStore
from spfem.run.metrics import (
    load_cross_modal_metric,
    load_picture_loss,
    make_audio_banks,
    make_cross_modal_metric,
    picture_loss_digest,
)
from spfem.run.workspace import Workspace, gains_by_sharing, work_off
from spfem.settings import ManipulatorSettings, SupervisionSettings
from spfem.supervision.manipulator import (
    Heard,
    Supervisors,
    compare_distances,
    compare_pictures,
    join_losses,
    manipulator_weights,
    move_faces,
    retrieve_pairs,
    supervise_manipulator,
)
from spfem.supervision.shares import WeightedLoss, measure_gradients, reweigh, weigh
from spfem.training import show_progress

WEIGHTS_NAME = "weights.csv"  # beside the curve
BASE = "base"  # what all methods start from
EXPRESSION_SPACE = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))
ANCHORED = False  # edits of the results take the generator's output as it is, as the papers do


def make_base_manipulator(workspace: Workspace, seed: int = 0) -> Path:
    """Checkpoint of the manipulator that all methods start from, without supervision."""
    return _make_manipulator(workspace, BASE, workspace.scale.manipulator, seed)


def make_manipulator(workspace: Workspace, method: str, seed: int = 0) -> Path:
    """Checkpoint of the expression manipulator of a method.

    Every method, plain NED too, goes on from the base for equally many steps. Source: the
    released SCMCL manipulator, which fine-tunes NED's. `ned_published` stands alone, learned once
    with settings of its own.

    Raises:
        SettingsError: if `ned_published` is asked for where the base is as published.
    """
    if method == PUBLISHED:
        published = workspace.scale.published_manipulator
        if published is None:
            raise SettingsError(
                f"at scale {workspace.scale.name} the manipulator of all methods is NED's "
                "published form; take the method ned"
            )
        return _make_manipulator(workspace, method, published, seed)
    base = make_base_manipulator(workspace, seed)
    supervision = make_supervision(
        workspace, find_method(method), workspace.scale.supervision, seed
    )
    settings = workspace.scale.manipulator
    return _make_manipulator(
        workspace, method, settings, seed, initial=base, supervision=supervision
    )


def make_manipulators(workspace: Workspace, wanted: Sequence[tuple[str, int]]) -> None:
    """Make the manipulators of methods and seeds, those that are missing side by side.

    Metrics, which supervise several of them, are made before; then what all methods start from.
    """
    missing = [run for run in wanted if not (_folder(workspace, *run) / MANIPULATOR_NAME).exists()]
    if not gains_by_sharing(workspace, missing):
        return  # each is made when it is asked for
    for method, seed in missing:
        make_supervision(workspace, find_method(method), workspace.scale.supervision, seed)
    bases = dict.fromkeys((BASE, seed) for method, seed in missing if method != PUBLISHED)
    for runs in ([*bases], missing):
        work_off(workspace, _make, [(workspace, run) for run in runs], "manipulators")


def _make(job: tuple[Workspace, tuple[str, int]]) -> None:
    workspace, (method, seed) = job
    if method == BASE:
        make_base_manipulator(workspace, seed)
    else:
        make_manipulator(workspace, method, seed)


def _folder(workspace: Workspace, method: str, seed: int) -> Path:
    return workspace.stage_folder("manipulator", method, f"seed{seed}")


@dataclass(frozen=True)
class Supervision:
    """What supervises a manipulator, made but not loaded.

    Attributes:
        settings: plain values that decide the losses, such as their weights.
        inputs: digests of checkpoints, banks and code that decide the losses.
        load: gets the clip keys in training order and all training windows, in coefficients.
        gradient_share: of `SupervisionSettings`.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    load: Callable[[Sequence[str], ExpressionWindows], Guide]
    gradient_share: float


def make_supervision(
    workspace: Workspace, method: Method, settings: SupervisionSettings, seed: int = 0
) -> Supervision | None:
    """Make the metrics, and the retrieved windows, that supervise a method's manipulator.

    None for a method without supervision.
    """
    seed = workspace.scale.metric_seed(seed)
    weights = manipulator_weights(settings, method)
    if not weights:
        return None
    facts: dict[str, Any] = {"weights": weights, "gradient_share": settings.gradient_share}
    inputs = {"code of shares": code_digest(measure_gradients, weigh)}
    seen: dict[Visual, bool] = {"expression": method.paired, "image": method.paired_pictures}
    banks = {
        visual: make_audio_banks(workspace, visual, seed)
        for visual, supervises in seen.items()
        if supervises
    }
    for visual, known in banks.items():
        metric = make_cross_modal_metric(workspace, visual, seed)
        inputs[f"metric of {visual}"] = file_digest(metric)
        inputs[f"banks of {visual}"] = digest({actor: bank.digest for actor, bank in known.items()})
    if method.pictures:
        frames, windows = settings.manipulator_frames, settings.manipulator_windows
        facts["pictures"] = {"frames": frames, "windows": windows}
        inputs |= {name: picture_loss_digest(workspace, name, seed) for name in method.pictures}
        inputs["code of pictures"] = code_digest(
            compare_pictures, move_faces, join_losses, FaceStore
        )
    if method.paired:
        facts["paired_form"] = settings.manipulator_paired_form
        inputs["code of pairs"] = code_digest(retrieve_pairs, join_losses)
    if method.paired_pictures:
        facts["distances"] = {"frames": settings.manipulator_frames}
        inputs["code of distances"] = code_digest(
            compare_distances, move_faces, join_losses, FaceStore
        )

    def load(keys: Sequence[str], windows: ExpressionWindows) -> Guide:
        speakers = {key.split("/")[0] for key in keys}
        heard = {
            visual: Heard(
                load_cross_modal_metric(workspace, visual, seed),
                {actor: bank for actor, bank in known.items() if actor in speakers},
            )
            for visual, known in banks.items()
        }
        supervisors = Supervisors(
            {name: load_picture_loss(workspace, name, seed) for name in method.pictures},
            heard.get("expression"),
            heard.get("image"),
        )
        faces = make_persons(workspace)
        return supervise_manipulator(supervisors, settings, weights, faces, keys, windows)

    return Supervision(facts, inputs, load, settings.gradient_share)


def weigh_losses(
    supervision: Supervision,
    keys: Sequence[str],
    windows: ExpressionWindows,
    start: Manipulator,
    settings: ManipulatorSettings,
) -> tuple[Guide, tuple[WeightedLoss, ...]]:
    """Load what supervises, and weigh it on the first batches, as `SupervisionSettings` says."""
    guide = supervision.load(keys, windows)
    gradients = measure_gradients(start, settings, windows, guide)
    weighted = weigh(gradients, guide.weights, supervision.gradient_share)
    return reweigh(guide, weighted), weighted


def gradient_shares(workspace: Workspace, seed: int = 0) -> pd.DataFrame:
    """What each loss weighs in the trainings of the scale's methods, NED's own loss included.

    Returns:
        Columns `base` ("both", as the bases share the manipulator), `network`, `method`, and those
        of `WeightedLoss`.
    """
    parts = []
    for name in workspace.scale.methods:
        path = make_manipulator(workspace, name, seed).parent / WEIGHTS_NAME
        if path.exists():
            part = pd.read_csv(path)
            part.insert(0, "method", name)
            parts.append(part)
    columns = ["method", *(each.name for each in fields(WeightedLoss))]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table.insert(0, "network", "manipulator")
    table.insert(0, "base", "both")
    return table


def _labels(workspace: Workspace) -> dict[str, int]:
    """Emotions of the clips to learn from, by key."""
    return {clip.key: clip.label for clip in manipulator_clips(make_corpus(workspace))}


def learning_windows(
    workspace: Workspace, settings: ManipulatorSettings, seed: int
) -> tuple[list[str], ExpressionWindows]:
    """Keys and windows of the clips that have the frames of a window, on the workspace's device.

    Raises:
        InputError: if no clip is long enough.
    """
    tracks, labels = make_persons(workspace), _labels(workspace)
    codes = {key: np.asarray(tracks[key].expression, np.float32) for key in sorted(labels)}
    codes = {key: code for key, code in codes.items() if len(code) >= settings.window_frames}
    if not codes:
        raise InputError(
            f"none of {len(labels)} clips has the {settings.window_frames} frames of the "
            "manipulator's window; give longer clips"
        )
    counterparts: list[torch.Tensor | None] = []
    if settings.aligned_weight:
        known = clip_counterparts(workspace, codes)
        counterparts = [
            torch.from_numpy(known[key]).to(workspace.device) if key in known else None
            for key in codes
        ]
    windows = ExpressionWindows(
        [torch.from_numpy(code).to(workspace.device) for code in codes.values()],
        [labels[key] for key in codes],
        window_frames=settings.window_frames,
        batch_size=settings.batch_size,
        seed=seed,
        counterparts=counterparts,
    )
    return [*codes], windows


def _make_manipulator(
    workspace: Workspace,
    name: str,
    settings: ManipulatorSettings,
    seed: int,
    *,
    initial: Path | None = None,
    supervision: Supervision | None = None,
) -> Path:
    """Checkpoint and `curve.csv`, learned on `learning_windows`."""
    tracks, labels = make_persons(workspace), _labels(workspace)
    stage = open_stage(
        _folder(workspace, name, seed),
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
        code=(
            train_manipulator,
            load_manipulator,
            save_manipulator,
            clip_counterparts,
            type(tracks),
        ),
    )
    path = stage.folder / MANIPULATOR_NAME
    if stage.complete and path.exists():
        return path
    keys, windows = learning_windows(workspace, settings, seed)
    start: Manipulator | ExpressionSpace = EXPRESSION_SPACE
    guide = None
    if initial is not None:
        start = load_manipulator(initial, device=workspace.device)
        if supervision is not None:
            guide, weighted = weigh_losses(supervision, keys, windows, start, settings)
            _write_table(stage.folder / WEIGHTS_NAME, map(asdict, weighted))
    try:
        with one_thread_each():  # so that the number of manipulators at a time changes no byte
            manipulator, curve = train_manipulator(
                windows,
                settings,
                start,
                guide,
                progress=show_progress(f"manipulator {name}"),
                folder=stage.folder,
            )
    except KeyboardInterrupt:
        stage.pause()
        raise
    save_manipulator(path, manipulator)
    _write_table(stage.folder / "curve.csv", curve)
    stage.finish(clips=len(keys), left_out=len(labels) - len(keys), last=curve[-1])
    return path


def _write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with writing(path) as aside:
        table = pd.DataFrame([*rows])
        table.to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")
