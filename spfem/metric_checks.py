"""Do the evaluation metrics notice what they must: planted degradations of the true edits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from spfem.artifacts import file_digest, writing
from spfem.corpus.protocol import Edit
from spfem.errors import CorpusError
from spfem.evaluation.degradations import PlantedClip, degradation_table, score_degradations
from spfem.evaluation.random_clips import frames_to_length
from spfem.evaluation.score_files import load_score, save_score
from spfem.evaluation.scores import sample_face
from spfem.evaluation.shown import ShownClip, Sound
from spfem.face.track_file import FaceTrack
from spfem.media.video import read_video
from spfem.processes import run_jobs
from spfem.real_samples import real_samples
from spfem.results import load_identity, load_instruments, open_score_stage, read_clip
from spfem.settings import EMOTIONS
from spfem.stages import make_corpus, make_faces
from spfem.stages.counterparts import make_counterparts, read_truth
from spfem.stages.edits import clips_by_key, processes, protocol
from spfem.stages.lip_sync import lip_sync_file
from spfem.workspace import Workspace

DEGRADED_EMOTIONS = EMOTIONS[1::2]
TABLE_NAME = "degradations.csv"


@dataclass(frozen=True)
class _ActorJob:
    """The true edits of one actor that are degraded."""

    workspace: Workspace
    edits: tuple[Edit, ...]
    folder: Path


def measure_degradations(workspace: Workspace) -> pd.DataFrame:
    """The table of `degradation_table` on the true counterparts of some edits.

    Raises:
        CorpusError: if the corpus has no true counterparts.
    """
    known = make_counterparts(workspace).known
    edits = tuple(
        edit
        for edit in protocol(workspace)
        if edit.setting == "intra"
        and edit.emotion in DEGRADED_EMOTIONS
        and (edit.source, edit.emotion) in known
    )
    if not edits:
        raise CorpusError(
            "degradations are planted on true counterparts, which this corpus does not have; use "
            "the embedded corpus"
        )
    settings = workspace.scale.evaluation
    stage = open_score_stage(
        workspace,
        "degradations",
        settings,
        {
            "lip_sync": file_digest(lip_sync_file(workspace)),
            "counterparts": make_counterparts(workspace).digest,
        },
        (measure_degradations,),
    )
    path = stage.folder / TABLE_NAME
    if not stage.complete:
        actors = sorted({edit.actor for edit in edits})
        jobs = [
            _ActorJob(workspace, tuple(e for e in edits if e.actor == actor), stage.folder)
            for actor in actors
        ]
        done = run_jobs(_degrade_actor, jobs, processes(workspace))
        for _ in tqdm(done, total=len(jobs), desc="degradations"):
            pass
        scores = [
            {file.stem: load_score(file) for file in sorted((stage.folder / edit.name).iterdir())}
            for edit in edits
        ]
        table = degradation_table(
            scores,
            real_samples(workspace),
            resamples=settings.resamples,
            confidence=settings.confidence,
        )
        with writing(path) as aside:
            table.to_csv(aside, index=False)
        stage.finish(clips=len(edits))
    return pd.read_csv(path)


def _degrade_actor(job: _ActorJob) -> None:
    instruments = load_instruments(job.workspace)
    for edit in job.edits:
        planted = plant(job.workspace, edit)
        for name, score in score_degradations(planted, instruments).items():
            save_score(job.folder / edit.name / f"{name}.npz", score)


def plant(workspace: Workspace, edit: Edit) -> PlantedClip:
    """Read what an edit's truth is degraded with.

    Raises:
        CorpusError: if the edit has no true counterpart or its source no sound.
    """
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    clip = clips_by_key(workspace)[edit.source]
    true, video = read_truth(workspace, clip, edit.emotion), read_video(clip.video)
    if true is None or video.audio is None:
        raise CorpusError(f"{edit.source} lacks a true counterpart or sound")
    frames, track = true
    source = read_clip(workspace, clip)
    others = corpus.select(role="train", emotion=edit.emotion)
    other = others[len(edit.name + edit.actor) % len(others)]
    index = frames_to_length(len(faces[other.key]), len(frames))
    return PlantedClip(
        edit,
        ShownClip(frames, track),
        source,
        sample_face(
            source,
            actor=clip.actor,
            emotion=clip.emotion,
            identity_frames=workspace.scale.evaluation.identity_frames,
            network=load_identity(workspace),
        ),
        Sound(video.audio, video.fps),
        _at(frames, track, np.zeros(len(frames), int)),
        _at(read_video(other.video).frames, faces[other.key], index),
    )


def _at(frames: np.ndarray, track: FaceTrack, index: np.ndarray) -> ShownClip:
    return ShownClip(frames[index], track.take_frames(index))
