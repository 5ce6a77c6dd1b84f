"""Things before the face: where the skin does not look as it does in the rest of the clip."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import KDTree

NEIGHBOURHOOD = 0.06  # head units; what hides the face is at least this large
LEAST_DEVIATION = 35.0  # grey levels that skin may differ by
DEVIATIONS = 5.0  # of a place's own spread in the clip
FIRST, WHOLLY = 0.12, 0.35  # share of a neighbourhood that differs, from which it stays


def neighbourhoods(places: np.ndarray) -> csr_array:
    """Weights (U, U) that average over the vertices (U, 3) near each one."""
    pairs = KDTree(places).query_pairs(NEIGHBOURHOOD, output_type="ndarray")
    own = np.arange(len(places))
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], own])
    columns = np.concatenate([pairs[:, 1], pairs[:, 0], own])
    counts = np.bincount(rows, minlength=len(places))
    return csr_array((1 / counts[rows], (rows, columns)), shape=(len(places),) * 2)


class SkinAppearance:
    """What each place of the skin usually looks like in a clip.

    Args:
        colours: (K, U, 3) of the skin's vertices in some frames.
        near: see `neighbourhoods`.
    """

    def __init__(self, colours: np.ndarray, near: csr_array):
        self.near = near
        self.usual = np.median(colours, axis=0)
        even = colours * _gains(colours, self.usual)[:, None, None]
        self.usual = np.median(even, axis=0)
        spread = np.median(np.abs(even - self.usual).max(-1), axis=0)
        self.allowed = LEAST_DEVIATION + DEVIATIONS * spread

    def hidden(self, colours: np.ndarray) -> np.ndarray:
        """How far (B, U), 0 to 1, something else is seen in place of the skin.

        A single place may be a wrinkle or a highlight; only whole neighbourhoods count.

        Args:
            colours: (B, U, 3) of the skin's vertices.
        """
        even = colours * _gains(colours, self.usual)[:, None, None]
        differs = np.abs(even - self.usual).max(-1) > self.allowed
        share = (self.near @ differs.T.astype(np.float32)).T
        step = np.clip((share - FIRST) / (WHOLLY - FIRST), 0, 1)
        return (step * step * (3 - 2 * step)).astype(np.float32)


def _gains(colours: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Factors (B,) that make frames as bright as usual: light and exposure hide nothing."""
    ratio = usual.sum(-1) / np.maximum(colours.sum(-1), 1)
    return np.clip(np.median(ratio, axis=1), 0.5, 2)
