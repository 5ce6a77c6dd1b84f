"""What the result tables are made of: every edit of the protocol, by every method, scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.artifacts import Stage, open_stage
from spfem.corpus.clips import Clip
from spfem.corpus.video import read_video
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.evaluation.protocol import Edit
from spfem.evaluation.scores import (
    ClipScore,
    TrackedFace,
    load_score,
    sample_face,
    save_score,
    score_clip,
)
from spfem.processes import run_jobs
from spfem.stages import make_corpus, make_faces
from spfem.stages.counterparts import make_counterparts, read_truth
from spfem.stages.edits import MadeEdits, clips_by_key, make_edits, processes, protocol
from spfem.workspace import Workspace

SOURCES = (
    "results.py",
    "evaluation/emotion.py",
    "evaluation/identity.py",
    "evaluation/mouth.py",
    "evaluation/scores.py",
)


def emotion_classifier(workspace: Workspace) -> EmotionClassifier:
    """Names emotions from tracked codes; learned on the actors that are not edited."""
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    clips = [clip for clip in corpus.clips if corpus.roles[clip.actor] != "target"]
    features = [clip_features(faces[c.key].expression, faces[c.key].found) for c in clips]
    return fit_emotions(np.stack(features), [clip.emotion for clip in clips])


def open_score_stage(
    workspace: Workspace, name: str, settings: object, inputs: Mapping[str, str]
) -> Stage:
    """Stage folder of scores, below `scores/`."""
    return open_stage(
        workspace.stage_folder("scores", *name.split("/")),
        f"scores {name}",
        settings=settings,
        inputs={"faces": make_faces(workspace).digest, **inputs},
        sources=SOURCES,
    )


@dataclass(frozen=True)
class _ActorJob:
    """The edits of one actor by one method."""

    workspace: Workspace
    method: str
    seed: int
    edits: tuple[Edit, ...]
    made: MadeEdits | None
    classifier: EmotionClassifier
    folder: Path


def _shown(job: _ActorJob, edit: Edit, source: Clip) -> tuple[np.ndarray, TrackedFace]:
    """Frames and track of what a method shows for an edit."""
    if job.made is not None:
        return read_video(job.made.video(edit)).frames, job.made.track(edit)
    if job.method == "truth" and (truth := read_truth(job.workspace, source, edit.emotion)):
        return truth
    return read_video(source.video).frames, make_faces(job.workspace)[source.key]


def _score_actor(job: _ActorJob) -> None:
    """Score and save the edits of one actor."""
    workspace = job.workspace
    faces, clips = make_faces(workspace), clips_by_key(workspace)
    samples = {
        key: sample_face(
            read_video(clips[key].video).frames,
            faces[key],
            actor=clips[key].actor,
            emotion=clips[key].emotion,
            identity_frames=workspace.scale.evaluation.identity_frames,
        )
        for key in {edit.source for edit in job.edits}
    }
    for edit in job.edits:
        source = clips[edit.source]
        frames, track = _shown(job, edit, source)
        truth = read_truth(workspace, source, edit.emotion)
        score = score_clip(
            edit,
            job.method,
            frames,
            track,
            source=samples[edit.source],
            truth=None if truth is None else truth[1],
            classifier=job.classifier,
            seed=job.seed,
        )
        save_score(job.folder / f"{edit.name}.npz", score)


def score_method(workspace: Workspace, method: str, seed: int = 0) -> list[ClipScore]:
    """Scores of one method on every edit.

    Args:
        workspace: where.
        method: `copy` (output = input), `truth` (the true counterpart) or a trained method.
        seed: of the training; `copy` and `truth` have one seed only.
    """
    edits = protocol(workspace)
    made = None if method in ("copy", "truth") else make_edits(workspace, method, seed)
    inputs = {"counterparts": make_counterparts(workspace).digest}
    if made is not None:
        inputs["edits"] = made.digest
    settings = {"identity_frames": workspace.scale.evaluation.identity_frames}
    stage = open_score_stage(workspace, f"{method}/seed{seed}", settings, inputs)
    paths = {edit: stage.folder / f"{edit.name}.npz" for edit in edits}
    missing = [edit for edit, path in paths.items() if not path.exists()]
    if missing:
        classifier = emotion_classifier(workspace)
        jobs = [
            _ActorJob(workspace, method, seed, part, made, classifier, stage.folder)
            for actor in sorted({edit.actor for edit in edits})
            if (part := tuple(edit for edit in missing if edit.actor == actor))
        ]
        done = run_jobs(_score_actor, jobs, processes(workspace))
        for _ in tqdm(done, total=len(jobs), desc=f"scores {method}"):
            pass
    if not stage.complete:
        stage.finish(edits=len(edits))
    return [load_score(path) for path in paths.values()]
