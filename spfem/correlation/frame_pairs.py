"""Frames of two emotions that say the same: where metric learning gets its images from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spfem.errors import CorpusError, ShapeError


class TrackedFaces(Protocol):
    """What a face track must offer: aligned faces and whether a face was found."""

    @property
    def faces(self) -> np.ndarray:
        """(T, S, S, 3) uint8 RGB."""

    @property
    def found(self) -> np.ndarray:
        """(T,) bool."""


class TrackLookup(Protocol):
    """Face tracks by clip key."""

    def __getitem__(self, key: str, /) -> TrackedFaces:
        """The track of one clip."""


class AlignedClips(Protocol):
    """What a clip pair must offer: two clip keys and the warping path between them."""

    @property
    def source(self) -> str:
        """Key of the neutral clip, `<actor>/<emotion>/...`."""

    @property
    def target(self) -> str:
        """Key of the clip in another emotion."""

    @property
    def path(self) -> np.ndarray:
        """(L, 2) frame indices, (source, target)."""

    @property
    def usable(self) -> bool:
        """Whether the alignment is good enough to learn from."""


class FrameProvider(Protocol):
    """Where `train_spatial` gets its batches from."""

    def draw(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return neutral and emotion frames, each (B, S, S, 3) uint8 RGB, row by row aligned."""


@dataclass(frozen=True)
class ClipPair:
    """One sentence in two emotions; `path` (L, 2) holds frame indices (source, target)."""

    source: str
    target: str
    path: np.ndarray

    @property
    def actor(self) -> str:
        """The first part of the clip keys."""
        return self.source.split("/", 1)[0]


@dataclass(frozen=True)
class FramePairs:
    """Clip pairs with the faces (T, S, S, 3) uint8 RGB of every clip that they name.

    Raises:
        CorpusError: if there is no pair.
        ShapeError: if a path is not (L, 2), or leaves the frames of its clips.
    """

    faces: Mapping[str, np.ndarray]
    pairs: tuple[ClipPair, ...]

    def __post_init__(self) -> None:
        if not self.pairs:
            raise CorpusError("no clip pair to learn from; check roles and pairing costs")
        for pair in self.pairs:
            lengths = (len(self.faces[pair.source]), len(self.faces[pair.target]))
            if pair.path.ndim != 2 or pair.path.shape[1] != 2 or not len(pair.path):
                raise ShapeError(f"path of {pair.target} must be (L, 2), found {pair.path.shape}")
            if (pair.path < 0).any() or (pair.path >= lengths).any():
                raise ShapeError(
                    f"path of {pair.source} and {pair.target} leaves their {lengths} frames; "
                    "pair the corpus again"
                )

    def draw(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a pair uniformly, then an entry of its path uniformly, `count` times.

        Gives neutral and emotion frames, each (B, S, S, 3) uint8 RGB. Departs from the released
        code in that pairs are drawn directly, not actor by actor.
        """
        chosen = [self.pairs[number] for number in random.integers(len(self.pairs), size=count)]
        entries = [pair.path[random.integers(len(pair.path))] for pair in chosen]
        return (
            np.stack([self.faces[p.source][e[0]] for p, e in zip(chosen, entries, strict=True)]),
            np.stack([self.faces[p.target][e[1]] for p, e in zip(chosen, entries, strict=True)]),
        )


def collect_frame_pairs(
    tracks: TrackLookup, pairs: Iterable[AlignedClips], actors: Collection[str]
) -> FramePairs:
    """Gather the usable pairs of `actors`, leaving out path entries without a found face.

    Args:
        tracks: by clip key; each is read once.
        pairs: aligned clips.
        actors: whose clips to take.

    Raises:
        CorpusError: if nothing remains.
    """
    faces: dict[str, np.ndarray] = {}
    found: dict[str, np.ndarray] = {}
    kept = []
    for pair in pairs:
        if not pair.usable or pair.source.split("/", 1)[0] not in actors:
            continue
        for key in (pair.source, pair.target):
            if key not in faces:
                track = tracks[key]
                faces[key], found[key] = track.faces, np.asarray(track.found, dtype=bool)
        path = np.asarray(pair.path)
        path = path[found[pair.source][path[:, 0]] & found[pair.target][path[:, 1]]]
        if len(path):
            kept.append(ClipPair(pair.source, pair.target, path))
    return FramePairs(faces, tuple(kept))
