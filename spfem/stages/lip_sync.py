"""The lip-sync network of a workspace, learned on the actors that teach the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from spfem.artifacts import writing
from spfem.corpus.clips import Clip
from spfem.evaluation.lip_sync.check import check_lip_sync
from spfem.evaluation.lip_sync.checkpoint import load_lip_sync, save_lip_sync
from spfem.evaluation.lip_sync.measure import LearnedLipSync, LipSyncMeter, spoken_clip
from spfem.evaluation.lip_sync.released import load_released_lip_sync
from spfem.evaluation.lip_sync.training import SpokenClip, learn_network
from spfem.media.video import read_video
from spfem.opened_stages import open_stage
from spfem.stages.data import make_corpus, make_faces
from spfem.stages.progress import show_progress
from spfem.workspace import Workspace

CHECKPOINT_NAME = "lip_sync.safetensors"
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
    path = stage.folder / CHECKPOINT_NAME
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
