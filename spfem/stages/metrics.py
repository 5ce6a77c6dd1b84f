"""The correlation metrics of a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from spfem.correlation import SpatialCoherence
from spfem.correlation.crossmodal.bank import AudioBank
from spfem.correlation.crossmodal.bank_stage import measure_banks
from spfem.correlation.crossmodal.learn import Signals, learn_joint, learn_single
from spfem.correlation.crossmodal.model import CrossModalCoherence, Visual
from spfem.correlation.crossmodal.samples import ClipSignals, shrink_faces
from spfem.correlation.learn import learn_spatial
from spfem.correlation.learn_temporal import learn_temporal
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.temporal_training import TEMPORAL_METRICS, formulated, metric_class
from spfem.errors import SettingsError
from spfem.media.audio import read_audio
from spfem.settings import CrossModalSettings
from spfem.stages.data import make_corpus, make_faces, make_pairs, manipulator_clips
from spfem.stages.progress import show_progress
from spfem.workspace import Workspace

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
