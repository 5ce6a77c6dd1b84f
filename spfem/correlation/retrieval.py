"""Which windows of another emotion sound like a given window: pairs without annotation.

Source: SCMCL. Departs from the released code: one table of windows is the index of everything, so
short sound cannot shift anything; the last window of a clip is kept; only distances that retrieval
can use are stored, not the full matrices; nothing is drawn here, all candidates are given.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spfem.correlation.learn_sound import embed_runs
from spfem.correlation.scmcl import CrossModalCoherence, embedding_distances
from spfem.correlation.sound import FrameTable
from spfem.errors import ArtifactError, CorpusError
from spfem.files import writing
from spfem.settings import EMOTIONS

EMBEDDED_AT_ONCE = 1024  # windows
NEUTRAL = EMOTIONS[0]


@dataclass(frozen=True)
class Nearest:
    """The nearest windows of another emotion for each window of one; ascending distance.

    `index` (N, K) int32 counts among the windows of the other emotion, -1 where none is left;
    `distance` (N, K) float32 is infinite there.
    """

    index: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True)
class AudioBank:
    """Windows of one actor, and which of them sound alike.

    Attributes:
        actor: whose windows.
        keys: of the clips.
        window_frames: length of a window.
        clip: (W,) int32 number in `keys`; windows are sorted by emotion, clip and time.
        first: (W,) int32 frame of the clip that the window starts with.
        emotion: (W,) int32 index in `EMOTIONS`.
        from_neutral: emotion to the nearest windows of it, a row a neutral window.
        to_neutral: emotion to the nearest neutral windows, a row a window of the emotion.
        threshold: largest distance that is kept.
        digest: of the metric and frames that the bank was made from.
    """

    actor: str
    keys: tuple[str, ...]
    window_frames: int
    clip: np.ndarray
    first: np.ndarray
    emotion: np.ndarray
    from_neutral: Mapping[str, Nearest]
    to_neutral: Mapping[str, Nearest]
    threshold: float
    digest: str

    def windows(self, emotion: str) -> np.ndarray:
        """Numbers (N,) of the windows of an emotion; indices of `Nearest` count in these.

        Raises:
            CorpusError: if the bank has no window of the emotion.
        """
        found = (
            np.flatnonzero(self.emotion == EMOTIONS.index(emotion))
            if emotion in EMOTIONS
            else np.empty(0, int)
        )
        if not len(found):
            raise CorpusError(f"the audio bank of {self.actor} has no window of {emotion!r}")
        return found

    def save(self, path: Path) -> None:
        """Write one npz file, whole or not at all."""
        facts = {
            "actor": self.actor,
            "keys": self.keys,
            "window_frames": self.window_frames,
            "threshold": self.threshold,
            "digest": self.digest,
            "emotions": tuple(self.from_neutral),
        }
        arrays = {"clip": self.clip, "first": self.first, "emotion": self.emotion}
        for side in ("from_neutral", "to_neutral"):
            for emotion, nearest in getattr(self, side).items():
                arrays[f"{side}.{emotion}.index"] = nearest.index
                arrays[f"{side}.{emotion}.distance"] = nearest.distance
        with writing(path) as aside:
            np.savez(aside, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> AudioBank:
        """Read a file of `save`.

        Raises:
            ArtifactError: if the file is missing, damaged or of another kind.
        """
        try:
            with np.load(path) as stored:
                facts = json.loads(str(stored["facts"]))
                emotions = facts.pop("emotions")
                sides = {
                    side: {
                        name: Nearest(
                            stored[f"{side}.{name}.index"], stored[f"{side}.{name}.distance"]
                        )
                        for name in emotions
                    }
                    for side in ("from_neutral", "to_neutral")
                }
                arrays = {name: stored[name] for name in ("clip", "first", "emotion")}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{path} is no audio bank ({error}); make it again") from error
        return cls(**{**facts, "keys": tuple(facts["keys"]), **arrays, **sides})


def nearest_below(distances: np.ndarray, threshold: float, top_k: int) -> Nearest:
    """The `top_k` smallest entries of each row of (N, M) that are not above `threshold`."""
    count = min(top_k, distances.shape[1])
    # Ties keep the earlier window, whatever the platform.
    order = np.argsort(distances, axis=1, kind="stable")[:, :count]
    found = np.take_along_axis(distances, order, axis=1).astype(np.float32)
    kept = found <= threshold
    return Nearest(
        np.where(kept, order, -1).astype(np.int32),
        np.where(kept, found, np.inf).astype(np.float32),
    )


@torch.no_grad()
def make_bank(
    model: CrossModalCoherence, table: FrameTable, actor: str, window_frames: int, digest: str
) -> AudioBank:
    """Measure how far the neutral and the emotional windows of one actor sound apart.

    Args:
        model: the metric; evaluated in evaluation mode.
        table: with sound; the clips of the actor are taken.
        actor: first part of their keys.
        window_frames: length of a window; hop 1. The last `settings.frames` are embedded.
        digest: of what the bank is made from.

    Raises:
        CorpusError: if the actor has no neutral window.
    """
    settings = model.settings
    numbers = [n for n, key in enumerate(table.keys) if key.split("/")[0] == actor]
    numbers.sort(key=lambda n: (EMOTIONS.index(table.keys[n].split("/")[1]), table.keys[n]))
    keys = tuple(table.keys[n] for n in numbers)
    counts = [max(0, table.starts[n + 1] - table.starts[n] - window_frames + 1) for n in numbers]
    clip = np.repeat(np.arange(len(keys)), counts).astype(np.int32)
    first = np.concatenate([np.arange(0), *map(np.arange, counts)]).astype(np.int32)
    labels = np.array([EMOTIONS.index(key.split("/")[1]) for key in keys], dtype=np.int32)
    emotion = labels[clip]
    if not (emotion == 0).any():
        raise CorpusError(f"{actor} has no neutral window of {window_frames} frames with sound")
    last = table.starts[np.array(numbers)][clip] + first + window_frames - 1
    runs = table.runs(last, settings.frames, ending=True)
    was_training = model.training
    model.eval()
    embeddings = torch.cat(
        [
            embed_runs(model, table, "audio", runs[start : start + EMBEDDED_AT_ONCE])
            for start in range(0, len(runs), EMBEDDED_AT_ONCE)
        ]
    )
    model.train(was_training)
    from_neutral, to_neutral = {}, {}
    neutral = embeddings[torch.from_numpy(np.flatnonzero(emotion == 0))]
    for label, name in enumerate(EMOTIONS):
        if label == 0 or not (emotion == label).any():
            continue
        others = embeddings[torch.from_numpy(np.flatnonzero(emotion == label))]
        distances = embedding_distances(neutral, others, settings.mode).cpu().numpy()
        from_neutral[name] = nearest_below(distances, settings.threshold, settings.top_k)
        to_neutral[name] = nearest_below(distances.T, settings.threshold, settings.top_k)
    return AudioBank(
        actor, keys, window_frames, clip, first, emotion, from_neutral, to_neutral,
        settings.threshold, digest,
    )  # fmt: skip


@dataclass(frozen=True)
class Candidates:
    """Windows that sound alike, for N source windows; K columns, ascending distance.

    `window` (N, K) int32 is the number in the bank, -1 where there is none, `distance` (N, K) that
    to the window that was asked with, infinite where there is none. `by_way_of` (N, K) int32 is the
    neutral window between two other emotions, else -1; `first_distance` (N, K) that from the source
    to it, else 0, infinite where there is no candidate.
    """

    window: np.ndarray
    distance: np.ndarray
    by_way_of: np.ndarray
    first_distance: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """(N,) bool, whether a source window has a candidate."""
        return self.window[:, 0] >= 0


def retrieve_all(bank: AudioBank, emotion: str, windows: np.ndarray | None = None) -> Candidates:
    """Candidates of the given source windows (N,), by default of all, for a target emotion.

    The same emotion: the window itself at distance 0. From or to neutral: the nearest windows
    below the threshold. Between two other emotions: one candidate, the nearest window of the
    nearest neutral window, where both are below the threshold.

    Raises:
        CorpusError: if the bank has no window of the emotion.
    """
    wanted = np.arange(len(bank.clip)) if windows is None else np.asarray(windows)
    targets = bank.windows(emotion)
    widest = [nearest.index.shape[1] for nearest in bank.from_neutral.values()]
    widest += [nearest.index.shape[1] for nearest in bank.to_neutral.values()]
    shape = (len(wanted), max(widest, default=1))
    result = Candidates(
        np.full(shape, -1, np.int32),
        np.full(shape, np.inf, np.float32),
        np.full(shape, -1, np.int32),
        np.full(shape, np.inf, np.float32),
    )
    for label in np.unique(bank.emotion[wanted]):
        source = EMOTIONS[label]
        here = np.flatnonzero(bank.emotion[wanted] == label)
        rows = np.searchsorted(bank.windows(source), wanted[here])
        if source == emotion:
            result.window[here, 0] = wanted[here]
            result.distance[here, 0] = result.first_distance[here, 0] = 0
        elif NEUTRAL in (source, emotion):
            from_neutral = source == NEUTRAL
            nearest = bank.from_neutral[emotion] if from_neutral else bank.to_neutral[source]
            index = nearest.index[rows]
            places = np.ix_(here, np.arange(index.shape[1]))
            result.window[places] = np.where(index >= 0, targets[index], -1)
            result.distance[places] = nearest.distance[rows]
            result.first_distance[places] = np.where(index >= 0, 0, np.inf)
        else:
            back, onward = bank.to_neutral[source], bank.from_neutral[emotion]
            between = back.index[rows, 0]
            index, distance = onward.index[between, 0], onward.distance[between, 0]
            found = (between >= 0) & (index >= 0)
            at = here[found]
            result.window[at, 0] = targets[index[found]]
            result.distance[at, 0] = distance[found]
            result.by_way_of[at, 0] = bank.windows(NEUTRAL)[between[found]]
            result.first_distance[at, 0] = back.distance[rows, 0][found]
    return result
