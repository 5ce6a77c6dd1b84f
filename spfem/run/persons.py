"""Codes of a corpus as the reader sees them: one identity and one resting face an actor.

One identity a person: every clip of an actor fitted again on the shape of the neutral face.

A clip alone cannot tell a smiling mouth from a wide one: where somebody smiles throughout, part
of the smile goes into the identity and is missing from the face units. Edits take units from
clips of another emotion, so this would cost them as much as the emotion itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.face.fit import FittedHead, fit_head
from spfem.face.track import FaceTrack, load_fields, save_fields
from spfem.face.tracker import TrackedFace
from spfem.files import file_digest
from spfem.head.model import load_head_model
from spfem.pretrained import pretrained_file
from spfem.processes import run_jobs
from spfem.reading.reader import (
    KIND,
    Evidence,
    FaceReader,
    RestingFace,
    fit_towards,
    gather_evidence,
    resting_face,
)
from spfem.run.artifacts import open_stage
from spfem.run.faces import FaceStore, track_path
from spfem.settings import FaceSettings, ReadSettings


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
    """
    stage = open_stage(
        folder,
        "persons",
        settings=replace(settings, processes=1),
        inputs={"faces": faces.digest, **{a: ",".join(keys) for a, keys in shaping.items()}},
        code=(fit_persons, type(faces)),
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


PersonJob = tuple[FaceStore, str, np.ndarray, FaceSettings, Path]
"""Tracks, clip key, identity, settings, file of the codes."""


def _fit_one(job: PersonJob) -> None:
    faces, key, identity, settings, path = job
    save_fields(refit_head(faces[key], identity, settings), path)


PERSON_FILE = "person.npz"


@dataclass(frozen=True)
class KnownPerson:
    """What the neutral clips of a person tell; float32.

    Attributes:
        shape: (I,) identity of the plain fit, from which offsets are taken.
        identity: (I,) identity fitted with the read units, which codes have.
        offsets: (2 L,) of the resting face, see `RestingFace`.
        scores: (51,) of the resting face.
    """

    shape: np.ndarray
    identity: np.ndarray
    offsets: np.ndarray
    scores: np.ndarray

    @property
    def resting(self) -> RestingFace:
        """The resting face, seen in neutral clips."""
        return RestingFace(self.offsets, self.scores, neutral=True)


def read_persons(
    persons: PersonStore,
    folder: Path,
    settings: FaceSettings,
    shaping: Mapping[str, Sequence[str]],
    *,
    read: ReadSettings | None = None,
) -> PersonStore:
    """Read every clip of a corpus and fit it towards what was read, or take up where it stopped.

    Not in the papers.

    Args:
        persons: codes that share one identity an actor.
        folder: of this stage.
        settings: of the face stage.
        shaping: actor -> keys of the neutral clips that show the resting face. Clips without a
            track do not count; if none is left, all clips of the actor do.
        read: how much the read units count; default `ReadSettings()`.
    """
    read = read or ReadSettings()
    stage = open_stage(
        folder,
        "read persons",
        settings={"face": asdict(replace(settings, processes=1)), "read": asdict(read)},
        inputs={
            "persons": persons.digest,
            "reader": file_digest(pretrained_file(KIND)),
            **{actor: ",".join(keys) for actor, keys in shaping.items()},
        },
        code=(read_persons, type(persons)),
    )
    store = PersonStore(persons.faces, folder, stage.digest)
    if stage.complete:
        return store
    jobs = []
    for actor in sorted({key.split("/")[0] for key in persons}):
        keys = [key for key in persons if key.split("/")[0] == actor]
        if any(not track_path(folder, key).exists() for key in keys):
            known = [key for key in shaping.get(actor, ()) if key in persons] or keys
            jobs.append((persons, actor, tuple(keys), tuple(known), settings, read, folder))
    for _ in tqdm(run_jobs(_read_actor, jobs, settings.processes), total=len(jobs), desc="reading"):
        pass
    stage.finish(clips=len(persons))
    return store


def load_person(store: PersonStore, actor: str) -> KnownPerson:
    """What `read_persons` found out about an actor.

    Raises:
        InputError: if the file is missing or damaged.
    """
    path = store.folder / actor / PERSON_FILE
    stored = load_fields(KnownPerson, path, "knows no person", "read the persons anew")
    return KnownPerson(**stored)


def know_person(
    clips: Sequence[FaceTrack], settings: FaceSettings, read: ReadSettings, reader: FaceReader
) -> KnownPerson:
    """The identity and the resting face that the neutral clips of one person show.

    Args:
        clips: fitted with one identity.
        settings: of the fit.
        read: how much read units count.
        reader: of the units.
    """
    head, evidence = load_head_model(), [_evidence(clip) for clip in clips]
    resting = resting_face(evidence, [clip.found for clip in clips], neutral=True)
    identities = [
        fit_towards(head, _tracked(clip), reader.read(seen, resting), settings, read).identity
        for clip, seen in zip(clips, evidence, strict=True)
    ]
    mean = np.mean(identities, axis=0).astype(np.float32)
    return KnownPerson(clips[0].identity, mean, resting.offsets, resting.scores)


def read_track(
    track: FaceTrack, person: KnownPerson, settings: FaceSettings, read: ReadSettings | None = None
) -> FittedHead:
    """The codes of a further clip of a known person, by the shipped reader.

    Args:
        track: of the clip, however it was fitted.
        person: who it shows.
        settings: of the fit.
        read: how much read units count; default `ReadSettings()`.
    """
    plain = refit_head(track, person.shape, settings)
    fitted = replace(track, **{f.name: getattr(plain, f.name) for f in fields(FittedHead)})
    return read_fitted(fitted, person, settings, read or ReadSettings(), _reader())


def read_fitted(
    track: FaceTrack,
    person: KnownPerson,
    settings: FaceSettings,
    read: ReadSettings,
    reader: FaceReader,
) -> FittedHead:
    """The codes of a clip that was fitted with `person.shape`; see `read_track`."""
    units = reader.read(_evidence(track), person.resting)
    head, tracked = load_head_model(), _tracked(track)
    return fit_towards(head, tracked, units, settings, read, identity=person.identity)


def _reader() -> FaceReader:
    return _load_reader(pretrained_file(KIND), file_digest(pretrained_file(KIND)))


@cache
def _load_reader(path: Path, _digest: str) -> FaceReader:
    """The digest lets another file at the same path be read anew."""
    return FaceReader.load(path)


def _tracked(track: FaceTrack) -> TrackedFace:
    return TrackedFace(**{field.name: getattr(track, field.name) for field in fields(TrackedFace)})


def _evidence(track: FaceTrack) -> Evidence:
    fitted = FittedHead(**{field.name: getattr(track, field.name) for field in fields(FittedHead)})
    return gather_evidence(load_head_model(), _tracked(track), fitted)


Job = tuple[
    PersonStore, str, tuple[str, ...], tuple[str, ...], FaceSettings, ReadSettings, Path
]  # fmt: skip
"""Fitted tracks, actor, keys of all clips and of the neutral ones, settings, folder."""


def _read_actor(job: Job) -> None:
    persons, actor, keys, neutral, settings, read, folder = job
    reader = _reader()
    person = know_person([persons[key] for key in neutral], settings, read, reader)
    save_fields(person, folder / actor / PERSON_FILE)
    for key in keys:
        codes = read_fitted(persons[key], person, settings, read, reader)
        save_fields(codes, track_path(folder, key))
