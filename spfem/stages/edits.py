"""The edits of the protocol: videos that a method makes, each tracked as a viewer would see it.

Scores are another stage (`spfem.results`), so that a new metric renders nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.artifacts import file_digest
from spfem.chain import ConditionSource, Wish, edit_expression, put_back
from spfem.corpus.clips import Clip
from spfem.corpus.protocol import Edit, edit_protocol
from spfem.face.conditions import ConditionPainter
from spfem.face.track import track_clip
from spfem.head import load_head_model
from spfem.manipulator import load_manipulator
from spfem.media.video import read_video, write_video
from spfem.opened_stages import open_stage
from spfem.processes import run_jobs
from spfem.renderer.render import render_clips
from spfem.stages.data import make_corpus, make_faces, make_persons
from spfem.stages.edit_track import EditTrack
from spfem.stages.manipulators import make_manipulator
from spfem.stages.renderer_supervision import ANCHORED
from spfem.stages.renderers import make_actor_renderer, person_texture
from spfem.workspace import Workspace


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
        _ActorJob(workspace, method, seed, part, made)
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
class _ActorJob:
    """The edits of one actor by one method."""

    workspace: Workspace
    method: str
    seed: int
    edits: tuple[Edit, ...]
    made: MadeEdits


def _edit_actor(job: _ActorJob) -> None:
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
