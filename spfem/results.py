"""What the result tables are made of: every edit of the protocol, by every method, scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.artifacts import Stage, file_digest, open_stage
from spfem.chain import ConditionSource, Wish, edit_expression, put_back
from spfem.corpus.clips import Clip
from spfem.corpus.video import read_video, write_video
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.evaluation.protocol import Edit, edit_protocol
from spfem.evaluation.scores import (
    ClipScore,
    load_score,
    sample_face,
    save_score,
    score_clip,
)
from spfem.face.conditions import ConditionPainter
from spfem.face.track import track_clip
from spfem.face.track_file import FaceTrack
from spfem.head import load_head_model
from spfem.manipulator import load_manipulator
from spfem.processes import run_jobs
from spfem.renderer.render import render_clips
from spfem.stages import (
    ANCHORED,
    make_actor_renderer,
    make_corpus,
    make_faces,
    make_manipulator,
    make_persons,
    person_texture,
)
from spfem.workspace import Workspace

COUNTERPARTS = "counterparts"
SOURCES = (
    "chain.py",
    "checkpoints.py",
    "results.py",
    "evaluation",
    "face",
    "manipulator",
    "renderer",
)


def clips_by_key(workspace: Workspace) -> dict[str, Clip]:
    """All clips of the corpus by key."""
    return {clip.key: clip for clip in make_corpus(workspace).clips}


def emotion_classifier(workspace: Workspace) -> EmotionClassifier:
    """Names emotions from tracked codes; learned on the actors that are not edited."""
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    clips = [clip for clip in corpus.clips if corpus.roles[clip.actor] != "target"]
    features = [clip_features(faces[c.key].expression, faces[c.key].found) for c in clips]
    return fit_emotions(np.stack(features), [clip.emotion for clip in clips])


def protocol(workspace: Workspace) -> tuple[Edit, ...]:
    """Every edit of the main results."""
    return edit_protocol(
        make_corpus(workspace), sources_per_actor=workspace.scale.evaluation.sources_per_actor
    )


def open_edit_stage(workspace: Workspace, name: str, settings: object, **inputs: str) -> Stage:
    """Stage folder of what the results are made of, below `edits/`."""
    return open_stage(
        workspace.stage_folder("edits", *name.split("/")),
        f"edits {name}",
        settings=settings,
        inputs={"faces": make_faces(workspace).digest, **inputs},
        sources=SOURCES,
    )


def read_truth(workspace: Workspace, source: Clip, emotion: str) -> tuple[np.ndarray, FaceTrack]:
    """Frames and track of the true counterpart of a clip; of the clip itself if neutral."""
    if emotion == source.emotion:
        return read_video(source.video).frames, make_faces(workspace)[source.key]
    stage = open_edit_stage(workspace, COUNTERPARTS, workspace.scale.face)
    video = source.counterpart(emotion)[0]
    path = stage.folder / f"{source.key.replace('/', '-')}-as-{emotion}.npz"
    if not path.exists():
        track_clip(video, workspace.scale.face).save(path)
    return read_video(video).frames, FaceTrack.load(path)


def edited_frames(
    workspace: Workspace, method: str, seed: int, edits: list[Edit]
) -> dict[Edit, np.ndarray]:
    """Frames (T, H, W, 3) of a trained method's edits of one actor."""
    faces, clips = make_persons(workspace), clips_by_key(workspace)
    manipulator = load_manipulator(make_manipulator(workspace, method, seed))
    renderer = make_actor_renderer(workspace, edits[0].actor, method, seed).renderer
    settings = renderer.settings
    painter = ConditionPainter(load_head_model(), settings.image_size)
    texture = person_texture(workspace, painter, edits[0].actor)
    conditions = []
    for edit in edits:
        track = faces[edit.source]
        wish = Wish(references=(faces[edit.reference].expression,))
        moved = edit_expression(manipulator, track.expression, wish, anchored=ANCHORED, seed=seed)
        source = ConditionSource(painter, track, texture)
        conditions.append(source.conditions(moved))
    pictures = render_clips(renderer.generator, conditions, device=workspace.device)
    videos = {key: read_video(clips[key].video).frames for key in {e.source for e in edits}}
    return {
        edit: put_back(videos[edit.source], faces[edit.source], made, drawn[..., -1])
        for edit, made, drawn in zip(edits, pictures, conditions, strict=True)
    }


@dataclass(frozen=True)
class _ActorJob:
    """The edits of one actor by one method."""

    workspace: Workspace
    method: str
    seed: int
    edits: tuple[Edit, ...]
    classifier: EmotionClassifier
    folder: Path


def _score_actor(job: _ActorJob) -> None:
    """Make, score and save the edits of one actor."""
    workspace, method = job.workspace, job.method
    faces, clips = make_faces(workspace), clips_by_key(workspace)
    made = (
        edited_frames(workspace, method, job.seed, list(job.edits))
        if method not in ("copy", "truth")
        else {}
    )
    sources = {
        key: sample_face(
            read_video(clips[key].video).frames,
            faces[key],
            actor=clips[key].actor,
            emotion="neutral",
            identity_frames=workspace.scale.evaluation.identity_frames,
        )
        for key in {edit.source for edit in job.edits}
    }
    for edit in job.edits:
        source, path = clips[edit.source], job.folder / f"{edit.name}.npz"
        truth_frames, truth = read_truth(workspace, source, edit.emotion)
        if method == "truth":
            frames, track = truth_frames, truth
        elif method == "copy":
            frames, track = read_video(source.video).frames, faces[edit.source]
        else:
            frames, video = made[edit], path.with_suffix(".mp4")
            write_video(video, frames, make_corpus(workspace).fps, audio_from=source.video)
            track = track_clip(frames, workspace.scale.face)
        score = score_clip(
            edit,
            method,
            frames,
            track,
            source=sources[edit.source],
            truth=truth,
            classifier=job.classifier,
            seed=job.seed,
        )
        save_score(path, score)


def score_method(workspace: Workspace, method: str, seed: int = 0) -> list[ClipScore]:
    """Scores of one method on every edit; videos of the results lie beside them.

    Args:
        workspace: where.
        method: `copy` (output = input), `truth` (the true counterpart) or a trained method.
        seed: of the training; `copy` and `truth` have one seed only.
    """
    edits = protocol(workspace)
    actors = sorted({edit.actor for edit in edits})
    inputs = {}
    if method not in ("copy", "truth"):
        inputs["manipulator"] = file_digest(make_manipulator(workspace, method, seed))
        for actor in actors:
            inputs[actor] = make_actor_renderer(workspace, actor, method, seed).digest
    stage = open_edit_stage(workspace, f"{method}/seed{seed}", workspace.scale.evaluation, **inputs)
    paths = {edit: stage.folder / f"{edit.name}.npz" for edit in edits}
    missing = [edit for edit, path in paths.items() if not path.exists()]
    if missing:
        open_edit_stage(
            workspace, COUNTERPARTS, workspace.scale.face
        )  # once, before processes share it
        classifier = emotion_classifier(workspace)
        jobs = [
            _ActorJob(
                workspace,
                method,
                seed,
                tuple(edit for edit in missing if edit.actor == actor),
                classifier,
                stage.folder,
            )
            for actor in actors
        ]
        jobs = [job for job in jobs if job.edits]
        done = run_jobs(_score_actor, jobs, processes(workspace))
        for _ in tqdm(done, total=len(jobs), desc=f"edits {method}"):
            pass
    if not stage.complete:
        stage.finish(edits=len(edits))
    return [load_score(path) for path in paths.values()]


def processes(workspace: Workspace) -> int:
    """As many as the face stage uses; one on a GPU, which processes would only fight for."""
    return workspace.scale.face.processes if workspace.device == "cpu" else 1


def result_video(workspace: Workspace, method: str, seed: int, edit: Edit) -> Path:
    """Where `score_method` keeps the video of an edit."""
    return workspace.stage_folder("edits", method, f"seed{seed}") / f"{edit.name}.mp4"
