"""SCMCL in the renderer: which retrieved frames it learns, and what it is told about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spfem.chain import ConditionSource, mouth_centres
from spfem.correlation.crossmodal.bank import AudioBank
from spfem.correlation.crossmodal.retrieval import retrieve_all
from spfem.errors import ShapeError
from spfem.face.track_file import FaceTrack
from spfem.renderer.pairs import RetrievedPairs
from spfem.settings import EMOTIONS, RendererSettings

EditOfPair = Callable[[FaceTrack, FaceTrack], np.ndarray]
"""Expression (T, E) of the first track with the emotion of the second, by the manipulator."""


@dataclass(frozen=True)
class DrawnPairs:
    """N source windows of an audio bank, each with one window of another emotion.

    Attributes:
        source: (N,) number of the source window.
        target: (N,) number of the retrieved window.
        by_way_of: (N,) number of the neutral window between two emotions, -1 where none is.
        distance: (N,) float32 audio distance d of the pair (from the neutral window if there is).
        first_distance: (N,) float32 audio distance d' of source and neutral window, else 0.
    """

    source: np.ndarray
    target: np.ndarray
    by_way_of: np.ndarray
    distance: np.ndarray
    first_distance: np.ndarray


def draw_pairs(bank: AudioBank, count: int, seed: int) -> DrawnPairs:
    """Draw pairs of different emotions, at most `count` and as many as there are.

    A source window and a target emotion for which anything was retrieved are drawn without
    replacement, then one of the candidates. Source: SCMCL.
    """
    random = np.random.default_rng([seed, count])
    found: list[np.ndarray] = []
    labels = np.unique(bank.emotion)
    retrieved = {int(label): retrieve_all(bank, EMOTIONS[label]) for label in labels}
    for label, candidates in retrieved.items():
        windows = np.flatnonzero(candidates.found & (bank.emotion != label))
        found.append(np.stack([windows, np.full(len(windows), label)], axis=1))
    offers = np.concatenate(found) if found else np.empty((0, 2), int)
    drawn = offers[random.choice(len(offers), min(count, len(offers)), replace=False)]
    rows = []
    for window, label in drawn:
        candidates = retrieved[int(label)]
        column = random.integers((candidates.window[window] >= 0).sum())
        rows.append(
            (
                window,
                candidates.window[window, column],
                candidates.by_way_of[window, column],
                candidates.distance[window, column],
                candidates.first_distance[window, column],
            )
        )
    columns = list(zip(*rows, strict=True)) or [()] * 5
    whole = [np.array(column, np.int64) for column in columns[:3]]
    return DrawnPairs(*whole, *(np.array(column, np.float32) for column in columns[3:]))


def collect_pairs(
    bank: AudioBank,
    drawn: DrawnPairs,
    tracks: Mapping[str, FaceTrack],
    edit: EditOfPair,
    show: Callable[[FaceTrack], ConditionSource],
    settings: RendererSettings,
    *,
    frames: int,
    jaw_columns: tuple[int, ...],
) -> RetrievedPairs:
    """Draw the conditions of pairs and take their faces.

    The last `frames` of each window are taken. Conditions are those of the retrieved frames, with
    the expression that the manipulator makes of the source at the same place of its window. The
    jaw stays that of the retrieved frames: their real pictures are the target, and a renderer that
    is shown another opening than it shall draw learns not to trust the jaw.

    Args:
        bank: of the actor.
        drawn: pairs of windows.
        tracks: of the bank's clips by key.
        edit: moves the source clip to the emotion of the retrieved clip.
        show: draws the conditions of a track.
        settings: of the renderer.
        frames: T.
        jaw_columns: of the expression.

    Raises:
        ShapeError: if a window of the bank is shorter than the frames that are needed.

    Source: SCMCL (jaw kept from the target). Departs from the released code, which gives the last
    expression to all frames and draws them unaligned in BGR.
    """
    lead = settings.window_frames - 1
    if bank.window_frames < frames + lead:
        raise ShapeError(
            f"windows of the audio bank have {bank.window_frames} frames; retrieved pairs need "
            f"{frames + lead} (frames of the metric and those before them)"
        )
    edits: dict[tuple[str, str], np.ndarray] = {}
    conditions, faces, centres, references = [], [], [], []
    for source, target, between in zip(drawn.source, drawn.target, drawn.by_way_of, strict=True):
        own, own_rows = _last_frames(bank, source, frames + lead)
        other, other_rows = _last_frames(bank, target, frames + lead)
        if (own, other) not in edits:
            edits[own, other] = edit(tracks[own], tracks[other])
        expression = edits[own, other][own_rows].copy()
        track = tracks[other].take_frames(other_rows)
        expression[:, list(jaw_columns)] = track.expression[:, list(jaw_columns)]
        conditions.append(show(track).conditions(expression))
        faces.append(track.faces[lead:])
        centres.append(mouth_centres(track)[lead:])
        seen, seen_rows = _last_frames(bank, source if between < 0 else between, frames)
        references.append(tracks[seen].faces[seen_rows])
    side, channels = settings.image_size, settings.condition_channels
    return RetrievedPairs(
        _stack(conditions, (frames + lead, side, side, channels), np.uint8),
        _stack(faces, (frames, side, side, 3), np.uint8),
        _stack(centres, (frames, 2), np.float32),
        _stack(references, (frames, side, side, 3), np.uint8),
        drawn.distance,
        drawn.first_distance,
        bank.emotion[drawn.source].astype(np.int64),
        bank.emotion[drawn.target].astype(np.int64),
    )


def _last_frames(bank: AudioBank, window: int, count: int) -> tuple[str, np.ndarray]:
    """Key of a window's clip and its last `count` frames."""
    end = int(bank.first[window]) + bank.window_frames
    return bank.keys[bank.clip[window]], np.arange(end - count, end)


def _stack(parts: list[np.ndarray], shape: tuple[int, ...], kind: type) -> np.ndarray:
    return np.stack(parts).astype(kind) if parts else np.empty((0, *shape), kind)
