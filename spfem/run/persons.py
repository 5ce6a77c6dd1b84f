"""The stages of persons: every clip of an actor fitted again with one identity, then read.

A clip alone cannot tell a smiling mouth from a wide one: where somebody smiles throughout, part
of the smile goes into the identity and is missing from the face units. Edits take units from
clips of another emotion, so this would cost them as much as the emotion itself. Not in the papers,
whose encoder has seen thousands of persons and needs no such step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
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


def fit_persons(
    faces: FaceStore,
    folder: Path,
    settings: FaceSettings,
    shaping: Mapping[str, Sequence[str]],
) -> FaceStore:
    """Fit every clip again with the identity of its actor held, or take up where it stopped.

    The identity is the mean over the actor's shaping clips, each fitted on its own: `shaping` names
    clips that tell the shape of the face, neutral ones, by actor. Clips without a track do not
    count; if none is left, all clips of the actor do.
    """
    stage = open_stage(
        folder,
        "persons",
        settings=replace(settings, processes=1),
        inputs={"faces": faces.digest, **{a: ",".join(keys) for a, keys in shaping.items()}},
        code=(fit_persons, type(faces)),
    )
    store = replace(faces, digest=stage.digest, codes=folder)
    if stage.complete:
        return store
    jobs = []
    for _, keys, known in _actors(faces, shaping):
        waiting = [key for key in keys if not track_path(folder, key).exists()]
        if waiting:
            identity = np.mean([faces[key].identity for key in known], axis=0)
            jobs += [(faces, key, identity, settings, track_path(folder, key)) for key in waiting]
    done = run_jobs(_fit_one, jobs, settings.processes)
    for _ in tqdm(done, total=len(jobs), desc="persons"):
        pass
    stage.finish(clips=len(faces))
    return store


def _actors(
    faces: FaceStore, shaping: Mapping[str, Sequence[str]]
) -> list[tuple[str, list[str], list[str]]]:
    """Each actor with the keys of all clips, and of those that tell the shape."""
    clips: dict[str, list[str]] = {}
    for key in faces:
        clips.setdefault(key.split("/")[0], []).append(key)
    return [
        (actor, keys, [key for key in shaping.get(actor, ()) if key in faces] or keys)
        for actor, keys in sorted(clips.items())
    ]


def _refit(track: FaceTrack, identity: np.ndarray, settings: FaceSettings) -> FittedHead:
    """The codes of a track, fitted again for a known identity (I,)."""
    tracked = track.only(TrackedFace)
    return fit_head(load_head_model(), tracked, settings, identity=identity.astype(np.float32))


def _fit_one(job: tuple[FaceStore, str, np.ndarray, FaceSettings, Path]) -> None:
    faces, key, identity, settings, path = job
    save_fields(_refit(faces[key], identity, settings), path)


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
    persons: FaceStore,
    folder: Path,
    settings: FaceSettings,
    shaping: Mapping[str, Sequence[str]],
) -> FaceStore:
    """Read every clip of a corpus and fit it towards what was read, or take up where it stopped.

    The clips of `shaping`, as in `fit_persons`, show the resting face.
    """
    read = ReadSettings()
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
    store = replace(persons, digest=stage.digest, codes=folder)
    if stage.complete:
        return store
    jobs = []
    for actor, keys, known in _actors(persons, shaping):
        if any(not track_path(folder, key).exists() for key in keys):
            jobs.append((persons, actor, tuple(keys), tuple(known), settings, read, folder))
    for _ in tqdm(run_jobs(_read_actor, jobs, settings.processes), total=len(jobs), desc="reading"):
        pass
    stage.finish(clips=len(persons))
    return store


def load_person(store: FaceStore, actor: str) -> KnownPerson:
    """What `read_persons` found out about an actor.

    Raises:
        InputError: if the file is missing or damaged.
    """
    path = (store.codes or store.folder) / actor / PERSON_FILE
    return load_fields(KnownPerson, path, "knows no person", "read the persons anew")


def know_person(
    clips: Sequence[FaceTrack], settings: FaceSettings, read: ReadSettings, reader: FaceReader
) -> KnownPerson:
    """The identity and the resting face that neutral clips of one person show.

    The clips are fitted with one identity.
    """
    head, evidence = load_head_model(), [_evidence(clip) for clip in clips]
    resting = resting_face(evidence, [clip.found for clip in clips], neutral=True)
    identities = []
    for clip, seen in zip(clips, evidence, strict=True):
        units, tracked = reader.read(seen, resting), clip.only(TrackedFace)
        identities.append(fit_towards(head, tracked, units, settings, read).identity)
    mean = np.mean(identities, axis=0).astype(np.float32)
    return KnownPerson(clips[0].identity, mean, resting.offsets, resting.scores)


def read_track(track: FaceTrack, person: KnownPerson, settings: FaceSettings) -> FittedHead:
    """The codes of a further clip of a known person, by the shipped reader."""
    fitted = replace(track, **vars(_refit(track, person.shape, settings)))
    return read_fitted(fitted, person, settings, ReadSettings(), _reader())


def read_fitted(
    track: FaceTrack,
    person: KnownPerson,
    settings: FaceSettings,
    read: ReadSettings,
    reader: FaceReader,
) -> FittedHead:
    """The codes of a clip that was fitted with `person.shape`; see `read_track`."""
    units = reader.read(_evidence(track), person.resting)
    head, tracked = load_head_model(), track.only(TrackedFace)
    fit = partial(fit_head, identity=person.identity)
    return fit_towards(head, tracked, units, settings, read, fit)


def _reader() -> FaceReader:
    return _load_reader(pretrained_file(KIND), file_digest(pretrained_file(KIND)))


@cache
def _load_reader(path: Path, _digest: str) -> FaceReader:
    """The digest lets another file at the same path be read anew."""
    return FaceReader.load(path)


def _evidence(track: FaceTrack) -> Evidence:
    tracked, fitted = track.only(TrackedFace), track.only(FittedHead)
    return gather_evidence(load_head_model(), tracked, fitted)


def _read_actor(
    job: tuple[FaceStore, str, tuple[str, ...], tuple[str, ...], FaceSettings, ReadSettings, Path],
) -> None:
    persons, actor, keys, neutral, settings, read, folder = job
    reader = _reader()
    person = know_person([persons[key] for key in neutral], settings, read, reader)
    save_fields(person, folder / actor / PERSON_FILE)
    for key in keys:
        codes = read_fitted(persons[key], person, settings, read, reader)
        save_fields(codes, track_path(folder, key))
