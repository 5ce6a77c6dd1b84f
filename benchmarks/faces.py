"""The aligned faces of a run as one small file, for a node that tracks no faces.

It holds the frames of the paired clips of the actors that metrics learn from and are tested on, who
says the same when, and which mouth shape is shown.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.face_codec import pack_frames, unpack_frames
from spfem.correlation.frames import ClipPair, FramePairs, collect_frame_pairs
from spfem.errors import InputError
from spfem.files import writing

MOST_MEGABYTES = 12.0  # by default; what is carried beside a checkout has little room
COARSENESS = (0.12, 0.17, 0.25, 0.35, 0.5, 0.75, 1.0)  # until the file is small enough
FACES = "faces.npz"  # name of the file where it is carried
ROLES = ("train", "held_out")


@dataclass(frozen=True)
class CarriedFaces:
    """What a metric learns from and is tested on.

    Attributes:
        train: frame pairs of the actors to learn from.
        held_out: frame pairs of unseen actors.
        visemes: mouth shape (T,) of each clip.
    """

    train: FramePairs
    held_out: FramePairs
    visemes: dict[str, np.ndarray]


def save_faces(run: Path, path: Path, most_megabytes: float = MOST_MEGABYTES) -> float:
    """Write the faces of `run` (a folder such as `data/synthetic-demo`, left unchanged).

    Args:
        run: folder of a run whose faces are tracked.
        path: file to write.
        most_megabytes: of the file; pictures are stored as finely as fits.

    Returns:
        Mean absolute error of a stored pixel, grey levels.

    Raises:
        InputError: if the file would be larger at any coarseness.
    """
    from spfem.corpus.clips import read_list
    from spfem.face.track import FaceTrack
    from spfem.run.data import pair_corpus
    from spfem.run.faces import track_path
    from spfem.settings import PairingSettings

    corpus = read_list(run / "corpus" / "corpus.json")
    with tempfile.TemporaryDirectory() as folder:
        index = pair_corpus(corpus, Path(folder) / "pairs", PairingSettings())
    truth = {clip.key: clip.truth for clip in corpus.clips}
    pairs = {role: index.select(role=role) for role in ROLES}
    keys = sorted(
        {key for some in pairs.values() for each in some for key in (each.source, each.target)}
    )
    tracks = {key: FaceTrack.load(track_path(run / "faces", key)) for key in keys}
    train, held_out = (collect_frame_pairs(tracks, pairs[role], set(index.roles)) for role in ROLES)
    visemes = {key: _visemes(truth[key], len(tracks[key])) for key in keys}
    return write_faces(path, CarriedFaces(train, held_out, visemes), most_megabytes)


def write_faces(path: Path, carried: CarriedFaces, most_megabytes: float = MOST_MEGABYTES) -> float:
    """Write faces as finely as fits; see `save_faces`.

    Raises:
        InputError: if the file would be larger than `most_megabytes` at any coarseness.
    """
    faces = {**carried.train.faces, **carried.held_out.faces}
    keys = sorted(faces)
    frames = np.concatenate([faces[key] for key in keys])
    pairs = [(pair, role) for role in ROLES for pair in getattr(carried, role).pairs]
    plain = {
        "keys": np.array(keys),
        "lengths": np.array([len(faces[key]) for key in keys]),
        "visemes": np.concatenate([carried.visemes[key] for key in keys]).astype(np.int16),
        "pairs": np.array([[pair.source, pair.target, role] for pair, role in pairs]),
        "paths": np.concatenate([pair.path for pair, _ in pairs]).astype(np.int32),
        "path_lengths": np.array([len(pair.path) for pair, _ in pairs]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    for coarseness in COARSENESS:
        packed = pack_frames(frames, coarseness)
        with writing(path) as aside, Path(aside).open("wb") as file:
            arrays = {**plain, **packed, "coarseness": np.array(coarseness)}
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        if path.stat().st_size <= 1e6 * most_megabytes:
            some = slice(None, None, max(1, len(frames) // 200))
            part = {name: values[:, :, some] for name, values in packed.items()}
            apart = unpack_frames(part, coarseness).astype(int) - frames[some]
            return float(np.abs(apart).mean())
    path.unlink()
    raise InputError(f"{len(frames)} faces need more than {most_megabytes} MB; use a smaller run")


def _visemes(truth: Path, frames: int) -> np.ndarray:
    with np.load(truth) as arrays:
        return arrays["viseme"][:frames].astype(np.int16)


def load_faces(path: Path) -> CarriedFaces:
    """Read what `save_faces` wrote.

    Raises:
        InputError: if the file is damaged or of another kind.
    """
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        names = ("light", "blue", "red")
        frames = unpack_frames({n: arrays[n] for n in names}, float(arrays["coarseness"]))
        ends = np.cumsum(arrays["lengths"])[:-1]
        keys = [str(key) for key in arrays["keys"]]
        faces = dict(zip(keys, np.split(frames, ends), strict=True))
        visemes = dict(zip(keys, np.split(arrays["visemes"], ends), strict=True))
        paths = np.split(arrays["paths"], np.cumsum(arrays["path_lengths"])[:-1])
        pairs: dict[str, list[ClipPair]] = {role: [] for role in ROLES}
        for (source, target, role), steps in zip(arrays["pairs"], paths, strict=True):
            pairs[str(role)].append(ClipPair(str(source), str(target), steps))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} holds no carried faces ({error}); make it again") from error
    train, held_out = (FramePairs(faces, tuple(pairs[role])) for role in ROLES)
    return CarriedFaces(train, held_out, visemes)
