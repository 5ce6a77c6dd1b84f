"""What is kept of one learned variant: values of each quantity, by actor and clip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.artifacts import writing
from spfem.errors import ArtifactError, ShapeError


@dataclass(frozen=True)
class Measured:
    """A quantity at N observations.

    Attributes:
        values: (N, 2): sum and count of what is averaged, or for quantities by rank the right
            and the wrong score.
        clusters: (N, 2) str, actor and clip (pair).

    Raises:
        ShapeError: if the arrays are not (N, 2), or N is 0.
    """

    values: np.ndarray
    clusters: np.ndarray

    def __post_init__(self) -> None:
        shapes = self.values.shape, self.clusters.shape
        if shapes != ((len(self.values), 2), (len(self.values), 2)) or not len(self.values):
            raise ShapeError(f"values and clusters must be (N, 2) with N > 0, found {shapes}")


def measured_means(values: np.ndarray, clusters: np.ndarray) -> Measured:
    """A mean of values (N,), summed up within each cluster, since those are redrawn whole.

    NaN values do not count.
    """
    names, numbers = np.unique(clusters, axis=0, return_inverse=True)
    numbers, known = numbers.reshape(-1), ~np.isnan(values)
    count = len(names)
    sums = np.bincount(numbers[known], np.asarray(values, float)[known], minlength=count)
    return Measured(np.stack([sums, np.bincount(numbers[known], minlength=count)], 1), names)


def save_measured(path: Path, quantities: Mapping[str, Measured]) -> None:
    """Write one npz file, whole or not at all."""
    arrays = {}
    for name, measured in quantities.items():
        arrays[f"{name}.values"] = np.asarray(measured.values, np.float64)
        arrays[f"{name}.clusters"] = np.asarray(measured.clusters, str)
    with writing(path) as aside:
        np.savez_compressed(aside, names=np.array(json.dumps(list(quantities))), **arrays)  # type: ignore[arg-type]


def load_measured(path: Path) -> dict[str, Measured]:
    """Read what `save_measured` wrote.

    Raises:
        ArtifactError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {
                name: Measured(stored[f"{name}.values"], stored[f"{name}.clusters"])
                for name in json.loads(str(stored["names"]))
            }
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ArtifactError(
            f"{path} holds no measurements ({error}); delete its folder and run again"
        ) from error
