"""What the result tables are made of: every edit of the protocol, by every method, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.artifact_code import MadeBy
from spfem.artifacts import file_digest
from spfem.corpus.clips import Clip
from spfem.corpus.protocol import Edit
from spfem.evaluation.arcface import load_arcface
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.evaluation.identity import DlibIdentity, IdentityNetwork
from spfem.evaluation.random_clips import frames_to_length, random_clip
from spfem.evaluation.score_files import load_score, save_score
from spfem.evaluation.scores import (
    METHODS,
    ClipScore,
    Instruments,
    sample_face,
    score_clip,
)
from spfem.evaluation.shown import EditedCodes, ShownClip, Sound
from spfem.media.video import read_video
from spfem.methods import METHODS as TRAINED
from spfem.opened_stages import Stage, open_stage
from spfem.processes import run_jobs
from spfem.stages import make_corpus, make_faces, make_persons
from spfem.stages.counterparts import make_counterparts, read_truth, true_codes
from spfem.stages.edits import (
    MadeEdits,
    clips_by_key,
    edited_codes,
    make_edits,
    processes,
    protocol,
)
from spfem.stages.lip_sync import lip_sync_file, load_lip_sync_meter
from spfem.workspace import Workspace


def emotion_classifier(workspace: Workspace) -> EmotionClassifier:
    """Names emotions from tracked codes; learned on the actors that are not edited."""
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    clips = [clip for clip in corpus.clips if corpus.roles[clip.actor] != "target"]
    features = [clip_features(faces[c.key].expression, faces[c.key].found) for c in clips]
    return fit_emotions(np.stack(features), [clip.emotion for clip in clips])


def load_identity(workspace: Workspace) -> IdentityNetwork:
    """The user's ArcFace network where the settings name one, else dlib's."""
    path = workspace.scale.evaluation.arcface_file
    return DlibIdentity() if path is None else load_arcface(path)


def load_instruments(workspace: Workspace) -> Instruments:
    """What the results are measured with."""
    return Instruments(
        emotion_classifier(workspace), load_identity(workspace), load_lip_sync_meter(workspace)
    )


def calibrating_methods(workspace: Workspace) -> tuple[str, ...]:
    """Rows that calibrate the tables: `copy`, `random` and, where the corpus has it, `truth`."""
    known = bool(make_counterparts(workspace).known)
    return tuple(name for name in METHODS if name not in TRAINED and (known or name != "truth"))


def open_score_stage(
    workspace: Workspace,
    name: str,
    settings: object,
    inputs: Mapping[str, str],
    code: Sequence[MadeBy],
) -> Stage:
    """Stage folder of scores, below `scores/`; `code` measures them, see `open_stage`."""
    return open_stage(
        workspace.stage_folder("scores", *name.split("/")),
        f"scores {name}",
        settings=settings,
        inputs={"faces": make_faces(workspace).digest, **inputs},
        code=code,
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


def read_clip(workspace: Workspace, clip: Clip) -> ShownClip:
    """Frames and track of a clip of the corpus."""
    return ShownClip(read_video(clip.video).frames, make_faces(workspace)[clip.key])


def _read_true(workspace: Workspace, source: Clip, emotion: str) -> ShownClip | None:
    truth = read_truth(workspace, source, emotion)
    return None if truth is None else ShownClip(*truth)


def _shown(job: _ActorJob, edit: Edit, source: ShownClip, truth: ShownClip | None) -> ShownClip:
    """Frames and track of what a method shows for an edit."""
    if job.made is not None:
        return ShownClip(read_video(job.made.video(edit)).frames, job.made.track(edit))
    if job.method == "random":
        corpus, faces = make_corpus(job.workspace), make_faces(job.workspace)
        clip = random_clip(corpus, edit)
        index = frames_to_length(len(faces[clip.key]), len(source.frames))
        shown = read_clip(job.workspace, clip)
        return ShownClip(shown.frames[index], faces[clip.key].take_frames(index))
    return truth if job.method == "truth" and truth is not None else source


def _codes(job: _ActorJob) -> dict[Edit, EditedCodes]:
    """The codes behind each edit beside the true ones, where both are known.

    `truth` is a video of the corpus, and `random` shows another person: no codes of this edit.
    """
    workspace = job.workspace
    clips, persons = clips_by_key(workspace), make_persons(workspace)
    known = {e: true_codes(workspace, clips[e.source], e.emotion) for e in job.edits}
    true = {edit: codes for edit, codes in known.items() if codes is not None}
    if not true or job.method in ("truth", "random"):
        return {}
    shown = {edit: persons[edit.source].expression for edit in true}
    if job.made is not None:
        shown = edited_codes(workspace, job.method, job.seed, list(true))
    return {
        edit: EditedCodes(persons[edit.source].identity, shown[edit], codes)
        for edit, codes in true.items()
    }


def _score_actor(job: _ActorJob) -> None:
    """Score and save the edits of one actor."""
    workspace, clips = job.workspace, clips_by_key(job.workspace)
    instruments = Instruments(
        job.classifier, load_identity(workspace), load_lip_sync_meter(workspace)
    )
    codes = _codes(job)
    for key in sorted({edit.source for edit in job.edits}):
        clip, video = clips[key], read_video(clips[key].video)
        source = read_clip(workspace, clip)
        sample = sample_face(
            source,
            actor=clip.actor,
            emotion=clip.emotion,
            identity_frames=workspace.scale.evaluation.identity_frames,
            network=instruments.identity,
        )
        for edit in (edit for edit in job.edits if edit.source == key):
            truth = _read_true(workspace, clip, edit.emotion)
            score = score_clip(
                edit,
                job.method,
                _shown(job, edit, source, truth),
                source=sample,
                truth=truth,
                instruments=instruments,
                sound=None if video.audio is None else Sound(video.audio, video.fps),
                codes=codes.get(edit),
                seed=job.seed,
            )
            save_score(job.folder / f"{edit.name}.npz", score)


def score_method(workspace: Workspace, method: str, seed: int = 0) -> list[ClipScore]:
    """Scores of one method on every edit.

    Args:
        workspace: where.
        method: `copy` (output = input), `random` (a clip of other words), `truth` (the true
            counterpart) or a trained method.
        seed: of the training; what is not trained has one seed only.
    """
    edits, settings = protocol(workspace), workspace.scale.evaluation
    made = make_edits(workspace, method, seed) if method in TRAINED else None
    inputs = {
        "counterparts": make_counterparts(workspace).digest,
        "persons": make_persons(workspace).digest,
    }
    inputs["lip_sync"] = file_digest(lip_sync_file(workspace))
    if settings.arcface_file is not None:
        inputs["arcface"] = file_digest(Path(settings.arcface_file))
    if made is not None:
        inputs["edits"] = made.digest
    search = workspace.scale.lip_sync
    stage = open_score_stage(
        workspace,
        f"{method}/seed{seed}",
        {
            "identity_frames": settings.identity_frames,
            "search": [search.search_frames, search.shared_windows],
            "edits": {edit.name: [edit.source, edit.reference] for edit in edits},
        },
        inputs,
        (_score_actor, emotion_classifier),
    )
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
