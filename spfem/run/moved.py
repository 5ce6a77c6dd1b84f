"""The codes that the rows of the table of moved pixels show their sources with.

The same edits from different codes, by moved pixels and by NED's renderer, tracked again.

They tell what pictures, tracking and codes lose (`spfem.evaluation.moved_pixels`), so they need
true counterparts, which recordings do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.corpus.protocol import Edit, edit_protocol, learning_clips
from spfem.edit.move import move_clip
from spfem.errors import CorpusError, InputError
from spfem.evaluation.moved_pixels import NED_RENDERER, OWN_ROWS, ROWS
from spfem.face.track import EditTrack, FaceTrack, track_clip
from spfem.files import file_digest, writing
from spfem.media.video import read_video, write_video
from spfem.processes import run_jobs
from spfem.run.artifacts import Stage, open_stage
from spfem.run.data import make_corpus, make_persons
from spfem.run.learned import make_manipulator
from spfem.run.persons import load_person, read_track
from spfem.run.renderers import make_actor_renderer
from spfem.run.results import clips_by_key, edited_codes, processes, rendered_frames, true_codes
from spfem.run.workspace import Workspace
from spfem.settings import EMOTIONS, FaceSettings

METHOD = "ned"  # whose manipulator and renderer are shown


def row_codes(
    workspace: Workspace, kind: str, true_tracks: Mapping[Edit, Path]
) -> dict[Edit, np.ndarray]:
    """Codes (T, E) float32 of edits of one source.

    Args:
        workspace: where.
        kind: `own`, `ned`, `habit`, `fitted` or `exact`, see `evaluation.moved_pixels.ROWS`.
        true_tracks: edits -> file of the track of the true one.

    Raises:
        InputError: if the kind is unknown.
    """
    edits = list(true_tracks)
    source = clips_by_key(workspace)[edits[0].source]
    track = make_persons(workspace)[source.key]
    if kind == "own":
        return dict.fromkeys(edits, track.expression)
    if kind == "ned":
        return edited_codes(workspace, METHOD, 0, edits)
    if kind == "habit":
        habits = mean_differences(workspace, edits[0].actor)
        return {e: np.clip(track.expression + habits[e.emotion], 0, 1) for e in edits}
    if kind == "fitted":
        settings = workspace.scale.face
        person = load_person(make_persons(workspace), edits[0].actor)
        return {
            edit: read_track(FaceTrack.load(path), person, settings).expression
            for edit, path in true_tracks.items()
        }
    if kind == "exact":
        known = {e: true_codes(workspace, source, e.emotion) for e in edits}
        return {edit: codes for edit, codes in known.items() if codes is not None}
    raise InputError(f"codes of kind {kind!r} are unknown")


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


UNMOVED = ("copy", "truth")  # rows that show a video of the corpus
ONE_A_SOURCE = ("copy", *OWN_ROWS)  # rows whose video is the same for every wish
FOLDER = "moved_pixels"


@dataclass(frozen=True)
class MadeRow:
    """Videos, tracks and codes of one row's edits.

    Attributes:
        row: one of `ROWS`.
        folder: of the stage.
        digest: of the stage.
    """

    row: str
    folder: Path
    digest: str

    def name(self, edit: Edit) -> str:
        """Name of an edit's files; edits that show the same share it."""
        return edit.name.partition("-as-")[0] if self.row in ONE_A_SOURCE else edit.name

    def video(self, edit: Edit) -> Path:
        """The mp4 of an edit."""
        return self.folder / f"{self.name(edit)}.mp4"

    def codes_file(self, edit: Edit) -> Path:
        """The file of the codes (T, E) that an edit was made from; `UNMOVED` rows have none."""
        return self.folder / f"{self.name(edit)}-codes.npy"

    def track_file(self, edit: Edit) -> Path:
        """The file of the track of the mp4, written last."""
        return self.folder / f"{self.name(edit)}-track.npz"


@dataclass(frozen=True)
class MovedEdits:
    """What `make_moved_edits` made.

    Attributes:
        edits: that every row shows.
        rows: by name.
        true_tracks: folder of the tracks of the true counterparts.
    """

    edits: tuple[Edit, ...]
    rows: Mapping[str, MadeRow]
    true_tracks: Path

    def true_track(self, edit: Edit) -> FaceTrack:
        """Track of the true counterpart of an edit."""
        return FaceTrack.load(_true_track_file(self.true_tracks, edit))


def moved_edits(workspace: Workspace) -> tuple[Edit, ...]:
    """Neutral sources of some target actors, each to several emotions, that have a true edit.

    Actors are spread over their order, so that two of them are of both sexes. Empty where the
    corpus has no truth.
    """
    settings, corpus = workspace.scale.moved_pixels, make_corpus(workspace)
    if not corpus.has_truth:
        return ()
    clips = clips_by_key(workspace)
    every = edit_protocol(corpus, sources_per_actor=settings.sources)
    actors = sorted({edit.actor for edit in every})
    chosen = {actors[n] for n in np.linspace(0, len(actors) - 1, settings.actors).astype(int)}
    return tuple(
        edit
        for edit in every
        if edit.setting == "intra"
        and edit.actor in chosen
        and edit.emotion in EMOTIONS[1 : 1 + settings.emotions]
        and clips[edit.source].counterpart(edit.emotion)[0].exists()
    )


def make_moved_edits(workspace: Workspace) -> MovedEdits:
    """Make what is missing of the videos of every row, and track the written files.

    Raises:
        CorpusError: if the corpus has no true counterparts.
    """
    edits = moved_edits(workspace)
    if not edits:
        raise CorpusError(
            f"the corpus {workspace.corpus} has no true counterparts, which tell what moving "
            "pixels loses; use the embedded corpus (--corpus synthetic)"
        )
    truths = _make_true_tracks(workspace, edits)
    opened = {row: _open_row(workspace, row, edits, truths.digest) for row in ROWS}
    rows = {row: MadeRow(row, stage.folder, stage.digest) for row, stage in opened.items()}
    jobs = []
    for made in rows.values():
        files = {made.name(edit): edit for edit in reversed(edits)}  # the first edit of each
        missing = [edit for edit in files.values() if not made.track_file(edit).exists()]
        jobs += [
            _RowJob(workspace, made, truths.folder, part)
            for source in sorted({edit.source for edit in missing})
            if (part := tuple(edit for edit in missing if edit.source == source))
        ]
    done = run_jobs(_make_part, jobs, processes(workspace))
    for _ in tqdm(done, total=len(jobs), desc="moved pixels", disable=not jobs):
        pass
    for stage in opened.values():
        if not stage.complete:
            stage.finish(edits=len(edits))
    return MovedEdits(edits, rows, truths.folder)


def _open_row(workspace: Workspace, row: str, edits: tuple[Edit, ...], true_tracks: str) -> Stage:
    inputs = {"faces": make_persons(workspace).digest, "corpus": make_corpus(workspace).digest}
    if row.endswith("fitted"):
        inputs["true_tracks"] = true_tracks
    if row in ("ned", f"{NED_RENDERER}ned"):
        inputs["manipulator"] = file_digest(make_manipulator(workspace, METHOD))
    if row.startswith(NED_RENDERER):
        for actor in sorted({edit.actor for edit in edits}):
            inputs[actor] = make_actor_renderer(workspace, actor, METHOD).digest
    return open_stage(
        workspace.stage_folder(FOLDER, row),
        f"{FOLDER} {row}",
        settings={
            "face": replace(workspace.scale.face, processes=1),  # their number changes nothing
            "edits": {edit.name: [edit.source, edit.reference] for edit in edits},
        },
        inputs=inputs,
        code=(_shown_frames, _write_part) if row in UNMOVED else (_moved_frames, _write_part),
    )


@dataclass(frozen=True)
class _RowJob:
    """The edits of one source in one row."""

    workspace: Workspace
    made: MadeRow
    true_tracks: Path
    edits: tuple[Edit, ...]


def _make_part(job: _RowJob) -> None:
    """Make the videos and tracks of some edits of a row."""
    _write_part(job, _shown_frames if job.made.row in UNMOVED else _moved_frames)


Frames = Callable[["_RowJob", list[Edit]], Mapping[Edit, np.ndarray]]
"""Gives the frames (T, H, W, 3) of edits of one source."""


def _write_part(job: _RowJob, frames_of: Frames) -> None:
    """Make the videos that are not there, and track the written files."""
    workspace, made = job.workspace, job.made
    clips, fps = clips_by_key(workspace), make_corpus(workspace).fps
    missing = [edit for edit in job.edits if not made.video(edit).exists()]
    if missing:
        for edit, frames in frames_of(job, missing).items():
            write_video(made.video(edit), frames, fps, audio_from=clips[edit.source].video)
    for edit in job.edits:
        track = track_clip(made.video(edit), workspace.scale.face)
        EditTrack.of(track).save(made.track_file(edit))


def _shown_frames(job: _RowJob, edits: list[Edit]) -> dict[Edit, np.ndarray]:
    """Frames of edits of one source as they lie in the corpus."""
    source = clips_by_key(job.workspace)[edits[0].source]
    if job.made.row == "truth":
        return {e: read_video(source.counterpart(e.emotion)[0]).frames for e in edits}
    return dict.fromkeys(edits, read_video(source.video).frames)


def _moved_frames(job: _RowJob, edits: list[Edit]) -> dict[Edit, np.ndarray]:
    """Frames of edits of one source, made; the codes behind them are written."""
    workspace, row = job.workspace, job.made.row
    source = clips_by_key(workspace)[edits[0].source]
    frames = read_video(source.video).frames
    tracks = {edit: _true_track_file(job.true_tracks, edit) for edit in edits}
    codes = row_codes(workspace, row.removeprefix(NED_RENDERER), tracks)
    for edit, moved in codes.items():
        with writing(job.made.codes_file(edit)) as aside:
            np.save(aside, moved)
    if row.startswith(NED_RENDERER):
        return rendered_frames(workspace, METHOD, 0, codes)
    track, fps = make_persons(workspace)[source.key], float(make_corpus(workspace).fps)
    return {edit: move_clip(frames, track, moved, fps=fps) for edit, moved in codes.items()}


def _true_track_file(folder: Path, edit: Edit) -> Path:
    return folder / f"{edit.name}.npz"


def _make_true_tracks(workspace: Workspace, edits: tuple[Edit, ...]) -> Stage:
    """Track the true counterpart of every edit, as it lies in the corpus."""
    clips = clips_by_key(workspace)
    stage = open_stage(
        workspace.stage_folder(FOLDER, "true_tracks"),
        f"{FOLDER} true tracks",
        settings={
            "face": replace(workspace.scale.face, processes=1),
            "edits": [edit.name for edit in edits],
        },
        inputs={"corpus": make_corpus(workspace).digest},
        code=(_track,),
    )
    jobs = [
        (clips[edit.source].counterpart(edit.emotion)[0], path, workspace.scale.face)
        for edit in edits
        if not (path := _true_track_file(stage.folder, edit)).exists()
    ]
    done = run_jobs(_track, jobs, processes(workspace))
    for _ in tqdm(done, total=len(jobs), desc="true edits", disable=not jobs):
        pass
    if not stage.complete:
        stage.finish(clips=len(edits))
    return stage


def _track(job: tuple[Path, Path, FaceSettings]) -> None:
    video, path, settings = job
    track_clip(video, settings).save(path)
