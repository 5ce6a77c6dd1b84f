"""Maps over the places of a face: similarity to one place, probability."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from spfem.correlation.maps import with_border


def map_from(vector: Tensor, described: Tensor) -> np.ndarray:
    """Inner products (H, W) of a descriptor (D,) with those (D, H - 2, W - 2); border NaN."""
    return with_border((vector @ described.flatten(1)).view(described.shape[1:]))


def over_places(similarity: np.ndarray, temperature: float) -> np.ndarray:
    """Probability (H, W) of each place, exp(s / temperature) over its sum over all places.

    What InfoNCE makes of similarities. There the sum is over sampled places and each of their
    neighbours; here it is over all places, of the mean over neighbours.
    """
    largest = np.nanmax(similarity)
    powers = np.exp((similarity.astype(np.float64) - largest) / temperature)
    return powers / np.nansum(powers)


def blank_below(values: np.ndarray, similarity: np.ndarray, threshold: float) -> np.ndarray:
    """`values` (H, W), NaN where the similarity is below the threshold; all of them at -1."""
    if threshold <= -1:  # rounding may take a similarity below -1
        return values
    return np.where(similarity >= threshold, values, np.nan)
