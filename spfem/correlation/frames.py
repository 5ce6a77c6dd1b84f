"""Frames of two emotions that say the same: where metric learning gets its images from.

Singly, in windows of consecutive steps of a warping path, or several moments of a sentence. The
last serve our extension of the spatial metric: the published negatives are other places of the same
image, so the metric need only learn places. There the same places at another moment of the same
clip pair are negatives too: what tells two moments of a sentence apart is speech.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from spfem.errors import CorpusError, ShapeError

MOMENT_GAP_FRAMES = 3  # another moment is at least this far away, since neighbours look alike


class TrackedFaces(Protocol):
    """What a face track must offer: aligned faces and whether a face was found."""

    @property
    def faces(self) -> np.ndarray:
        """(T, S, S, 3) uint8 RGB."""

    @property
    def found(self) -> np.ndarray:
        """(T,) bool."""


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


class PairStore(Protocol):
    """Aligned clip pairs of a corpus."""

    @property
    def pairs(self) -> Iterable[AlignedClips]:
        """Every pair of the corpus."""


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

        Departs from the released code in that pairs are drawn directly, not actor by actor.
        """
        chosen = [self.pairs[number] for number in random.integers(len(self.pairs), size=count)]
        entries = [pair.path[random.integers(len(pair.path))] for pair in chosen]
        return self.stack(list(zip(chosen, entries, strict=True)))

    def stack(
        self, moments: Sequence[tuple[ClipPair, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Neutral and emotion frames (B, ..., S, S, 3) at path entries (..., 2) of clip pairs."""
        return (
            np.stack([self.faces[pair.source][entry[..., 0]] for pair, entry in moments]),
            np.stack([self.faces[pair.target][entry[..., 1]] for pair, entry in moments]),
        )


def collect_frame_pairs(
    tracks: Mapping[str, TrackedFaces], pairs: Iterable[AlignedClips], actors: Collection[str]
) -> FramePairs:
    """Gather the usable pairs of `actors`, leaving out path entries without a found face.

    Each track is read once.

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


class PathWindows(NamedTuple):
    """B windows of T steps of a warping path.

    `neutral` and `emotion` are (B, T, S, S, 3) uint8 RGB, aligned step by step; `held` (B, T - 1,
    2) bool marks steps that stay on a frame, (neutral, emotion).
    """

    neutral: np.ndarray
    emotion: np.ndarray
    held: np.ndarray


@dataclass(frozen=True)
class FrameWindows:
    """All windows of `window_frames` consecutive steps on the paths of clip pairs.

    A step is consecutive if neither clip moves by more than one frame, so that a window never spans
    path entries that were left out because a face was not found. Source: STCCL. Departs from the
    released code, which never uses the last window of a path.

    Raises:
        CorpusError: if no pair has a window of that length.
    """

    frames: FramePairs
    window_frames: int
    starts: tuple[np.ndarray, ...] = field(init=False)

    def __post_init__(self) -> None:
        starts = tuple(window_starts(pair, self.window_frames) for pair in self.frames.pairs)
        object.__setattr__(self, "starts", starts)
        if not any(len(each) for each in starts):
            raise CorpusError(
                f"no clip pair has {self.window_frames} consecutive path steps with found faces; "
                "use shorter windows"
            )

    def draw_windows(self, count: int, random: np.random.Generator) -> PathWindows:
        """Draw a pair uniformly, then one of its windows uniformly, `count` times."""
        usable = [number for number, starts in enumerate(self.starts) if len(starts)]
        chosen = [usable[n] for n in random.integers(len(usable), size=count)]
        moments = []
        for number in chosen:
            pair, start = self.frames.pairs[number], int(random.choice(self.starts[number]))
            moments.append((pair, pair.path[start : start + self.window_frames]))
        held = np.stack([held_steps(entries) for _, entries in moments])
        return PathWindows(*self.frames.stack(moments), held)


def window_starts(pair: ClipPair, window_frames: int) -> np.ndarray:
    """First path entry of every window of consecutive steps, (N,) int."""
    steps = np.diff(pair.path, axis=0)
    consecutive = np.all((steps >= 0) & (steps <= 1), axis=1)
    if len(consecutive) < window_frames - 1:
        return np.zeros(0, dtype=int)
    return np.flatnonzero(sliding_window_view(consecutive, window_frames - 1).all(axis=1))


def held_steps(path: np.ndarray) -> np.ndarray:
    """Which steps of a path (T, 2) stay on a frame, (T - 1, 2) bool."""
    return np.diff(path, axis=0) == 0


def draw_moments(
    frames: FramePairs, count: int, moments: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw clip pairs uniformly, and an entry of each of `moments` equal parts of their paths.

    The shorter the path, the nearer they may lie, so the contrast leaves out those that are too
    near. Returns neutral and emotion frames (B, S, S, 3) uint8 RGB, B the `count`, clip pair by
    clip pair, and their frame indices (G, M, 2), (source, target), B = G M.

    Raises:
        ShapeError: if `count` is no multiple of `moments`.
    """
    if moments < 2 or count % moments:
        raise ShapeError(
            f"{count} frame pairs cannot be {moments} moments each of some clip pairs; "
            "take a multiple of at least 2 moments"
        )
    chosen = random.integers(len(frames.pairs), size=count // moments)
    pairs = [frames.pairs[number] for number in chosen]
    starts = np.arange(moments) + random.random((len(pairs), moments))
    numbers = np.stack(
        [
            pair.path[(places * len(pair.path) / moments).astype(int)]
            for pair, places in zip(pairs, starts, strict=True)
        ]
    )
    each = [(pair, row) for pair, rows in zip(pairs, numbers, strict=True) for row in rows]
    return *frames.stack(each), numbers


def too_near(numbers: Tensor, gap_frames: int) -> Tensor:
    """Which moments (G, M, 2) of a clip pair are less than `gap_frames` apart in either clip.

    Returns:
        (G, M, M) bool, false on the diagonal (the positive).
    """
    distance = (numbers[:, :, None] - numbers[:, None]).abs()  # (G, M, M, 2)
    itself = torch.eye(numbers.shape[1], dtype=torch.bool, device=numbers.device)
    return (distance < gap_frames).any(dim=3) & ~itself


def moment_contrast(
    query: Tensor, key: Tensor, numbers: Tensor, *, temperature: float, gap_frames: int
) -> Tensor:
    """Cross-entropy (B,) of finding each moment among those of its clip pair; ln M at chance.

    The score of two moments is the mean cosine over places of descriptors (B, C, S), unit over C, B
    = G M, clip pair by clip pair; `numbers` (G, M, 2) are their frame indices (source, target), and
    moments nearer than `gap_frames` are no negatives. Scored place by place, places that cannot
    tell moments apart draw all descriptors together, since that makes wrong answers cheap; of a
    mean they are a part that does no harm. Both ways: the key's moment of a query, and the query's
    moment of a key. No gradient reaches the key.

    Raises:
        ShapeError: if the shapes do not belong together.
    """
    if query.shape != key.shape or query.ndim != 3 or len(query) != numbers[..., 0].numel():
        raise ShapeError(
            f"query {tuple(query.shape)} and key {tuple(key.shape)} must be (B, C, S) with the B "
            f"moments of numbers {tuple(numbers.shape)}"
        )
    groups = numbers.shape[:2]
    rows, others = (each.flatten(1).unflatten(0, groups) for each in (query, key.detach()))
    logits = rows @ others.transpose(1, 2) / (query.shape[2] * temperature)  # (G, M, M)
    logits = logits.masked_fill(too_near(numbers, gap_frames), float("-inf"))
    ways = [functional.log_softmax(logits, dim=way) for way in (1, 2)]
    own = torch.stack([way.diagonal(dim1=1, dim2=2) for way in ways]).mean(dim=0)
    return -own.flatten()


def speech_loss(
    levels: Sequence[tuple[Tensor, Tensor]],
    numbers: Tensor,
    *,
    temperature: float,
    gap_frames: int,
) -> Tensor:
    """Sum over levels (query, key) of the mean `moment_contrast`, whose arguments these are."""
    rows = [
        moment_contrast(query, key, numbers, temperature=temperature, gap_frames=gap_frames).mean()
        for query, key in levels
    ]
    return torch.stack(rows).sum()
