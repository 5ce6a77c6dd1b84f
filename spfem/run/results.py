"""Scores of the edits of every method, and what they are measured with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import Edit
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.evaluation.identity import DlibIdentity, IdentityNetwork, load_arcface
from spfem.evaluation.lip_sync import load_lip_sync, load_released_lip_sync, save_lip_sync
from spfem.evaluation.lip_sync_meter import (
    LearnedLipSync,
    LipSyncMeter,
    SpokenClip,
    check_lip_sync,
    learn_network,
    spoken_clip,
)
from spfem.evaluation.scores import (
    ClipScore,
    EditedCodes,
    FaceSample,
    Instruments,
    ShownClip,
    Sound,
    frames_to_length,
    load_sample,
    load_score,
    random_clip,
    sample_face,
    save_sample,
    save_score,
    score_clip,
    score_codes,
)
from spfem.face.track import FaceTrack
from spfem.files import file_digest, writing
from spfem.media.video import read_video
from spfem.methods import METHODS as TRAINED
from spfem.run.artifacts import Stage, open_stage
from spfem.run.data import make_corpus, make_faces, make_persons
from spfem.run.deciding_code import MadeBy
from spfem.run.edits import (
    HABIT,
    MOVED,
    MadeEdits,
    clips_by_key,
    edited_codes,
    listed,
    make_counterparts,
    make_edits,
    protocol,
    read_truth,
    shown_edits,
    true_codes,
)
from spfem.run.faces import track_path
from spfem.run.workspace import Workspace, work_off
from spfem.training import show_progress

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
    path = stage.folder / "lip_sync.safetensors"
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
        with writing(stage.folder / "check.csv") as aside:
            table.to_csv(aside, index=False)
        save_lip_sync(path, network)
        stage.finish(loss=curve[-1]["loss"] if curve else 0.0)
    return path


def lip_sync_check(workspace: Workspace) -> pd.DataFrame:
    """The table of `check_lip_sync` for the learned network."""
    return pd.read_csv(make_lip_sync(workspace).with_name("check.csv"))


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


def score_name(base: str, method: str, seed: int) -> str:
    """Of the stage that holds the scores of a run, below `scores/`."""
    return f"{base}/{method}/seed{seed}"


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


def read_clip(workspace: Workspace, clip: Clip) -> ShownClip:
    """Frames and track of a clip of the corpus."""
    return ShownClip(read_video(clip.video).frames, make_faces(workspace)[clip.key])


def sample_source(
    workspace: Workspace, clip: Clip, network: IdentityNetwork
) -> tuple[ShownClip, FaceSample]:
    """The source of an edit, and what scores need of it."""
    shown = read_clip(workspace, clip)
    sample = sample_face(
        shown,
        actor=clip.actor,
        emotion=clip.emotion,
        identity_frames=workspace.scale.evaluation.identity_frames,
        network=network,
    )
    return shown, sample


@dataclass(frozen=True)
class _ActorJob:
    """The edits of one actor by one method, and which of them are shown; `made` of those made."""

    workspace: Workspace
    method: str
    seed: int
    edits: tuple[Edit, ...]
    shown: frozenset[Edit]
    made: MadeEdits | None
    classifier: EmotionClassifier
    folder: Path


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
    behind = {edit: persons[edit.source].expression for edit in true}
    if job.made is not None:
        behind = edited_codes(workspace, job.method, job.seed, list(true))
    return {
        edit: EditedCodes(persons[edit.source].identity, behind[edit], codes)
        for edit, codes in true.items()
    }


def _score_actor(job: _ActorJob) -> None:
    """Score and save the edits of one actor."""
    workspace, clips = job.workspace, clips_by_key(job.workspace)
    instruments = Instruments(
        job.classifier, load_identity(workspace), load_lip_sync_meter(workspace)
    )
    codes = _codes(job)

    def save(edit: Edit, score: ClipScore) -> None:
        save_score(_score_file(job.folder, edit), score)

    for edit in (edit for edit in job.edits if edit not in job.shown):
        known = codes.get(edit)
        save(edit, score_codes(edit, job.method, known, instruments=instruments, seed=job.seed))
    shown = [edit for edit in job.edits if edit in job.shown]
    for key in sorted({edit.source for edit in shown}):
        clip, video = clips[key], read_video(clips[key].video)
        source, sample = sample_source(workspace, clip, instruments.identity)
        for edit in (edit for edit in shown if edit.source == key):
            found = read_truth(workspace, clip, edit.emotion)
            truth = None if found is None else ShownClip(*found)
            score = score_clip(
                edit,
                job.method,
                _shown(job, edit, source, truth),
                source=sample,
                truth=truth,
                instruments=instruments,
                unedited=source,
                sound=None if video.audio is None else Sound(video.audio, video.fps),
                codes=codes.get(edit),
                seed=job.seed,
            )
            save(edit, score)


def _score_file(folder: Path, edit: Edit) -> Path:
    return folder / f"{edit.name}.npz"


def score_method(workspace: Workspace, base: str, method: str, seed: int = 0) -> list[ClipScore]:
    """Scores of one method on every edit of a base.

    Codes are scored for all edits, pictures for the `shown_edits` of the seed.

    Args:
        workspace: where.
        base: one of `BASES`.
        method: `copy` (output = input), `random` (a clip of other words), `habit` (the actor's mean
            difference), `truth` (the true counterpart) or a trained method.
        seed: of the training; what is not trained has one seed only.
    """
    made = None
    if method in (*TRAINED, HABIT):
        made = make_edits(workspace, base, method, seed)
    elif base != MOVED:  # they show clips of the corpus, whatever the base
        edits = set(protocol(workspace, base))
        scores = score_method(workspace, MOVED, method, seed)
        return [replace(score, base=base) for score in scores if score.edit in edits]
    every, settings = protocol(workspace, base), workspace.scale.evaluation
    shown = shown_edits(workspace, base, method, seed)
    inputs = {
        "counterparts": make_counterparts(workspace).digest,
        "persons": make_persons(workspace).digest,
        "lip_sync": file_digest(lip_sync_file(workspace)),
    }
    if settings.arcface_file is not None:
        inputs["arcface"] = file_digest(Path(settings.arcface_file))
    if made is not None:
        inputs["edits"] = made.digest
    search = workspace.scale.lip_sync
    stage = open_score_stage(
        workspace,
        score_name(base, method, seed),
        {
            "identity_frames": settings.identity_frames,
            "search": [search.search_frames, search.shared_windows],
            "edits": listed(every),
            "shown": sorted(edit.name for edit in shown),
        },
        inputs,
        (_score_actor, emotion_classifier),
    )
    missing = [edit for edit in every if not _score_file(stage.folder, edit).exists()]
    if missing:
        known, chosen = emotion_classifier(workspace), frozenset(shown)
        jobs = [
            _ActorJob(workspace, method, seed, part, chosen, made, known, stage.folder)
            for actor in sorted({edit.actor for edit in every})
            if (part := tuple(edit for edit in missing if edit.actor == actor))
        ]
        work_off(workspace, _score_actor, jobs, f"scores {base} {method} seed {seed}")
    if not stage.complete:
        stage.finish(edits=len(every))
    scores = [load_score(_score_file(stage.folder, edit)) for edit in every]
    return [replace(score, base=base) for score in scores]


def real_samples(workspace: Workspace) -> list[FaceSample]:
    """Descriptors of the target actors' own clips in every emotion: the real set of the FAD."""
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    count = workspace.scale.evaluation.identity_frames
    arcface = workspace.scale.evaluation.arcface_file
    inputs = {} if arcface is None else {"arcface": file_digest(Path(arcface))}
    stage = open_score_stage(workspace, "real", {"frames": count}, inputs, (_sample_clip,))
    files = {
        clip: stage.folder / f"{clip.key.replace('/', '-')}.npz"
        for clip in corpus.select(role="target")
    }
    jobs = [
        (clip, track_path(faces.folder, clip.key), path, count, arcface)
        for clip, path in files.items()
        if not path.exists()
    ]
    work_off(workspace, _sample_clip, jobs, "real samples")
    if not stage.complete:
        stage.finish(clips=len(files))
    return [load_sample(path) for path in files.values()]


def _sample_clip(job: tuple[Clip, Path, Path, int, str | None]) -> None:
    clip, track, path, identity_frames, arcface = job
    sample = sample_face(
        ShownClip(read_video(clip.video).frames, FaceTrack.load(track)),
        actor=clip.actor,
        emotion=clip.emotion,
        identity_frames=identity_frames,
        network=DlibIdentity() if arcface is None else load_arcface(arcface),
    )
    save_sample(path, sample)
