"""Means of clips by emotion, with their redraws; the average counts every emotion alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spfem.settings import EMOTIONS


class Mean(NamedTuple):
    """A mean over clips, the same mean in each redraw (R,), and the number of clips."""

    value: float
    draws: np.ndarray
    clips: int


def emotion_means(values: np.ndarray, emotions: np.ndarray, counts: np.ndarray) -> dict[str, Mean]:
    """Mean over the clips of each emotion that has any.

    Args:
        values: (N,) one a clip; NaN where it could not be measured, which does not count.
        emotions: (N,) their emotions.
        counts: (R, N) how often each clip occurs in each redraw.

    Returns:
        By emotion, in the order of `EMOTIONS`; a redraw without a measured clip is NaN.
    """
    means = {}
    for emotion in EMOTIONS:
        chosen = (emotions == emotion) & np.isfinite(values)
        if chosen.any():
            taken, weight = values[chosen], counts[:, chosen]
            total = weight.sum(axis=1)
            draws = np.where(total > 0, weight @ taken / np.maximum(total, 1), np.nan)
            means[emotion] = Mean(float(taken.mean()), draws, int(chosen.sum()))
    return means


def average_of(means: dict[str, Mean]) -> Mean:
    """The mean over emotions of their means, of at least one emotion."""
    value = float(np.mean([mean.value for mean in means.values()]))
    draws = np.nanmean(np.stack([mean.draws for mean in means.values()]), axis=0)
    return Mean(value, draws, sum(mean.clips for mean in means.values()))
