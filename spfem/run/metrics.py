"""The correlation metrics of a workspace: of pictures, and of sound beside what is seen.

Each is a stage that keeps a checkpoint and `curve.json`, learned on the `train` actors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from spfem.checkpoints import load_weights
from spfem.corpus.clips import Corpus
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.encoders import load_encoder, save_encoder
from spfem.correlation.frames import FrameWindows
from spfem.correlation.learn import (
    TEMPORAL_METRICS,
    formulated,
    frame_pairs_of_role,
    metric_class,
    train_spatial,
    train_temporal,
    untrained_metric,
)
from spfem.correlation.learn_sound import initial_joint, train_joint, train_single
from spfem.correlation.retrieval import AudioBank, make_bank
from spfem.correlation.scmcl import CrossModalCoherence, Visual
from spfem.correlation.sound import (
    ClipSignals,
    Signals,
    frames_of_roles,
    shrink_faces,
    tabulate_frames,
)
from spfem.correlation.stccl import TemporalCoherence
from spfem.distributed import first_alone, is_first, refuse_sharing, wait_for_all
from spfem.errors import SettingsError
from spfem.face.identity_network import (
    FaceResNet,
    find_identity_weights,
    load_identity_features,
)
from spfem.files import digest, file_digest, write_json
from spfem.media.audio import read_audio
from spfem.methods import IDENTITY, UNTRAINED
from spfem.run.artifacts import open_stage
from spfem.run.data import bank_clips, make_corpus, make_faces, make_pairs
from spfem.run.deciding_code import MadeBy, code_digest
from spfem.run.workspace import Workspace, gains_by_sharing, work_off
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings
from spfem.training import Row, show_progress

METRICS = ("spatial", "spatial_speech", *TEMPORAL_METRICS)
"""Metrics of pictures, in the order of the tables; `spatial_speech` is our extension."""

CURVE_NAME = "curve.json"
DIRECT_WEIGHT = 1.0  # of sound against vision where the cross-modal metric is extended


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


def make_metrics(workspace: Workspace, names: Iterable[str]) -> None:
    """Learn metrics of pictures with all seeds of the scale's metrics, missing ones side by side.

    Every process learns with one thread. The spatial metrics, which others go on from, come first.

    Args:
        workspace: the run.
        names: of `METRICS`.
    """
    wanted = [(name, seed) for name in names for seed in workspace.scale.metric_seeds]
    missing = [run for run in wanted if not _is_there(workspace, *run)]
    if not gains_by_sharing(workspace, missing):
        return  # each is made when it is asked for
    make_pairs(workspace)
    spatial = [("spatial", seed) for seed in dict.fromkeys(seed for _, seed in missing)]
    first = [run for run in spatial if not _is_there(workspace, *run)]
    for runs in (first, [run for run in missing if run not in first]):
        work_off(workspace, _make, [(workspace, run) for run in runs], "metrics")


def _is_there(workspace: Workspace, name: str, seed: int) -> bool:
    return any(workspace.stage_folder(name, f"seed{seed}").glob("*.safetensors"))


def _make(job: tuple[Workspace, tuple[str, int]]) -> None:
    workspace, run = job
    make_metric(workspace, *run)


def make_spatial_metric(
    workspace: Workspace,
    seed: int = 0,
    *,
    speech: bool = False,
    settings: SpatialSettings | None = None,
    place: tuple[str, ...] = (),
) -> Path:
    """Checkpoint of the spatial metric, for `SpatialCoherence.load`.

    With `speech` the published metric learns on with negatives from other moments too. A study has
    `settings` of its own, and a `place`: the folders above that of the seed.
    """
    corpus, faces, pairs = make_corpus(workspace), make_faces(workspace), make_pairs(workspace)
    name = "spatial_speech" if speech else "spatial"
    using = settings or (workspace.scale.spatial_speech if speech else workspace.scale.spatial)
    first = make_spatial_metric(workspace, seed) if speech else None

    def learn(how: dict[str, Any]) -> _Learned:
        train, held_out = (
            frame_pairs_of_role(faces, pairs, corpus.roles, role) for role in ("train", "held_out")
        )
        start = None if first is None else SpatialCoherence.load(first, supervise=False)
        return train_spatial(train, held_out, using, first=start, device=workspace.device, **how)

    return _learn_once(
        workspace,
        "spatial",
        (*(place or (name,)), f"seed{seed}"),
        _learned_from(corpus, using, seed),
        {"faces": faces.digest, "pairs": pairs.digest}
        | ({} if first is None else {"first": file_digest(first)}),
        (train_spatial, frame_pairs_of_role, type(faces), type(pairs)),
        learn,
    )


def make_temporal_metric(
    workspace: Workspace,
    name: str,
    seed: int = 0,
    *,
    settings: TemporalSettings | None = None,
    place: tuple[str, ...] = (),
) -> Path:
    """Checkpoint of one of `TEMPORAL_METRICS`, for `load` of its class.

    The name decides the formulation; `settings` and `place` as in `make_spatial_metric`. Studies
    learn from initial weights.
    """
    corpus, faces, pairs = make_corpus(workspace), make_faces(workspace), make_pairs(workspace)
    goes_on = settings is None and workspace.scale.temporal_from_spatial
    start = make_spatial_metric(workspace, seed) if goes_on else None
    using = formulated(name, settings or workspace.scale.temporal)

    def learn(how: dict[str, Any]) -> _Learned:
        train, held_out = (
            FrameWindows(frame_pairs_of_role(faces, pairs, corpus.roles, role), using.window_frames)
            for role in ("train", "held_out")
        )
        first = None if start is None else SpatialCoherence.load(start, supervise=False)
        return train_temporal(
            name, train, held_out, using, device=workspace.device, first=first, **how
        )

    return _learn_once(
        workspace,
        name,
        (*(place or (name,)), f"seed{seed}"),
        _learned_from(corpus, using, seed),
        {"faces": faces.digest, "pairs": pairs.digest}
        | ({} if start is None else {"first": file_digest(start)}),
        (train_temporal, frame_pairs_of_role, FrameWindows, type(faces), type(pairs)),
        learn,
    )


def picture_loss_digest(workspace: Workspace, name: str, seed: int) -> str:
    """Digest of what `load_picture_loss` gives; a learned metric is made for it."""
    if name == IDENTITY:
        return digest([file_digest(find_identity_weights()), code_digest(load_identity_features)])
    if name == UNTRAINED:
        settings, corpus = workspace.scale.spatial, make_corpus(workspace)
        made_from = [make_faces(workspace).digest, make_pairs(workspace).digest, dict(corpus.roles)]
        return digest([asdict(settings), seed, code_digest(untrained_metric), made_from])
    return file_digest(make_metric(workspace, name, seed))


def load_picture_loss(
    workspace: Workspace, name: str, seed: int
) -> SpatialCoherence | TemporalCoherence | FaceResNet:
    """What compares pictures in supervision, one of `PICTURE_LOSSES`: frozen, on the device."""
    if name == IDENTITY:
        return load_identity_features().to(workspace.device).eval().requires_grad_(False)
    if name == UNTRAINED:
        train = frame_pairs_of_role(
            make_faces(workspace), make_pairs(workspace), make_corpus(workspace).roles, "train"
        )
        settings, device = workspace.scale.spatial, workspace.device
        return untrained_metric(train, settings, seed=seed, device=device).supervise()
    if name in TEMPORAL_METRICS:
        return load_temporal_metric(workspace, name, seed)
    return load_spatial_metric(workspace, seed)


Settings = SpatialSettings | TemporalSettings | CrossModalSettings


def _learned_from(corpus: Corpus, settings: Settings, seed: int) -> dict[str, Any]:
    return {"metric": settings, "seed": seed, "roles": dict(corpus.roles)}


class _Learned(Protocol):
    @property
    def model(self) -> Any: ...

    @property
    def curve(self) -> list[Row]: ...


def _learn_once(
    workspace: Workspace,
    name: str,
    folders: tuple[str, ...],
    settings: dict[str, Any],
    inputs: dict[str, str],
    code: Sequence[MadeBy],
    learn: Callable[[dict[str, Any]], _Learned],
    file: str = "",
    save: Callable[..., None] = lambda model, path, **how: model.save(path, **how),
) -> Path:
    """Checkpoint of a stage, with `curve.json`, learned if it is not there.

    `learn` gets the options that all learners share; of several processes the first one writes.
    """
    with first_alone():
        stage = open_stage(
            workspace.stage_folder(*folders), name, settings=settings, inputs=inputs, code=code
        )
    checkpoint = stage.folder / f"{file or name}.safetensors"
    if stage.complete and checkpoint.exists():
        return checkpoint
    seed, progress = settings["seed"], show_progress("/".join(folders))
    learned = learn({"seed": seed, "folder": stage.folder, "progress": progress})
    if is_first():
        write_json(stage.folder / CURVE_NAME, learned.curve)
        save(learned.model, checkpoint, provenance={"seed": seed, "digest": stage.digest})
        stage.finish(device=workspace.device)
    wait_for_all()
    return checkpoint


def load_spatial_metric(
    workspace: Workspace, seed: int = 0, *, speech: bool = False
) -> SpatialCoherence:
    """The learned metric, frozen for supervision, on the workspace's device."""
    metric = SpatialCoherence.load(make_spatial_metric(workspace, seed, speech=speech))
    return metric.to(workspace.device).supervise()


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


def make_cross_modal_encoder(
    workspace: Workspace,
    modality: str,
    seed: int = 0,
    *,
    settings: CrossModalSettings | None = None,
    place: tuple[str, ...] = ("cross_modal",),
) -> Path:
    """Stage A: encoder of `audio`, `expression` or `image` learned alone, for `load_encoder`.

    A study has `settings` of its own, and a `place`: the folders above that of the modality.
    """
    refuse_sharing("the cross-modal metric, whose negatives are the whole batch,")
    using = settings or cross_modal_settings(workspace)
    corpus, pairs = make_corpus(workspace), make_pairs(workspace)
    signals = clip_signals(workspace, using.single_image_size)

    def learn(how: dict[str, Any]) -> _Learned:
        frames = frames_of_roles(signals, (modality,), pairs, corpus.roles, using)
        return train_single(modality, *frames, using, device=workspace.device, **how)

    return _learn_once(
        workspace,
        f"cross-modal {modality} alone",
        (*place, modality, "alone", f"seed{seed}"),
        _learned_from(corpus, using, seed) | {"modality": modality},
        _read_by_signals(workspace) | {"pairs": pairs.digest},
        (train_single, save_encoder, frames_of_roles, clip_signals, type(pairs)),
        learn,
        "encoder",
        lambda model, path, **how: save_encoder(model, using, path, **how),
    )


def make_cross_modal_metric(
    workspace: Workspace,
    visual: Visual,
    seed: int = 0,
    *,
    direct: bool = False,
    settings: CrossModalSettings | None = None,
    place: tuple[str, ...] = ("cross_modal",),
) -> Path:
    """Stage B: checkpoint of the metric of sound and `expression` or `image`.

    With `direct` sound and vision are also compared directly, which the paper does not;
    `settings` and `place` as in `make_cross_modal_encoder`.
    """
    encoders: dict[str, Path] = {
        name: make_cross_modal_encoder(workspace, name, seed, settings=settings, place=place)
        for name in ("audio", visual)
    }
    using = settings or cross_modal_settings(workspace, direct=direct)
    corpus, pairs = make_corpus(workspace), make_pairs(workspace)
    signals = clip_signals(workspace, using.image_size)

    def learn(how: dict[str, Any]) -> _Learned:
        model = initial_joint(using, visual, seed)
        for modality, encoder in (("audio", model.audio_encoder), (visual, model.visual_encoder)):
            alone, _ = load_encoder(encoders[modality], modality)
            load_weights(encoder, alone.state_dict(), encoders[modality])
        frames = frames_of_roles(signals, ("audio", visual), pairs, corpus.roles, using)
        return train_joint(model.to(workspace.device), *frames, **how)

    return _learn_once(
        workspace,
        f"cross-modal {visual}",
        (*place, visual, "direct" if direct else "joint", f"seed{seed}"),
        _learned_from(corpus, using, seed) | {"visual": visual},
        _read_by_signals(workspace)
        | {f"{name} encoder": file_digest(path) for name, path in encoders.items()}
        | {"pairs": pairs.digest},
        (initial_joint, load_encoder, train_joint, frames_of_roles, clip_signals, type(pairs)),
        learn,
        f"cross_modal_{visual}",
    )


def _read_by_signals(workspace: Workspace) -> dict[str, str]:
    """Digests of what `clip_signals` reads."""
    return {"corpus": make_corpus(workspace).digest, "faces": make_faces(workspace).digest}


def load_cross_modal_metric(
    workspace: Workspace, visual: Visual, seed: int = 0
) -> CrossModalCoherence:
    """The learned metric, frozen for supervision, on the workspace's device."""
    metric = CrossModalCoherence.load(make_cross_modal_metric(workspace, visual, seed))
    return metric.to(workspace.device).supervise()


def make_audio_banks(
    workspace: Workspace, visual: Visual = "expression", seed: int = 0
) -> dict[str, AudioBank]:
    """By actor, which windows of the `bank_clips` sound alike."""
    checkpoint = make_cross_modal_metric(workspace, visual, seed)
    signals = clip_signals(workspace, workspace.scale.cross_modal.image_size)
    window_frames = workspace.scale.manipulator.window_frames
    clips: dict[str, list[str]] = {}
    for clip in bank_clips(make_corpus(workspace)):
        clips.setdefault(clip.actor, []).append(clip.key)
    stage = open_stage(
        workspace.stage_folder("cross_modal", visual, "banks", f"seed{seed}"),
        "audio banks",
        settings={"window_frames": window_frames, "clips": clips},
        inputs=_read_by_signals(workspace) | {"metric": file_digest(checkpoint)},
        code=(make_bank, CrossModalCoherence, tabulate_frames, clip_signals),
    )
    model = CrossModalCoherence.load(checkpoint, device=workspace.device)
    banks = {}
    for actor, keys in clips.items():
        path = stage.folder / f"{actor}.npz"
        if not path.exists():
            offered = {key: signals(key, ("audio", model.visual)) for key in keys}
            table = tabulate_frames(offered, model.settings)
            make_bank(model, table, actor, window_frames, stage.digest).save(path)
        banks[actor] = AudioBank.load(path)
    if not stage.complete:
        stage.finish(windows=sum(len(bank.clip) for bank in banks.values()))
    return banks
