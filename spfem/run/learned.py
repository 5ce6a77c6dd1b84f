"""The stages that learn the cross-modal metric: each modality alone, then two together.

The stage that measures the audio banks of actors, one file an actor.

The stage that learns a metric on windows from a paired corpus.

The manipulator stage: train on tracked clips, keep the checkpoint and its learning curve.

The lip-sync network of a workspace, learned on the actors that teach the metrics.

The correlation metrics of a workspace.

Expression manipulators of a workspace, by method.

What loads each metric of a workspace, for whoever looks at them one by one.

How similar the metrics find matched and mismatched faces: measured once, read by notebooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch

from spfem.checkpoints import load_weights
from spfem.corpus.clips import Clip
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.encoders import load_encoder, save_encoder
from spfem.correlation.frames import FrameWindows
from spfem.correlation.images import CoherenceMetric
from spfem.correlation.learn import CURVE_NAME as METRIC_CURVE_NAME
from spfem.correlation.learn import (
    TEMPORAL_METRICS,
    FaceStore,
    PairStore,
    formulated,
    frame_pairs_of_role,
    learn_spatial,
    metric_class,
    train_temporal,
    untrained_metric,
)
from spfem.correlation.learn_sound import initial_joint, train_joint, train_single
from spfem.correlation.measure import measure_similarity
from spfem.correlation.retrieval import AudioBank, make_bank
from spfem.correlation.scmcl import CrossModalCoherence, Visual
from spfem.correlation.sound import (
    ClipSignals,
    FrameSamples,
    FrameTable,
    collect_samples,
    shrink_faces,
    tabulate_frames,
)
from spfem.correlation.stccl import TemporalCoherence
from spfem.distributed import first_alone, is_first, refuse_sharing, wait_for_all
from spfem.errors import ArtifactError, CorpusError, InputError, SettingsError
from spfem.evaluation.lip_sync import load_lip_sync, save_lip_sync
from spfem.evaluation.lip_sync_meter import (
    LearnedLipSync,
    LipSyncMeter,
    SpokenClip,
    check_lip_sync,
    learn_network,
    spoken_clip,
)
from spfem.evaluation.syncnet import load_released_lip_sync
from spfem.files import file_digest, write_json, writing
from spfem.head.model import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator.learn import Supervision, train_manipulator
from spfem.manipulator.networks import ExpressionSpace, load_manipulator, save_manipulator
from spfem.media.audio import read_audio
from spfem.media.video import read_video
from spfem.methods import find_method
from spfem.run.artifacts import RECORD_NAME, open_stage
from spfem.run.data import (
    make_corpus,
    make_faces,
    make_pairs,
    make_persons,
    manipulator_clips,
    read_visemes,
)
from spfem.run.workspace import Workspace
from spfem.settings import CrossModalSettings, ManipulatorSettings, TemporalSettings
from spfem.supervision.manipulator import Supervisors, supervise_manipulator
from spfem.training import Progress, Row, show_progress

ENCODER_NAME = "encoder.safetensors"

Signals = Callable[[str, tuple[str, ...]], ClipSignals]
"""Gives the named modalities of one clip by its key; called once for each clip."""


def metric_name(visual: Visual) -> str:
    """File name of the checkpoint of a metric."""
    return f"cross_modal_{visual}.safetensors"


def frames_of_roles(
    signals: Signals,
    modalities: tuple[str, ...],
    pairs: PairStore,
    roles: Mapping[str, str],
    settings: CrossModalSettings,
) -> tuple[FrameTable, FrameSamples, FrameSamples | None]:
    """All frames of the paired clips, samples of the `train` and, if any, `held_out` actors.

    Raises:
        CorpusError: if no actor is to be learned from.
    """
    wanted = [
        pair
        for pair in pairs.pairs
        if pair.usable and roles.get(pair.source.split("/")[0]) in ("train", "held_out")
    ]
    keys = dict.fromkeys(key for pair in wanted for key in (pair.source, pair.target))
    if not keys:
        raise CorpusError("no usable clip pair of an actor to learn from; check roles and pairs")
    table = tabulate_frames({key: signals(key, modalities) for key in keys}, settings)
    held_out = None
    if any(roles[pair.source.split("/")[0]] == "held_out" for pair in wanted):
        held_out = collect_samples(table, wanted, roles, "held_out")
    return table, collect_samples(table, wanted, roles, "train"), held_out


def learn_single(
    modality: str,
    signals: Signals,
    pairs: PairStore,
    roles: Mapping[str, str],
    folder: Path,
    settings: CrossModalSettings,
    *,
    inputs: Mapping[str, str],
    seed: int,
    device: torch.device | str = "cpu",
    force: bool = False,
    progress: Progress = iter,
) -> Path:
    """Stage A: learn the encoder of one modality, unless `folder` holds it already.

    Args:
        modality: `audio`, `expression` or `image`.
        signals: of each clip; read only if there is something to learn.
        pairs: aligned clips.
        roles: actor to role.
        folder: stage folder; receives the encoder and `curve.json`.
        settings: of the metric and its learning.
        inputs: digests of what the signals come from.
        seed: of weights and draws.
        device: where to compute.
        force: learn again even if nothing changed.
        progress: wrapper of the step loop.

    Returns:
        Path of the encoder, for `encoder_files.load_encoder`.
    """
    refuse_sharing("the cross-modal metric, whose negatives are the whole batch,")
    stage = open_stage(
        folder,
        f"cross-modal {modality} alone",
        settings={
            "cross_modal": settings,
            "modality": modality,
            "seed": seed,
            "roles": dict(roles),
        },
        inputs={**inputs, "pairs": pairs.digest},
        code=(learn_single, signals, type(pairs)),
        force=force,
    )
    path = folder / ENCODER_NAME
    if stage.complete and path.exists():
        return path
    learned = train_single(
        modality,
        *frames_of_roles(signals, (modality,), pairs, roles, settings),
        settings,
        seed=seed,
        device=device,
        folder=folder,
        progress=progress,
    )
    write_json(folder / METRIC_CURVE_NAME, learned.curve)
    save_encoder(learned.encoder, settings, path, provenance={"seed": seed, "digest": stage.digest})
    stage.finish(steps=settings.single_steps, threads=torch.get_num_threads(), device=str(device))
    return path


def learn_joint(
    visual: Visual,
    encoders: Mapping[str, Path],
    signals: Signals,
    pairs: PairStore,
    roles: Mapping[str, str],
    folder: Path,
    settings: CrossModalSettings,
    *,
    inputs: Mapping[str, str],
    seed: int,
    device: torch.device | str = "cpu",
    force: bool = False,
    progress: Progress = iter,
) -> Path:
    """Stage B: learn the metric, unless `folder` holds it already; arguments as `learn_single`.

    Args:
        visual: what the metric sees, `expression` or `image`.
        encoders: of stage A by modality, `audio` and `visual`.
        signals: of each clip.
        pairs: aligned clips.
        roles: actor to role.
        folder: stage folder.
        settings: of the metric and its learning.
        inputs: digests of what the signals come from.
        seed: of weights and draws.
        device: where to compute.
        force: learn again even if nothing changed.
        progress: wrapper of the step loop.

    Returns:
        Path of the checkpoint, for `CrossModalCoherence.load`.
    """
    made_from = {f"{name} encoder": file_digest(encoders[name]) for name in ("audio", visual)}
    refuse_sharing("the cross-modal metric, whose negatives are the whole batch,")
    stage = open_stage(
        folder,
        f"cross-modal {visual}",
        settings={"cross_modal": settings, "visual": visual, "seed": seed, "roles": dict(roles)},
        inputs={**inputs, **made_from, "pairs": pairs.digest},
        code=(learn_joint, signals, type(pairs)),
        force=force,
    )
    checkpoint = folder / metric_name(visual)
    if stage.complete and checkpoint.exists():
        return checkpoint
    model = initial_joint(settings, visual, seed)
    for modality, encoder in (("audio", model.audio_encoder), (visual, model.visual_encoder)):
        alone, _ = load_encoder(encoders[modality], modality)
        load_weights(encoder, alone.state_dict(), encoders[modality])
    learned = train_joint(
        model.to(device),
        *frames_of_roles(signals, ("audio", visual), pairs, roles, settings),
        seed=seed,
        folder=folder,
        progress=progress,
    )
    write_json(folder / METRIC_CURVE_NAME, learned.curve)
    learned.model.save(checkpoint, provenance={"seed": seed, "digest": stage.digest})
    stage.finish(steps=settings.joint_steps, threads=torch.get_num_threads(), device=str(device))
    return checkpoint


def measure_banks(
    checkpoint: Path,
    signals: Signals,
    clips: Mapping[str, tuple[str, ...]],
    folder: Path,
    window_frames: int,
    *,
    inputs: Mapping[str, str],
    device: torch.device | str = "cpu",
    force: bool = False,
) -> dict[str, AudioBank]:
    """Measure the audio bank of each actor, unless `folder` holds it already.

    Args:
        checkpoint: of the metric.
        signals: of each clip; must offer what the windows are made of (sound, and expressions or
            images, whose length decides how many windows there are).
        clips: actor to the keys of the clips that may be retrieved.
        folder: stage folder; receives one file an actor.
        window_frames: length of a window.
        inputs: digests of what the signals come from.
        device: where to compute.
        force: measure again even if nothing changed.

    Returns:
        The banks by actor.

    Raises:
        ArtifactError: if `folder` holds a bank of another metric.
    """
    plain: dict[str, Any] = {actor: list(keys) for actor, keys in clips.items()}
    stage = open_stage(
        folder,
        "audio banks",
        settings={"window_frames": window_frames, "clips": plain},
        inputs={**inputs, "metric": file_digest(checkpoint)},
        code=(measure_banks, signals),
        force=force,
    )
    model = CrossModalCoherence.load(checkpoint, device=device)
    banks = {}
    for actor, keys in clips.items():
        path = folder / f"{actor}.npz"
        if not path.exists():
            offered = {key: signals(key, ("audio", model.visual)) for key in keys}
            table = tabulate_frames(offered, model.settings)
            make_bank(model, table, actor, window_frames, stage.digest).save(path)
        banks[actor] = AudioBank.load(path)
        if banks[actor].digest != stage.digest:
            raise ArtifactError(f"{path} belongs to another metric; run again with --force")
    if not stage.complete:
        stage.finish(windows=sum(len(bank.clip) for bank in banks.values()))
    return banks


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
        write_json(folder / METRIC_CURVE_NAME, learned.curve)
        learned.model.save(checkpoint, provenance={"seed": seed, "digest": stage.digest})
        stage.finish(steps=settings.steps, threads=torch.get_num_threads(), device=str(device))
    wait_for_all()
    return checkpoint


STAGE_CHECKPOINT_NAME = "manipulator.safetensors"
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
    path = folder / STAGE_CHECKPOINT_NAME
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


LIP_SYNC_CHECKPOINT_NAME = "lip_sync.safetensors"
CHECK_NAME = "check.csv"
PLANTED_SHIFTS = (-6, -3, 0, 3, 6)  # frames
CHECK_CLIPS = 42  # of a role, at most
SEED = 0  # a yardstick is learned once, whatever the seeds of what it measures


def make_lip_sync(workspace: Workspace) -> Path:
    """Checkpoint of the network, learned on the `train` actors.

    The folder also holds `check.csv`: how well it finds planted shifts of the sound, on the actor
    that is held out and on those that are edited.
    """
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    settings = workspace.scale.lip_sync
    stage = open_stage(
        workspace.stage_folder("lip_sync"),
        "lip sync",
        settings=settings,
        inputs={"faces": faces.digest},
        code=(make_lip_sync,),
    )
    path = stage.folder / LIP_SYNC_CHECKPOINT_NAME
    if not stage.complete:
        network, curve = learn_network(
            _spoken(workspace, corpus.select(role="train")),
            settings,
            seed=SEED,
            device=workspace.device,
            folder=stage.folder,
            progress=show_progress("lip sync"),
        )
        groups = {
            role.replace("_", " "): _spoken(workspace, _some(corpus.select(role=role)))
            for role in ("held_out", "target")
        }
        groups = {name: clips for name, clips in groups.items() if clips}
        table = check_lip_sync(LearnedLipSync(network, settings), groups, PLANTED_SHIFTS)
        with writing(stage.folder / CHECK_NAME) as aside:
            table.to_csv(aside, index=False)
        save_lip_sync(path, network)
        stage.finish(loss=curve[-1]["loss"] if curve else 0.0)
    return path


def lip_sync_check(workspace: Workspace) -> pd.DataFrame:
    """The table of `check_lip_sync` for the learned network."""
    return pd.read_csv(make_lip_sync(workspace).with_name(CHECK_NAME))


def lip_sync_file(workspace: Workspace) -> Path:
    """The file of the network that LSE-D and LSE-C are measured with."""
    released = workspace.scale.lip_sync.released_file
    return make_lip_sync(workspace) if released is None else Path(released)


def load_lip_sync_meter(workspace: Workspace) -> LipSyncMeter:
    """What LSE-D and LSE-C are measured with: learned here, or the released SyncNet."""
    settings = workspace.scale.lip_sync
    if settings.released_file is not None:
        return load_released_lip_sync(settings.released_file)
    return LearnedLipSync(load_lip_sync(make_lip_sync(workspace)), settings)


def _some(clips: Sequence[Clip]) -> Sequence[Clip]:
    return clips[:: max(1, -(-len(clips) // CHECK_CLIPS))]


def _spoken(workspace: Workspace, clips: Iterable[Clip]) -> list[SpokenClip]:
    """Crops and cepstra of clips that have a face and sound."""
    faces, size = make_faces(workspace), workspace.scale.lip_sync.crop_size
    spoken = []
    for clip in clips:
        if clip.key not in faces:
            continue
        video = read_video(clip.video)
        if video.audio is not None:
            landmarks = faces[clip.key].landmarks
            spoken.append(spoken_clip(video.frames, landmarks, video.audio, video.fps, size))
    return spoken


METRICS = ("spatial", "spatial_speech", *TEMPORAL_METRICS)
"""Metrics of pictures, in the order of the tables; `spatial_speech` is our extension."""

DIRECT_WEIGHT = 1.0  # of sound against vision where the cross-modal metric is extended


def make_spatial_metric(workspace: Workspace, seed: int = 0, *, speech: bool = False) -> Path:
    """Checkpoint of the spatial metric, learned on the `train` actors.

    With `speech` the published metric learns on with negatives from other moments too.
    """
    corpus, scale = make_corpus(workspace), workspace.scale
    name = "spatial_speech" if speech else "spatial"
    return learn_spatial(
        make_faces(workspace),
        make_pairs(workspace),
        corpus.roles,
        workspace.stage_folder(name, f"seed{seed}"),
        scale.spatial_speech if speech else scale.spatial,
        seed=seed,
        device=workspace.device,
        first=make_spatial_metric(workspace, seed) if speech else None,
        progress=show_progress(f"{name.replace('_', ' ')} metric"),
    )


def load_spatial_metric(
    workspace: Workspace, seed: int = 0, *, speech: bool = False
) -> SpatialCoherence:
    """The learned metric, frozen for supervision, on the workspace's device."""
    metric = SpatialCoherence.load(make_spatial_metric(workspace, seed, speech=speech))
    return metric.to(workspace.device).supervise()


def make_metric(workspace: Workspace, name: str, seed: int = 0) -> Path:
    """Checkpoint of the metric `name`: one of `METRICS`.

    Raises:
        SettingsError: if the name is unknown.
    """
    if name in TEMPORAL_METRICS:
        return make_temporal_metric(workspace, name, seed)
    if name not in METRICS:
        raise SettingsError(f"metric {name!r} is unknown; choose one of {', '.join(METRICS)}")
    return make_spatial_metric(workspace, seed, speech=name == "spatial_speech")


def make_temporal_metric(workspace: Workspace, name: str, seed: int = 0) -> Path:
    """Checkpoint of one of `TEMPORAL_METRICS`, learned on the `train` actors."""
    corpus = make_corpus(workspace)
    return learn_temporal(
        name,
        make_faces(workspace),
        make_pairs(workspace),
        corpus.roles,
        workspace.stage_folder(name, f"seed{seed}"),
        formulated(name, workspace.scale.temporal),
        seed=seed,
        device=workspace.device,
        progress=show_progress(f"metric {name}"),
    )


def load_temporal_metric(workspace: Workspace, name: str, seed: int = 0) -> TemporalCoherence:
    """A learned metric on windows, frozen for supervision, on the workspace's device."""
    metric = metric_class(name).load(make_temporal_metric(workspace, name, seed))
    return metric.to(workspace.device).supervise()


def cross_modal_settings(workspace: Workspace, *, direct: bool = False) -> CrossModalSettings:
    """Settings of the cross-modal metric at the corpus's frame rate; `direct`: our extension."""
    fps = round(make_corpus(workspace).fps)  # 29.97 as 30, like the papers: 1 ms a second
    settings = replace(workspace.scale.cross_modal, fps=fps)
    return replace(settings, direct_weight=DIRECT_WEIGHT) if direct else settings


def clip_signals(workspace: Workspace, image_size: int) -> Signals:
    """What the cross-modal metric reads: sound, expressions and faces of a clip by its key."""
    faces = make_faces(workspace)
    clips = {clip.key: clip for clip in make_corpus(workspace).clips}

    def signals(key: str, modalities: tuple[str, ...]) -> ClipSignals:
        track = faces[key]
        sound = read_audio(clips[key].audio, workspace.scale.cross_modal.sample_rate)
        return ClipSignals(
            audio=sound if "audio" in modalities else None,
            expression=track.expression if "expression" in modalities else None,
            image=shrink_faces(track.faces, image_size) if "image" in modalities else None,
            found=track.found,
        )

    return signals


def learn_cross_modal_encoder(
    workspace: Workspace, modality: str, settings: CrossModalSettings, folder: Path, seed: int
) -> Path:
    """Stage A with given settings into a given folder; see `make_cross_modal_encoder`."""
    corpus = make_corpus(workspace)
    return learn_single(
        modality,
        clip_signals(workspace, settings.single_image_size),
        make_pairs(workspace),
        corpus.roles,
        folder,
        settings,
        inputs={"corpus": corpus.digest, "faces": make_faces(workspace).digest},
        seed=seed,
        device=workspace.device,
        progress=show_progress(f"{modality} alone{_noted(settings)}"),
    )


def learn_cross_modal_pair(
    workspace: Workspace,
    visual: Visual,
    encoders: Mapping[str, Path],
    settings: CrossModalSettings,
    folder: Path,
    seed: int,
) -> Path:
    """Stage B with given settings into a given folder; see `make_cross_modal_metric`."""
    corpus = make_corpus(workspace)
    return learn_joint(
        visual,
        encoders,
        clip_signals(workspace, settings.image_size),
        make_pairs(workspace),
        corpus.roles,
        folder,
        settings,
        inputs={"corpus": corpus.digest, "faces": make_faces(workspace).digest},
        seed=seed,
        device=workspace.device,
        progress=show_progress(f"audio and {visual}{_noted(settings)}"),
    )


def _noted(settings: CrossModalSettings) -> str:
    """What a progress bar adds where released behaviours are switched on."""
    return "" if settings.compat == "paper" else f", {settings.compat.replace('_', ' ')}"


def make_cross_modal_encoder(workspace: Workspace, modality: str, seed: int = 0) -> Path:
    """Stage A: encoder of `audio`, `expression` or `image`, learned on the `train` actors."""
    folder = workspace.stage_folder("cross_modal", modality, "alone", f"seed{seed}")
    settings = cross_modal_settings(workspace)
    return learn_cross_modal_encoder(workspace, modality, settings, folder, seed)


def make_cross_modal_metric(
    workspace: Workspace, visual: Visual, seed: int = 0, *, direct: bool = False
) -> Path:
    """Stage B: checkpoint of the metric of sound and `expression` or `image`.

    With `direct` sound and vision are also compared directly, which the paper does not.
    """
    encoders = {name: make_cross_modal_encoder(workspace, name, seed) for name in ("audio", visual)}
    kind = "direct" if direct else "joint"
    folder = workspace.stage_folder("cross_modal", visual, kind, f"seed{seed}")
    settings = cross_modal_settings(workspace, direct=direct)
    return learn_cross_modal_pair(workspace, visual, encoders, settings, folder, seed)


def load_cross_modal_metric(
    workspace: Workspace, visual: Visual, seed: int = 0
) -> CrossModalCoherence:
    """The learned metric, frozen for supervision, on the workspace's device."""
    metric = CrossModalCoherence.load(make_cross_modal_metric(workspace, visual, seed))
    return metric.to(workspace.device).supervise()


def make_audio_banks(
    workspace: Workspace, visual: Visual = "expression", seed: int = 0
) -> dict[str, AudioBank]:
    """By actor, which windows of the clips that the manipulator learns from sound alike."""
    corpus = make_corpus(workspace)
    clips: dict[str, tuple[str, ...]] = {}
    for clip in manipulator_clips(corpus):
        clips[clip.actor] = (*clips.get(clip.actor, ()), clip.key)
    return measure_banks(
        make_cross_modal_metric(workspace, visual, seed),
        clip_signals(workspace, workspace.scale.cross_modal.image_size),
        clips,
        workspace.stage_folder("cross_modal", visual, "banks", f"seed{seed}"),
        workspace.scale.manipulator.window_frames,
        inputs={"corpus": corpus.digest, "faces": make_faces(workspace).digest},
        device=workspace.device,
    )


EXPRESSION_SPACE = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))


def make_supervisors(workspace: Workspace, method: str, seed: int = 0) -> Supervisors:
    """The learned metrics, and the retrieved windows, that supervise a method's manipulator."""
    wanted = find_method(method)
    return Supervisors(
        make_spatial_metric(workspace, seed) if wanted.spatial else None,
        {name: make_temporal_metric(workspace, name, seed) for name in wanted.temporal},
        make_cross_modal_metric(workspace, "expression", seed) if wanted.paired else None,
        make_audio_banks(workspace, "expression", seed) if wanted.paired else {},
    )


def make_base_manipulator(workspace: Workspace, seed: int = 0) -> Path:
    """Checkpoint of the manipulator that all methods start from: NED without supervision."""
    return _learn(workspace, "base", seed)


def make_manipulator(workspace: Workspace, method: str, seed: int = 0) -> Path:
    """Checkpoint of the expression manipulator of a method.

    Every method, plain NED too, goes on from the base for equally many steps. Source: the
    released SCMCL manipulator, which fine-tunes NED's.
    """
    base, faces = make_base_manipulator(workspace, seed), make_persons(workspace)
    supervision = supervise_manipulator(
        make_supervisors(workspace, method, seed),
        workspace.scale.supervision,
        load_head_model(),
        faces,
        seed=seed,
        device=workspace.device,
    )
    return _learn(workspace, method, seed, initial=base, supervision=supervision)


def _learn(
    workspace: Workspace,
    name: str,
    seed: int,
    *,
    initial: Path | None = None,
    supervision: Supervision | None = None,
) -> Path:
    faces = make_persons(workspace)
    clips = manipulator_clips(make_corpus(workspace))
    return learn_manipulator(
        faces,
        {clip.key: clip.label for clip in clips},
        workspace.stage_folder("manipulator", name, f"seed{seed}"),
        workspace.scale.manipulator,
        space=EXPRESSION_SPACE,
        inputs={"faces": faces.digest},
        seed=seed,
        device=workspace.device,
        supervision=supervision,
        initial=initial,
        progress=show_progress(f"manipulator {name}"),
    )


METRIC_TITLES: dict[str, str] = {
    "raw": "raw features",
    "spatial_before": "ASCCL before learning",
    "spatial": "ASCCL",
    "spatial_speech": "ASCCL with speech negatives (ours)",
    "temporal_vd": "STCCL, visual disparity",
    "temporal_cm": "STCCL, correlation matrices",
    "audio_visual": "SCMCL, sound and expression",
}
"""Metrics in the order in which they are offered, with the names that readers see."""

MetricLoader = Callable[[], CoherenceMetric]


def metric_loaders(workspace: Workspace) -> dict[str, MetricLoader]:
    """Loaders of metrics in evaluation mode, by keys of `METRIC_TITLES`.

    The spatial metric is learned where it is missing, when it is first loaded; others are left out
    then. `raw` is the spatial metric as well, for its network's features; `spatial_before` is as
    its learning starts.
    """
    spatial = partial(load_spatial_metric, workspace, SEED)
    loaders: dict[str, MetricLoader] = {
        "raw": spatial,
        "spatial_before": partial(_load_untrained, workspace),
        "spatial": spatial,
    }
    learned: dict[str, tuple[tuple[str, ...], MetricLoader]] = {
        "spatial_speech": (("spatial_speech",), partial(spatial, speech=True)),
        "audio_visual": (
            ("cross_modal", "expression", "joint"),
            partial(load_cross_modal_metric, workspace, "expression", SEED),
        ),
    }
    for name in ("temporal_vd", "temporal_cm"):
        learned[name] = ((name,), partial(load_temporal_metric, workspace, name, SEED))
    for name, (folders, load) in learned.items():
        folder = workspace.stage_folder(*folders, f"seed{SEED}")
        if any(folder.glob("*.safetensors")) and (folder / RECORD_NAME).exists():
            loaders[name] = load
    return loaders


def shipped_loaders() -> dict[str, MetricLoader]:
    """Loaders of the metrics that come with the package, by keys of `METRIC_TITLES`; no run."""
    return {
        "raw": SpatialCoherence.pretrained,
        "spatial": SpatialCoherence.pretrained,
        "spatial_speech": partial(SpatialCoherence.pretrained, "speech"),
        "audio_visual": CrossModalCoherence.pretrained,
    }


def _load_untrained(workspace: Workspace) -> SpatialCoherence:
    """With statistics of the frames that the metric learns from."""
    roles = make_corpus(workspace).roles
    frames = frame_pairs_of_role(make_faces(workspace), make_pairs(workspace), roles, "train")
    settings = workspace.scale.spatial
    return untrained_metric(frames, settings, seed=SEED, device=workspace.device).supervise()


TABLE_NAME = "similarity.csv"
SCORES_NAME = "scores.npz"


def make_similarity(workspace: Workspace, name: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Rows of `similarity.csv` of one metric over all seeds, and its held-out scores.

    See `measure_similarity`.
    """
    import pandas as pd

    corpus, scale = make_corpus(workspace), workspace.scale
    checkpoints = {seed: make_metric(workspace, name, seed) for seed in scale.seeds}
    used = [scale.temporal if name in TEMPORAL_METRICS else scale.spatial, scale.evaluation]
    stage = open_stage(
        workspace.stage_folder("similarity", name),
        f"similarity {name}",
        settings={"metric": name, "settings": used, "roles": dict(corpus.roles)},
        inputs={f"seed{seed}": file_digest(path) for seed, path in checkpoints.items()}
        | {
            "corpus": corpus.digest,
            "faces": make_faces(workspace).digest,
            "pairs": make_pairs(workspace).digest,
        },
        code=(make_similarity,),
    )
    table_path, scores_path = stage.folder / TABLE_NAME, stage.folder / SCORES_NAME
    if not stage.complete:
        table, scores = measure_similarity(
            make_faces(workspace),
            make_pairs(workspace),
            corpus.roles,
            read_visemes(workspace),
            checkpoints,
            scale,
            metric=name,
        )
        with writing(table_path) as aside:
            table.to_csv(aside, index=False)
        with writing(scores_path) as aside:
            arrays: dict[str, Any] = dict(scores)
            np.savez(aside, **arrays)
        stage.finish()
    with np.load(scores_path) as stored:
        return pd.read_csv(table_path, float_precision="round_trip"), dict(stored)
