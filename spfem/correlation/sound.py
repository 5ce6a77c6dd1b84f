"""Frames of all clips, each held once, the pairs that say the same, and batches of them.

Source: SCMCL. Departs from the released code: slices of sound start at the time of their frame
(no drift where the frame rate does not divide the sample rate), one table of frames serves every
modality, and frames without a face or without sound are left out of the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from spfem.correlation.frames import AlignedClips, PairStore
from spfem.errors import CorpusError, ShapeError
from spfem.settings import CrossModalSettings

MODALITIES: tuple[str, ...] = ("audio", "expression", "image")


@dataclass(frozen=True)
class ClipSignals:
    """What one clip offers; the modalities that are learned must be given.

    `audio` (A,) float32 mono in [-1, 1] starts with the first frame, `expression` is (T, E)
    float32, `image` (T, S, S, 3) uint8 RGB aligned faces, `found` (T,) bool says whether a face was
    found; None: in every frame.
    """

    audio: np.ndarray | None = None
    expression: np.ndarray | None = None
    image: np.ndarray | None = None
    found: np.ndarray | None = None


@dataclass(frozen=True)
class FrameTable:
    """All frames of all clips one after the other; the shared index of every modality.

    `keys` are those of the clips, `starts` (clips + 1,) the row of each clip's first frame and the
    number of rows F, `found` is (F,) bool; `signals` holds `audio` (F, A), `expression` (F, E),
    `image` (F, S, S, 3) uint8 RGB.
    """

    keys: tuple[str, ...]
    starts: np.ndarray
    found: np.ndarray
    signals: Mapping[str, np.ndarray]

    def rows(self, key: str) -> np.ndarray:
        """Rows (T,) of the frames of one clip.

        Raises:
            CorpusError: if the table lacks the clip.
        """
        if key not in self.keys:
            raise CorpusError(f"the frame table has no clip {key!r}")
        number = self.keys.index(key)
        return np.arange(self.starts[number], self.starts[number + 1])

    @property
    def clip_of(self) -> np.ndarray:
        """(F,) number of the clip of each row."""
        return np.repeat(np.arange(len(self.keys)), np.diff(self.starts))

    def runs(self, rows: np.ndarray, count: int, *, ending: bool = False) -> np.ndarray:
        """Rows (..., count) of consecutive frames, clamped at the ends of their clip.

        `rows` (...) are the first row of each run, or the last one if `ending`.
        """
        clip = self.clip_of[rows]
        steps = np.arange(count) - (count - 1 if ending else 0)
        wanted = np.asarray(rows)[..., None] + steps
        return np.clip(wanted, self.starts[clip][..., None], self.starts[clip + 1][..., None] - 1)


@dataclass(frozen=True)
class FrameSamples:
    """Pairs of frames that say the same, as rows of a `FrameTable`.

    `source` (N,) are rows of neutral frames, `target` (N,) those in another emotion, `group` (N,)
    numbers of actor and target emotion, whose names are `<actor>/<emotion>`; negatives come from
    one group.
    """

    source: np.ndarray
    target: np.ndarray
    group: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.source)


def slice_audio(samples: np.ndarray, settings: CrossModalSettings) -> np.ndarray:
    """Cut sound (A,) into one slice a video frame (T, frame_samples); a short rest is dropped.

    Raises:
        ShapeError: if `samples` is not one-dimensional, not finite or shorter than one frame.
    """
    samples = np.asarray(samples, dtype=np.float32)
    length = settings.frame_samples
    if samples.ndim != 1 or len(samples) < length or not np.isfinite(samples).all():
        raise ShapeError(
            f"audio must be finite (A,) with at least {length} samples, found {samples.shape}"
        )
    count = (len(samples) - length) * settings.fps // settings.sample_rate + 1
    starts = np.arange(count) * settings.sample_rate // settings.fps
    return samples[starts[:, None] + np.arange(length)]


def shrink_faces(faces: np.ndarray, side: int) -> np.ndarray:
    """Resize aligned faces (T, S, S, 3) uint8 RGB to (T, side, side, 3), antialiased."""
    if faces.shape[1:3] == (side, side):
        return faces
    images = torch.from_numpy(faces).permute(0, 3, 1, 2).float()
    resized = functional.interpolate(
        images, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return resized.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def tabulate_frames(clips: Mapping[str, ClipSignals], settings: CrossModalSettings) -> FrameTable:
    """Lay the frames of all clips, by key, into one table.

    A clip counts as many frames as its shortest modality, so that no index depends on which
    modality is looked at.

    Raises:
        CorpusError: if there is no clip, or clips offer different modalities.
        ShapeError: if an array has the wrong shape.
    """
    offered = {
        key: tuple(name for name in MODALITIES if getattr(clip, name) is not None)
        for key, clip in clips.items()
    }
    if len(set(offered.values())) != 1 or not next(iter(offered.values())):
        raise CorpusError(
            f"clips must all offer the same modalities, at least one, found "
            f"{sorted(set(offered.values()))} in {len(clips)} clips"
        )
    parts: dict[str, list[np.ndarray]] = {name: [] for name in next(iter(offered.values()))}
    found, lengths = [], [0]
    for key, clip in clips.items():
        arrays = {name: _frames(key, name, clip, settings) for name in parts}
        known = len(clip.found) if clip.found is not None else len(next(iter(arrays.values())))
        length = min(known, *(len(array) for array in arrays.values()))
        lengths.append(length)
        for name, array in arrays.items():
            parts[name].append(array[:length])
        found.append(np.ones(length, bool) if clip.found is None else clip.found[:length])
    return FrameTable(
        tuple(clips),
        np.cumsum(lengths),
        np.concatenate(found).astype(bool),
        {name: np.concatenate(arrays) for name, arrays in parts.items()},
    )


def _frames(key: str, name: str, clip: ClipSignals, settings: CrossModalSettings) -> np.ndarray:
    array = np.asarray(getattr(clip, name))
    if name == "audio":
        return slice_audio(array, settings)
    if array.ndim != {"expression": 2, "image": 4}[name] or not len(array):
        raise ShapeError(
            f"{name} of {key} must be (T, E) for expressions and (T, S, S, 3) for images, "
            f"found {array.shape}"
        )
    return array.astype(np.float32) if name == "expression" else array


def collect_samples(
    table: FrameTable, pairs: Iterable[AlignedClips], roles: Mapping[str, str], role: str
) -> FrameSamples:
    """One sample for each entry of the usable warping paths of the actors of a role.

    The table holds every clip that the pairs of these actors name. Entries beyond it or without a
    found face are left out.

    Raises:
        CorpusError: if nothing remains.
    """
    sources, targets, groups = [], [], []
    names: dict[str, int] = {}
    for pair in pairs:
        actor, emotion = pair.target.split("/")[:2]
        if not pair.usable or roles.get(actor) != role:
            continue
        rows = table.rows(pair.source), table.rows(pair.target)
        path = np.asarray(pair.path)
        path = path[(path < (len(rows[0]), len(rows[1]))).all(axis=1)]
        source, target = rows[0][path[:, 0]], rows[1][path[:, 1]]
        seen = table.found[source] & table.found[target]
        sources.append(source[seen])
        targets.append(target[seen])
        number = names.setdefault(f"{actor}/{emotion}", len(names))
        groups.append(np.full(seen.sum(), number))
    if not sources or not sum(map(len, sources)):
        raise CorpusError(
            f"no usable pair of frames of an actor with the role {role!r}; check roles and pairs"
        )
    return FrameSamples(
        np.concatenate(sources), np.concatenate(targets), np.concatenate(groups), tuple(names)
    )


Signals = Callable[[str, tuple[str, ...]], ClipSignals]
"""Gives the named modalities of one clip by its key; called once for each clip."""


def frames_of_roles(
    signals: Signals,
    modalities: tuple[str, ...],
    pairs: PairStore,
    roles: Mapping[str, str],
    settings: CrossModalSettings,
) -> tuple[FrameTable, FrameSamples, FrameSamples | None]:
    """All frames of the paired clips, samples of the `train` and, if any, `held_out` actors.

    Raises:
        CorpusError: if no actor is to be learned from.
    """
    wanted = [
        pair
        for pair in pairs.pairs
        if pair.usable and roles.get(pair.source.split("/")[0]) in ("train", "held_out")
    ]
    keys = dict.fromkeys(key for pair in wanted for key in (pair.source, pair.target))
    if not keys:
        raise CorpusError("no usable clip pair of an actor to learn from; check roles and pairs")
    table = tabulate_frames({key: signals(key, modalities) for key in keys}, settings)
    held_out = None
    if any(roles[pair.source.split("/")[0]] == "held_out" for pair in wanted):
        held_out = collect_samples(table, wanted, roles, "held_out")
    return table, collect_samples(table, wanted, roles, "train"), held_out


@dataclass(frozen=True)
class Batch:
    """Rows of neutral and emotional frames (N,), and which of their pairs are false negatives.

    `mask` (N, N) bool: row a neutral frame, column an emotional frame; None: nothing is masked.
    """

    source: np.ndarray
    target: np.ndarray
    mask: Tensor | None


class BatchDraw:
    """Draws batches from the samples of a table: one anchor, and others of its actor and emotion.

    Source: SCMCL. Departs from the released code: a batch holds distinct pairs, and negatives that
    say the same as the positive are masked; no way rejects draws or decodes anything.

    Raises:
        CorpusError: if a group has fewer than two samples.
    """

    def __init__(
        self, table: FrameTable, samples: FrameSamples, settings: CrossModalSettings
    ) -> None:
        self.samples, self.settings = samples, settings
        self._clip = table.clip_of
        self._members = [np.flatnonzero(samples.group == n) for n in range(len(samples.names))]
        for name, members in zip(samples.names, self._members, strict=True):
            if len(members) < 2:
                raise CorpusError(
                    f"{name} has {len(members)} pair of frames; a batch needs at least 2"
                )

    def __call__(self, random: np.random.Generator) -> Batch:
        """Draw an anchor uniformly, then the rest of its batch; smaller groups are used whole."""
        anchor, others = self.draw_anchor(random)
        count = min(self.settings.batch_size - 1, len(others))
        chosen = np.append(anchor, random.choice(others, count, replace=False))
        source, target = self.samples.source[chosen], self.samples.target[chosen]
        same = self._same(source) | self._same(target)
        return Batch(source, target, torch.from_numpy(same))

    def draw_anchor(self, random: np.random.Generator) -> tuple[int, np.ndarray]:
        """Number of a sample, and of all others of its group."""
        anchor = int(random.integers(len(self.samples)))
        members = self._members[self.samples.group[anchor]]
        return anchor, members[members != anchor]

    def _same(self, rows: np.ndarray) -> np.ndarray:
        """(N, N) bool: whether two rows lie in one clip and so near that they say the same."""
        clip = self._clip[rows]
        apart = np.abs(rows[:, None] - rows[None, :])
        return (clip[:, None] == clip[None, :]) & (apart <= self.settings.false_negative_frames)
