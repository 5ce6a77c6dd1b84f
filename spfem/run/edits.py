"""The edits that result tables are made of: videos, each tracked again as a viewer would see it.

True counterparts show the source filmed in another emotion; recordings have none.

Scores are other stages (`spfem.run.results`), so that a new measure renders nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import Edit, edit_protocol, learning_clips, share_edits, spread_actors
from spfem.edit.chain import ConditionSource, Wish, edit_expression, put_back
from spfem.edit.move import move_clip
from spfem.face.conditions import ConditionPainter
from spfem.face.track import EditTrack, FaceTrack, track_clip
from spfem.files import file_digest
from spfem.head.model import load_head_model
from spfem.manipulator.networks import load_manipulator
from spfem.media.video import read_video, write_video
from spfem.methods import BASES, METHODS, NED, check_base, find_method
from spfem.renderer.render import render_clips
from spfem.run.artifacts import Stage, open_stage
from spfem.run.data import make_corpus, make_faces, make_persons
from spfem.run.manipulators import ANCHORED, make_manipulator
from spfem.run.renderers import make_actor_renderer, make_actor_renderers
from spfem.run.workspace import Workspace, work_off
from spfem.settings import EMOTIONS, FaceSettings

MOVED = BASES[0]
HABIT = "habit"
"""The calibrating method that learns nothing: the source's codes, and what the actor's other clips
of the wished emotion have more than the neutral ones, on average."""


def clips_by_key(workspace: Workspace) -> dict[str, Clip]:
    """All clips of the corpus by key."""
    return {clip.key: clip for clip in make_corpus(workspace).clips}


def protocol(workspace: Workspace, base: str = MOVED) -> tuple[Edit, ...]:
    """Every edit of the main results; on the base `ned` of some target actors only."""
    edits = edit_protocol(
        make_corpus(workspace), sources_per_actor=workspace.scale.evaluation.sources_per_actor
    )
    if check_base(base) == MOVED:
        return edits
    actors = spread_actors([edit.actor for edit in edits], workspace.scale.ned_base.actors)
    return tuple(edit for edit in edits if edit.actor in actors)


def video_protocol(workspace: Workspace, base: str = MOVED) -> tuple[Edit, ...]:
    """The edits of the `protocol` that are made as videos: of the first sources of each actor."""
    edits, first = protocol(workspace, base), set()
    for actor in dict.fromkeys(edit.actor for edit in edits):
        own = sorted({edit.source for edit in edits if edit.actor == actor})
        first.update(own[: workspace.scale.evaluation.shown_sources])
    return tuple(edit for edit in edits if edit.source in first)


def shown_edits(workspace: Workspace, base: str, method: str, seed: int = 0) -> tuple[Edit, ...]:
    """What a method and seed shows of the `video_protocol`: a share, another one for each seed.

    The same for all methods, so that they can be compared in pairs. What learned nothing has one
    seed, and shows all.
    """
    scale, edits = workspace.scale, video_protocol(workspace, base)
    settings = scale.evaluation if base == MOVED else scale.ned_base
    return share_edits(edits, settings.edit_share, seed) if method in METHODS else edits


def face_settings(workspace: Workspace) -> FaceSettings:
    """As a setting of a stage: the number of processes changes nothing."""
    return replace(workspace.scale.face, processes=1)


def listed(edits: Sequence[Edit]) -> dict[str, list[str]]:
    """Edits as a setting of a stage."""
    return {edit.name: [edit.source, edit.reference] for edit in edits}


@dataclass(frozen=True)
class MadeEdits:
    """Videos, tracks and codes of edits.

    Attributes:
        folder: of the stage.
        digest: of the stage.
        one_a_source: whether all edits of a source show the same and share their files.
    """

    folder: Path
    digest: str
    one_a_source: bool = False

    def name(self, edit: Edit) -> str:
        """How the names of an edit's files begin."""
        return edit.name.partition("-as-")[0] if self.one_a_source else edit.name

    def video(self, edit: Edit) -> Path:
        """The mp4 of an edit, with the source's sound."""
        return self.folder / f"{self.name(edit)}.mp4"

    def codes_file(self, edit: Edit) -> Path:
        """The codes (T, E) that a row of moved pixels was made from; others keep none."""
        return self.folder / f"{self.name(edit)}-codes.npy"

    def track_file(self, edit: Edit) -> Path:
        """The file of the track of the mp4, written last."""
        return self.folder / f"{self.name(edit)}-track.npz"

    def track(self, edit: Edit) -> EditTrack:
        """The track of the mp4."""
        return EditTrack.load(self.track_file(edit))

    def missing(self, edits: Sequence[Edit], by: str) -> list[tuple[Edit, ...]]:
        """Edits that are not made yet, by `source` or `actor`; of those that share files one."""
        files = {self.name(edit): edit for edit in reversed(edits)}
        wanted = [edit for edit in files.values() if not self.track_file(edit).exists()]
        wanted.sort(key=edits.index)
        groups = sorted({getattr(edit, by) for edit in wanted})
        return [tuple(e for e in wanted if getattr(e, by) == group) for group in groups]


Draw = Callable[[list[Edit]], Mapping[Edit, np.ndarray]]
"""Gives the frames (T, H, W, 3) of edits."""


def write_edits(workspace: Workspace, made: MadeEdits, edits: Sequence[Edit], draw: Draw) -> None:
    """Write the videos that are not there, and track the written files."""
    clips, fps = clips_by_key(workspace), make_corpus(workspace).fps
    missing = [edit for edit in edits if not made.video(edit).exists()]
    if missing:
        for edit, frames in draw(missing).items():
            write_video(made.video(edit), frames, fps, audio_from=clips[edit.source].video)
    for edit in edits:
        track = track_clip(made.video(edit), workspace.scale.face)
        EditTrack.of(track).save(made.track_file(edit))


def make_edits(workspace: Workspace, base: str, method: str, seed: int = 0) -> MadeEdits:
    """The videos of the `shown_edits` of a trained method, or of `habit`, on a base."""
    edits = shown_edits(workspace, base, method, seed)
    opening = _open_moved if check_base(base) == MOVED else _open_rendered
    stage = opening(workspace, method, seed, edits)
    made = MadeEdits(stage.folder, stage.digest)
    by = "source" if base == MOVED else "actor"  # which share what is read, or a renderer
    jobs = [(workspace, base, method, seed, part, made) for part in made.missing(edits, by)]
    work_off(workspace, _edit, jobs, f"edits {base} {method} seed {seed}")
    if not stage.complete:
        stage.finish(edits=len(edits))
    return made


def _open_moved(workspace: Workspace, method: str, seed: int, edits: Sequence[Edit]) -> Stage:
    return open_stage(
        edits_folder(workspace, MOVED, method, seed),
        f"edits {MOVED} {method}/seed{seed}",
        settings={"face": face_settings(workspace), "edits": listed(edits)},
        inputs=_codes_inputs(workspace, method, seed),
        code=(moved_frames, edited_codes, write_edits),
    )


def _open_rendered(workspace: Workspace, method: str, seed: int, edits: Sequence[Edit]) -> Stage:
    inputs = _codes_inputs(workspace, method, seed)
    actors = sorted({edit.actor for edit in edits})
    wanted = [(actor, drawn_by(method), seed) for actor in actors]
    for (actor, *_), made in make_actor_renderers(workspace, wanted).items():
        inputs[actor] = made.digest
    return open_stage(
        edits_folder(workspace, "ned", method, seed),
        f"edits ned {method}/seed{seed}",
        settings={"face": face_settings(workspace), "edits": listed(edits)},
        inputs=inputs,
        code=(rendered_frames, edited_codes, write_edits),
    )


def _codes_inputs(workspace: Workspace, method: str, seed: int) -> dict[str, str]:
    """Digests of what the codes of edits, and the sources, come from."""
    inputs = {"faces": make_persons(workspace).digest, "corpus": make_corpus(workspace).digest}
    if method in METHODS:
        path = make_manipulator(workspace, find_method(method).manipulator, seed)
        inputs["manipulator"] = file_digest(path)
    return inputs


def edits_folder(workspace: Workspace, base: str, method: str, seed: int) -> Path:
    """Of the stage that `make_edits` fills."""
    return workspace.stage_folder("edits", base, method, f"seed{seed}")


def seed_showing(workspace: Workspace, base: str, edit: Edit) -> int:
    """The first seed that shows an edit of the `video_protocol`, the same for trained methods."""
    seeds = workspace.scale.seeds_of(base)
    return next(seed for seed in seeds if edit in shown_edits(workspace, base, NED, seed))


def result_video(workspace: Workspace, base: str, method: str, edit: Edit) -> Path:
    """Where `make_edits` keeps the video of an edit by the `seed_showing` it."""
    seed = seed_showing(workspace, base, edit) if method in METHODS else 0
    return edits_folder(workspace, base, method, seed) / f"{edit.name}.mp4"


def _edit(job: tuple[Workspace, str, str, int, tuple[Edit, ...], MadeEdits]) -> None:
    workspace, base, method, seed, edits, made = job
    write_edits(workspace, made, edits, partial(edited_frames, workspace, base, method, seed))


def edited_frames(
    workspace: Workspace, base: str, method: str, seed: int, edits: Sequence[Edit]
) -> dict[Edit, np.ndarray]:
    """Frames (T, H, W, 3) of a method's edits; on the base `ned` of one actor."""
    codes = edited_codes(workspace, method, seed, edits)
    if base == MOVED:
        return moved_frames(workspace, codes)
    return rendered_frames(workspace, drawn_by(method), seed, codes)


def drawn_by(method: str) -> str:
    """The method whose renderer draws the edits of a method on the base `ned`."""
    return method if method in METHODS else NED


def edited_codes(
    workspace: Workspace, method: str, seed: int, edits: Sequence[Edit]
) -> dict[Edit, np.ndarray]:
    """Codes (T, E) of edits by a trained method, or by `habit`."""
    faces = make_persons(workspace)
    if method == HABIT:
        habits = {actor: mean_differences(workspace, actor) for actor in {e.actor for e in edits}}
        own = {edit: faces[edit.source].expression for edit in edits}
        return {e: np.clip(own[e] + habits[e.actor][e.emotion], 0, 1) for e in edits}
    path = make_manipulator(workspace, find_method(method).manipulator, seed)
    manipulator, codes = load_manipulator(path), {}
    for edit in edits:
        wish = Wish(references=(faces[edit.reference].expression,))
        source = faces[edit.source].expression
        codes[edit] = edit_expression(manipulator, source, wish, anchored=ANCHORED, seed=seed)
    return codes


def mean_differences(workspace: Workspace, actor: str) -> dict[str, np.ndarray]:
    """Emotion -> mean code (E,) of the actor's learning clips less that of the neutral ones."""
    faces, clips = make_persons(workspace), learning_clips(make_corpus(workspace), actor)
    means = {}
    for emotion in EMOTIONS:
        codes = [faces[clip.key].expression for clip in clips if clip.emotion == emotion]
        if codes:
            means[emotion] = np.concatenate(codes).mean(0)
    rest = means[EMOTIONS[0]]
    return {emotion: (mean - rest).astype(np.float32) for emotion, mean in means.items()}


def moved_frames(workspace: Workspace, codes: Mapping[Edit, np.ndarray]) -> dict[Edit, np.ndarray]:
    """Frames (T, H, W, 3) of sources whose own pixels are moved by codes (T, E)."""
    faces, clips = make_persons(workspace), clips_by_key(workspace)
    fps = float(make_corpus(workspace).fps)
    made = {}
    for key in dict.fromkeys(edit.source for edit in codes):
        frames, track = read_video(clips[key].video).frames, faces[key]
        for edit, moved in codes.items():
            if edit.source == key:
                made[edit] = move_clip(frames, track, moved, fps=fps)
    return made


def rendered_frames(
    workspace: Workspace, method: str, seed: int, codes: Mapping[Edit, np.ndarray]
) -> dict[Edit, np.ndarray]:
    """Frames (T, H, W, 3) of one actor's sources with codes (T, E), by the method's renderer."""
    faces, clips = make_persons(workspace), clips_by_key(workspace)
    actor = next(iter(codes)).actor
    renderer = make_actor_renderer(workspace, actor, method, seed).renderer
    painter = ConditionPainter(load_head_model(), renderer.settings.image_size)
    conditions = [
        ConditionSource(painter, faces[edit.source]).conditions(moved)
        for edit, moved in codes.items()
    ]
    pictures = render_clips(renderer.generator, conditions, device=workspace.device)
    videos = {key: read_video(clips[key].video).frames for key in {e.source for e in codes}}
    return {
        edit: put_back(videos[edit.source], faces[edit.source], made, drawn[..., -1])
        for edit, made, drawn in zip(codes, pictures, conditions, strict=True)
    }


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

    def track(self, source: str, emotion: str) -> FaceTrack:
        """Track of one counterpart."""
        return FaceTrack.load(self.track_file(source, emotion))


def make_counterparts(workspace: Workspace) -> MadeCounterparts:
    """Track the true counterpart of every edit; none where the corpus has no truth."""
    return track_counterparts(workspace, protocol(workspace), ("edits", "counterparts"))


def track_counterparts(
    workspace: Workspace, edits: Sequence[Edit], place: tuple[str, ...]
) -> MadeCounterparts:
    """Track the true counterparts of edits, in a stage of that place."""
    clips = clips_by_key(workspace)
    wanted = {
        (edit.source, edit.emotion): clips[edit.source].counterpart(edit.emotion)[0]
        for edit in edits
        if edit.emotion != clips[edit.source].emotion
    }
    known = {key: video for key, video in wanted.items() if video.exists()}
    stage = open_stage(
        workspace.stage_folder(*place),
        " ".join(place),
        settings={
            "face": face_settings(workspace),
            "counterparts": sorted("/".join(key) for key in known),
        },
        inputs={"corpus": make_corpus(workspace).digest},
        code=(_track,),
    )
    made = MadeCounterparts(stage.folder, stage.digest, frozenset(known))
    jobs = [
        (video, path, workspace.scale.face)
        for key, video in known.items()
        if not (path := made.track_file(*key)).exists()
    ]
    work_off(workspace, _track, jobs, "true counterparts")
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
    return read_video(source.counterpart(emotion)[0]).frames, made.track(source.key, emotion)


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
