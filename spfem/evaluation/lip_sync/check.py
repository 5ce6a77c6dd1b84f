"""Does a lip-sync network know lips of an actor it never saw: planted shifts, found or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from spfem.errors import ShapeError
from spfem.evaluation.lip_sync.measure import LearnedLipSync, embed_clip
from spfem.evaluation.lip_sync.score import distances_by_shift, score_distances, search_of
from spfem.evaluation.lip_sync.training import SpokenClip

COLUMNS = ("actors", "clips", "auc", "offset_found", "offset_near", "lse_d", "lse_c")
WRONG_FRAMES = (3, 15)  # nearest and furthest shift of windows that do not belong together


def check_lip_sync(
    meter: LearnedLipSync, clips: Mapping[str, Sequence[SpokenClip]], shifts: Sequence[int]
) -> pd.DataFrame:
    """Rows with `COLUMNS`, one a group of actors.

    Args:
        meter: with the learned network.
        clips: of each group of actors; those too short to search do not count.
        shifts: planted offsets in frames: the sound is moved so that it comes later by that much.

    Returns:
        `auc` is how often a window of lips is nearer to its own sound than to sound of the same
        clip 3 to 15 frames away, `offset_found` the share of clips and shifts whose offset is
        found exactly, `offset_near` within one frame; `lse_d` and `lse_c` are means without shift.

    Raises:
        ShapeError: if no clip of a group is long enough.
    """
    rows = []
    for name, group in clips.items():
        correct, found, scores = [], [], []
        for clip in group:
            lips, sound = embed_clip(meter.network, clip)
            settings = meter.settings
            if not search_of(len(lips), settings.search_frames, settings.shared_windows):
                continue
            correct.append(_nearer_to_own(lips, sound))
            scores.append(meter.score(clip))
            found += [_found_offset(meter, lips, sound, shift) - shift for shift in shifts]
        if not scores:
            raise ShapeError(f"no clip of {name} is long enough to check lip sync on")
        errors = np.abs(np.asarray(found))
        rows.append(
            (
                name,
                len(scores),
                float(np.nanmean(correct)),
                float((errors == 0).mean()),
                float((errors <= 1).mean()),
                float(np.mean([score.lse_d for score in scores])),
                float(np.mean([score.lse_c for score in scores])),
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _nearer_to_own(lips: np.ndarray, sound: np.ndarray) -> float:
    gaps = np.linalg.norm(lips[:, None] - sound[None], axis=2)
    places = np.arange(len(lips))
    apart = np.abs(places[:, None] - places)
    wrong = (apart >= WRONG_FRAMES[0]) & (apart <= WRONG_FRAMES[1])
    own = np.broadcast_to(gaps.diagonal()[:, None], gaps.shape)
    return float((own < gaps)[wrong].mean())


def _found_offset(meter: LearnedLipSync, lips: np.ndarray, sound: np.ndarray, shift: int) -> int:
    """Offset that is found when the sound comes `shift` frames late (embeddings moved alike)."""
    if shift > 0:
        lips, sound = lips[shift:], sound[:-shift]
    elif shift < 0:
        lips, sound = lips[:shift], sound[-shift:]
    settings = meter.settings
    search = search_of(len(lips), settings.search_frames, settings.shared_windows)
    return score_distances(distances_by_shift(lips, sound, search)).offset
