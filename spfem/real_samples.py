"""The real set of the Fréchet distances: the target actors' own clips, described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from spfem.artifacts import file_digest
from spfem.corpus.clips import Clip
from spfem.evaluation.arcface import load_arcface
from spfem.evaluation.identity import DlibIdentity
from spfem.evaluation.score_files import load_sample, save_sample
from spfem.evaluation.scores import FaceSample, sample_face
from spfem.evaluation.shown import ShownClip
from spfem.face.stage import track_path
from spfem.face.track_file import FaceTrack
from spfem.media.video import read_video
from spfem.processes import run_jobs
from spfem.results import open_score_stage
from spfem.stages import make_corpus, make_faces
from spfem.stages.edits import processes
from spfem.workspace import Workspace


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
