"""Dynamic time warping of two feature sequences, city-block cost, exact tie order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.errors import ShapeError


@dataclass(frozen=True)
class Alignment:
    """The cheapest monotone path between two sequences.

    Attributes:
        path: int64 (L, 2), rows (i, j) from (0, 0) to (N - 1, M - 1); each step advances i, j or
            both by one.
        cost: sum of the local costs on the path.
        normalised_cost: cost / L, the mean local cost on the path.
    """

    path: np.ndarray
    cost: float
    normalised_cost: float


def accumulated_cost(local: np.ndarray) -> np.ndarray:
    """Cost of the cheapest path to every cell; float64 (N, M) for local costs (N, M).

    Computed by anti-diagonals, whose cells do not depend on each other.

    Example:
        >>> accumulated_cost(np.array([[0.0, 1.0], [1.0, 0.0]])).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    rows, columns = local.shape
    # skewed[d, i] is cell (i, d - i); a border of infinity stands for cells outside
    skewed = np.full((rows + columns - 1, rows), np.inf)
    row, column = np.indices(local.shape)
    skewed[row + column, row] = local
    total = np.full((rows + columns + 1, rows + 1), np.inf)
    total[0, 0] = 0.0  # before the first cell
    for diagonal in range(rows + columns - 1):
        before, two_before = total[diagonal + 1], total[diagonal]
        best = np.minimum(np.minimum(two_before[:-1], before[:-1]), before[1:])
        total[diagonal + 2, 1:] = best + skewed[diagonal]
    return total[row + column + 2, row + 1]


def _trace(total: np.ndarray) -> np.ndarray:
    """Walk back from the last cell; ties go to the diagonal, then i - 1, then j - 1."""
    i, j = total.shape[0] - 1, total.shape[1] - 1
    path = [(i, j)]
    while i or j:
        if not i:
            j -= 1
        elif not j:
            i -= 1
        else:
            diagonal, up, left = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
            if diagonal <= up and diagonal <= left:
                i, j = i - 1, j - 1
            elif up <= left:
                i -= 1
            else:
                j -= 1
        path.append((i, j))
    return np.array(path[::-1], dtype=np.int64)


def align_sequences(a: np.ndarray, b: np.ndarray) -> Alignment:
    """Align two sequences: unconstrained, both ends anchored, unit weights.

    Args:
        a: features (N, D).
        b: features (M, D).

    Raises:
        ShapeError: if either is empty or not two-dimensional, D differs, or values are not finite.

    Source: SCMCL, audio alignment.

    Example:
        >>> once, held = np.array([[0.0], [1.0]]), np.array([[0.0], [0.0], [1.0]])
        >>> align_sequences(once, held).path.tolist()
        [[0, 0], [0, 1], [1, 2]]
    """
    from scipy.spatial.distance import cdist

    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or not a.size or not b.size or a.shape[1] != b.shape[1]:
        raise ShapeError(f"sequences must be (N, D) and (M, D), found {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ShapeError("sequences hold values that are not finite")
    total = accumulated_cost(cdist(a, b, "cityblock"))
    path = _trace(total)
    cost = float(total[-1, -1])
    return Alignment(path, cost, cost / len(path))
