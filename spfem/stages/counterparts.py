"""True counterparts of edits: the source filmed in another emotion (embedded corpus only)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.corpus.clips import Clip
from spfem.face.track import track_clip
from spfem.face.track_file import FaceTrack
from spfem.head import load_head_model
from spfem.media.video import read_video
from spfem.opened_stages import open_stage
from spfem.processes import run_jobs
from spfem.settings import FaceSettings
from spfem.stages.data import make_corpus, make_faces, make_persons
from spfem.stages.edits import clips_by_key, processes, protocol
from spfem.workspace import Workspace


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
