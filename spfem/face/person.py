"""One identity a person: every clip of an actor fitted again on the shape of the neutral face.

A clip alone cannot tell a smiling mouth from a wide one: where somebody smiles throughout, part
of the smile goes into the identity and is missing from the face units. Edits take units from
clips of another emotion, so this would cost them as much as the emotion itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.face.fit import FittedHead, fit_head
from spfem.face.stage import FaceStore, track_path
from spfem.face.track_file import FaceTrack, load_fields, save_fields
from spfem.face.tracker import TrackedFace
from spfem.head import load_head_model
from spfem.opened_stages import open_stage
from spfem.processes import run_jobs
from spfem.settings import FaceSettings


class PersonStore(Mapping[str, FaceTrack]):
    """The tracks of a corpus by clip key, with codes that share one identity an actor.

    Faces, masks, landmarks and alignment are those of the face stage.

    Args:
        faces: tracks of the face stage.
        folder: of this stage.
        digest: of the stage.
    """

    def __init__(self, faces: FaceStore, folder: Path, digest: str):
        self.faces, self.folder, self.digest = faces, folder, digest

    def __getitem__(self, key: str) -> FaceTrack:
        """Read one track."""
        path = track_path(self.folder, key)
        codes = load_fields(FittedHead, path, "holds no codes", "run the person stage anew")
        return replace(self.faces[key], **codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)


def fit_persons(
    faces: FaceStore,
    folder: Path,
    settings: FaceSettings,
    shaping: Mapping[str, Sequence[str]],
    *,
    force: bool = False,
) -> PersonStore:
    """Fit every clip again with the identity of its actor held, or take up where it stopped.

    The identity is the mean over the actor's shaping clips, each fitted on its own.
    Not in the papers, whose encoder has seen thousands of persons and needs no such step.

    Args:
        faces: tracks of the face stage.
        folder: of this stage.
        settings: of the face stage.
        shaping: actor -> keys of the clips that tell the shape of the face, neutral ones. Clips
            without a track do not count; if none is left, all clips of the actor do.
        force: fit anew.
    """
    stage = open_stage(
        folder,
        "persons",
        settings=replace(settings, processes=1),
        inputs={"faces": faces.digest, **{a: ",".join(keys) for a, keys in shaping.items()}},
        code=(fit_persons, type(faces)),
        force=force,
    )
    store = PersonStore(faces, folder, stage.digest)
    if stage.complete:
        return store
    jobs = []
    for actor, keys in sorted(_clips_by_actor(faces).items()):
        known = [key for key in shaping.get(actor, ()) if key in faces] or keys
        waiting = [key for key in keys if not track_path(folder, key).exists()]
        if waiting:
            identity = np.mean([faces[key].identity for key in known], axis=0)
            jobs += [(faces, key, identity, settings, track_path(folder, key)) for key in waiting]
    done = run_jobs(_fit_one, jobs, settings.processes)
    for _ in tqdm(done, total=len(jobs), desc="persons"):
        pass
    stage.finish(clips=len(faces))
    return store


def refit_head(track: FaceTrack, identity: np.ndarray, settings: FaceSettings) -> FittedHead:
    """The codes of a track, fitted again for a known identity (I,)."""
    tracked = TrackedFace(
        **{field.name: getattr(track, field.name) for field in fields(TrackedFace)}
    )
    return fit_head(load_head_model(), tracked, settings, identity=identity.astype(np.float32))


def _clips_by_actor(faces: FaceStore) -> dict[str, list[str]]:
    clips: dict[str, list[str]] = {}
    for key in faces:
        clips.setdefault(key.split("/")[0], []).append(key)
    return clips


Job = tuple[FaceStore, str, np.ndarray, FaceSettings, Path]
"""Tracks, clip key, identity, settings, file of the codes."""


def _fit_one(job: Job) -> None:
    faces, key, identity, settings, path = job
    save_fields(refit_head(faces[key], identity, settings), path)
