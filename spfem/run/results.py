"""What the result tables are made of: every edit of the protocol, by every method, scored.

The edits of the protocol: videos that a method makes, each tracked as a viewer would see it.

Scores are another stage (`spfem.run.results`), so that a new metric renders nothing again.

True counterparts of edits: the source filmed in another emotion (embedded corpus only).

The real set of the Fréchet distances: the target actors' own clips, described.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import Edit, edit_protocol
from spfem.edit.chain import ConditionSource, Wish, edit_expression, put_back
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.evaluation.identity import DlibIdentity, IdentityNetwork, load_arcface
from spfem.evaluation.scores import (
    METHODS,
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
)
from spfem.face.conditions import ConditionPainter
from spfem.face.track import EditTrack, FaceTrack, track_clip
from spfem.files import file_digest
from spfem.head.model import load_head_model
from spfem.manipulator.networks import load_manipulator
from spfem.media.video import read_video, write_video
from spfem.methods import METHODS as TRAINED
from spfem.processes import run_jobs
from spfem.renderer.render import render_clips
from spfem.run.artifacts import Stage, open_stage
from spfem.run.data import make_corpus, make_faces, make_persons
from spfem.run.deciding_code import MadeBy
from spfem.run.faces import track_path
from spfem.run.learned import lip_sync_file, load_lip_sync_meter, make_manipulator
from spfem.run.renderers import ANCHORED, make_actor_renderer, person_texture
from spfem.run.workspace import Workspace
from spfem.settings import FaceSettings


def clips_by_key(workspace: Workspace) -> dict[str, Clip]:
    """All clips of the corpus by key."""
    return {clip.key: clip for clip in make_corpus(workspace).clips}


def protocol(workspace: Workspace) -> tuple[Edit, ...]:
    """Every edit of the main results."""
    return edit_protocol(
        make_corpus(workspace), sources_per_actor=workspace.scale.evaluation.sources_per_actor
    )


def processes(workspace: Workspace) -> int:
    """As many as the face stage uses; one on a GPU, which processes would only fight for."""
    return workspace.scale.face.processes if workspace.device == "cpu" else 1


@dataclass(frozen=True)
class MadeEdits:
    """Videos and tracks of one method's edits.

    Attributes:
        folder: of the stage.
        digest: of the stage.
    """

    folder: Path
    digest: str

    def video(self, edit: Edit) -> Path:
        """The mp4 of an edit, with the source's sound."""
        return self.folder / f"{edit.name}.mp4"

    def track_file(self, edit: Edit) -> Path:
        """The file of an edit's track."""
        return self.folder / f"{edit.name}-track.npz"

    def track(self, edit: Edit) -> EditTrack:
        """The track of the mp4."""
        return EditTrack.load(self.track_file(edit))


def make_edits(workspace: Workspace, method: str, seed: int = 0) -> MadeEdits:
    """Every edit of the protocol by a trained method.

    Args:
        workspace: where.
        method: name of a trained method.
        seed: of the training.
    """
    edits = protocol(workspace)
    actors = sorted({edit.actor for edit in edits})
    inputs = {
        "faces": make_faces(workspace).digest,
        "manipulator": file_digest(make_manipulator(workspace, method, seed)),
    }
    for actor in actors:
        inputs[actor] = make_actor_renderer(workspace, actor, method, seed).digest
    listing = {edit.name: [edit.source, edit.reference] for edit in edits}
    face = replace(workspace.scale.face, processes=1)  # their number changes nothing
    stage = open_stage(
        workspace.stage_folder("edits", method, f"seed{seed}"),
        f"edits {method}/seed{seed}",
        settings={"face": face, "edits": listing},
        inputs=inputs,
        code=(_edit_actor,),
    )
    made = MadeEdits(stage.folder, stage.digest)
    missing = [edit for edit in edits if not made.track_file(edit).exists()]
    jobs = [
        _EditsActorJob(workspace, method, seed, part, made)
        for actor in actors
        if (part := tuple(edit for edit in missing if edit.actor == actor))
    ]
    done = run_jobs(_edit_actor, jobs, processes(workspace))
    for _ in tqdm(done, total=len(jobs), desc=f"edits {method}", disable=not jobs):
        pass
    if not stage.complete:
        stage.finish(edits=len(edits))
    return made


@dataclass(frozen=True)
class _EditsActorJob:
    """The edits of one actor by one method."""

    workspace: Workspace
    method: str
    seed: int
    edits: tuple[Edit, ...]
    made: MadeEdits


def _edit_actor(job: _EditsActorJob) -> None:
    """Make the videos that are not there, and track the written files."""
    workspace, made = job.workspace, job.made
    clips, fps = clips_by_key(workspace), make_corpus(workspace).fps
    missing = [edit for edit in job.edits if not made.video(edit).exists()]
    if missing:
        for edit, frames in edited_frames(workspace, job.method, job.seed, missing).items():
            sound = clips[edit.source].video
            write_video(made.video(edit), frames, fps, audio_from=sound)
    for edit in job.edits:
        track = track_clip(made.video(edit), workspace.scale.face)
        EditTrack.of(track).save(made.track_file(edit))


def edited_frames(
    workspace: Workspace, method: str, seed: int, edits: Sequence[Edit]
) -> dict[Edit, np.ndarray]:
    """Frames (T, H, W, 3) of a trained method's edits of one actor."""
    codes = edited_codes(workspace, method, seed, edits)
    return rendered_frames(workspace, method, seed, codes)


def edited_codes(
    workspace: Workspace, method: str, seed: int, edits: Sequence[Edit]
) -> dict[Edit, np.ndarray]:
    """Codes (T, E) of a trained method's edits."""
    faces = make_persons(workspace)
    manipulator = load_manipulator(make_manipulator(workspace, method, seed))
    codes = {}
    for edit in edits:
        wish = Wish(references=(faces[edit.reference].expression,))
        source = faces[edit.source].expression
        codes[edit] = edit_expression(manipulator, source, wish, anchored=ANCHORED, seed=seed)
    return codes


def rendered_frames(
    workspace: Workspace, method: str, seed: int, codes: Mapping[Edit, np.ndarray]
) -> dict[Edit, np.ndarray]:
    """Frames (T, H, W, 3) of one actor's sources with codes (T, E), by the method's renderer."""
    faces, clips = make_persons(workspace), clips_by_key(workspace)
    actor = next(iter(codes)).actor
    renderer = make_actor_renderer(workspace, actor, method, seed).renderer
    painter = ConditionPainter(load_head_model(), renderer.settings.image_size)
    texture = person_texture(workspace, painter, actor)
    conditions = [
        ConditionSource(painter, faces[edit.source], texture).conditions(moved)
        for edit, moved in codes.items()
    ]
    pictures = render_clips(renderer.generator, conditions, device=workspace.device)
    videos = {key: read_video(clips[key].video).frames for key in {e.source for e in codes}}
    return {
        edit: put_back(videos[edit.source], faces[edit.source], made, drawn[..., -1])
        for edit, made, drawn in zip(codes, pictures, conditions, strict=True)
    }


def result_video(workspace: Workspace, method: str, seed: int, edit: Edit) -> Path:
    """Where `make_edits` keeps the video of an edit."""
    return workspace.stage_folder("edits", method, f"seed{seed}") / f"{edit.name}.mp4"


@dataclass(frozen=True)
class MadeCounterparts:
    """Tracks of the true counterparts.

    Attributes:
        folder: of the stage.
        digest: of the stage.
        known: (source key, emotion) of those that the corpus holds.
    """

    folder: Path
    digest: str
    known: frozenset[tuple[str, str]]

    def track_file(self, source: str, emotion: str) -> Path:
        """File of the track of one counterpart."""
        return self.folder / f"{source.replace('/', '-')}-as-{emotion}.npz"


def make_counterparts(workspace: Workspace) -> MadeCounterparts:
    """Track the true counterpart of every edit; none where the corpus has no truth."""
    clips = clips_by_key(workspace)
    wanted = {
        (edit.source, edit.emotion): clips[edit.source].counterpart(edit.emotion)[0]
        for edit in protocol(workspace)
        if edit.emotion != clips[edit.source].emotion
    }
    known = {key: video for key, video in wanted.items() if video.exists()}
    stage = open_stage(
        workspace.stage_folder("edits", "counterparts"),
        "edits counterparts",
        settings={
            "face": replace(workspace.scale.face, processes=1),
            "counterparts": sorted("/".join(key) for key in known),
        },
        inputs={"corpus": make_corpus(workspace).digest},
        code=(_track,),
    )
    made = MadeCounterparts(stage.folder, stage.digest, frozenset(known))
    jobs = [
        (video, made.track_file(*key), workspace.scale.face)
        for key, video in known.items()
        if not made.track_file(*key).exists()
    ]
    done = run_jobs(_track, jobs, processes(workspace))
    for _ in tqdm(done, total=len(jobs), desc="true counterparts", disable=not jobs):
        pass
    if not stage.complete:
        stage.finish(clips=len(known))
    return made


def _track(job: tuple[Path, Path, FaceSettings]) -> None:
    video, path, settings = job
    track_clip(video, settings).save(path)


def read_truth(
    workspace: Workspace, source: Clip, emotion: str
) -> tuple[np.ndarray, FaceTrack] | None:
    """Frames (T, H, W, 3) and track of the true counterpart of a clip; of the clip if neutral.

    None where the corpus has no counterpart; without any, of neutral too.
    """
    made = make_counterparts(workspace)
    if made.known and emotion == source.emotion:
        return read_video(source.video).frames, make_faces(workspace)[source.key]
    if (source.key, emotion) not in made.known:
        return None
    track = FaceTrack.load(made.track_file(source.key, emotion))
    return read_video(source.counterpart(emotion)[0]).frames, track


def true_codes(workspace: Workspace, source: Clip, emotion: str) -> np.ndarray | None:
    """Codes (T, E) of the true edit of a clip, free of what a fit to its video would lose.

    The clip's own tracked codes, moved by the difference of the face units that made both videos;
    they leave [0, 1] where the fit is off. None where the corpus has no counterpart.
    """
    tracked = make_persons(workspace)[source.key].expression
    if emotion == source.emotion:
        return tracked if make_corpus(workspace).has_truth else None
    video, truth = source.counterpart(emotion)
    if not (video.exists() and truth.exists()):
        return None
    return (tracked + _head_units(truth) - _head_units(source.truth)).astype(np.float32)


def _head_units(truth: Path) -> np.ndarray:
    """Face units (T, E) that made a video, in the order of the head model."""
    with np.load(truth) as arrays:
        names = [str(name) for name in arrays["face_unit_names"]]
        order = [names.index(name) for name in load_head_model().expression_names]
        return np.asarray(arrays["face_units"][:, order], np.float32)


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


@dataclass(frozen=True)
class _SampleJob:
    """One clip to describe."""

    clip: Clip
    track: Path
    path: Path
    identity_frames: int
    arcface: str | None


def _sample_clip(job: _SampleJob) -> None:
    sample = sample_face(
        ShownClip(read_video(job.clip.video).frames, FaceTrack.load(job.track)),
        actor=job.clip.actor,
        emotion=job.clip.emotion,
        identity_frames=job.identity_frames,
        network=DlibIdentity() if job.arcface is None else load_arcface(job.arcface),
    )
    save_sample(job.path, sample)


def real_samples(workspace: Workspace) -> list[FaceSample]:
    """Descriptors of the target actors' own clips in every emotion: the real set of the FAD."""
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    count = workspace.scale.evaluation.identity_frames
    arcface = workspace.scale.evaluation.arcface_file
    inputs = {} if arcface is None else {"arcface": file_digest(Path(arcface))}
    stage = open_score_stage(workspace, "real", {"frames": count}, inputs, (_sample_clip,))
    jobs = [
        _SampleJob(
            clip,
            track_path(faces.folder, clip.key),
            stage.folder / f"{clip.key.replace('/', '-')}.npz",
            count,
            arcface,
        )
        for clip in corpus.select(role="target")
    ]
    waiting = [job for job in jobs if not job.path.exists()]
    done = run_jobs(_sample_clip, waiting, processes(workspace))
    for _ in tqdm(done, total=len(waiting), desc="real samples", disable=not waiting):
        pass
    if not stage.complete:
        stage.finish(clips=len(jobs))
    return [load_sample(job.path) for job in jobs]
