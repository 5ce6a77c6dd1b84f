"""Are lips and sound in time? A proxy: opening of the lips against loudness.

It is no lip-sync score. Lips also open for silent reasons and close for loud sounds, so even a
true video correlates only in part; what counts is the difference between panels of one clip.
"""

from __future__ import annotations

import numpy as np

from spfem.audit.timing import FEWEST_FRAMES, Curve, correlation

QUIETEST = 1e-4  # of full scale; keeps the logarithm of silence finite


def loudness(audio: np.ndarray, sample_rate: int, fps: float, frames: int) -> np.ndarray:
    """Level (T,) in decibels of mono samples (A,) over the time of each video frame."""
    edges = np.minimum(np.round(np.arange(frames + 1) * sample_rate / fps).astype(int), len(audio))
    power = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    energy = (power[edges[1:]] - power[edges[:-1]]) / np.maximum(np.diff(edges), 1)
    return 10 * np.log10(np.maximum(energy, QUIETEST**2))


def lips_against_sound(
    opening: Curve, level: np.ndarray, largest_lag_seconds: float
) -> tuple[float, float, float]:
    """Correlation of lips and loudness in time, and where it is best.

    Args:
        opening: of the lips.
        level: (T,) of the sound over the same frames.
        largest_lag_seconds: either way.

    Returns:
        Correlation at lag 0; best correlation; its lag in seconds, above 0 if the lips come
        after the sound. NaN without enough frames.
    """
    reach = int(largest_lag_seconds * opening.fps)
    by_lag = {}
    for lag in range(-reach, reach + 1):
        at = np.arange(len(level)) + lag
        inside = (at >= 0) & (at < len(opening.values))
        inside[inside] &= opening.usable[at[inside]]
        if inside.sum() >= FEWEST_FRAMES:
            by_lag[lag] = correlation(opening.values[at[inside]], level[inside])
    if 0 not in by_lag:
        return float("nan"), float("nan"), float("nan")
    best = max(by_lag, key=by_lag.__getitem__)
    return by_lag[0], by_lag[best], best / opening.fps
