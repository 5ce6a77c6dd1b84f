"""Temporal operators: what becomes of a place's features over the frames of a window.

All take features (B, T, C, S): B windows of T frames, C channels at S places.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.errors import SettingsError, ShapeError
from spfem.uploads import constant

FRAME_PAIRS: tuple[str, ...] = ("adjacent", "all")


def paired_frames(frames: int, kind: str) -> tuple[list[int], list[int]]:
    """First and second frame of each of the R pairs that are subtracted, i < j.

    Args:
        frames: T of a window.
        kind: `adjacent` gives (0, 1), (1, 2), ...; `all` gives (0, 1), (0, 2), ..., (1, 2), ...

    Raises:
        SettingsError: if `kind` is neither.
        ShapeError: if fewer than two frames are given.

    Example:
        >>> paired_frames(3, "all")
        ([0, 0, 1], [1, 2, 2])
    """
    if kind not in FRAME_PAIRS:
        raise SettingsError(f"frame pairs must be one of {FRAME_PAIRS}, found {kind!r}")
    if frames < 2:
        raise ShapeError(f"a window needs at least 2 frames to compare, found {frames}")
    reach = 1 if kind == "adjacent" else frames - 1
    pairs = [(i, j) for i in range(frames) for j in range(i + 1, min(i + reach, frames - 1) + 1)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _pairs_on(values: Tensor, frames: int, kind: str) -> tuple[Tensor, Tensor]:
    """`paired_frames` as index tensors (R,) where `values` are: lists would be sent every time."""
    first, second = (tuple(side) for side in paired_frames(frames, kind))
    return constant(first, values.device), constant(second, values.device)


def pair_differences(features: Tensor) -> Tensor:
    """x_i - x_j of all pairs (N) of frames i < j: (B, N, C, S). Source: STCCL (last release)."""
    first, second = _pairs_on(features, features.shape[1], "all")
    return features[:, first] - features[:, second]


def adjacent_differences(features: Tensor) -> Tensor:
    """x_t - x_(t+1), (B, T - 1, C, S). The default here; the release takes all pairs.

    Example:
        >>> adjacent_differences(torch.tensor([0.0, 1.0, 3.0]).reshape(1, 3, 1, 1)).flatten()
        tensor([-1., -2.])
    """
    first, second = _pairs_on(features, features.shape[1], "adjacent")
    return features[:, first] - features[:, second]


def differences_to_first(features: Tensor) -> Tensor:
    """x_t - x_0 of t >= 1, (B, T - 1, C, S). Source: STCCL ("accumulated", though nothing is)."""
    return features[:, 1:] - features[:, :1]


def mean_over_time(features: Tensor) -> Tensor:
    """Mean over frames, (B, C, S): an appearance, not a motion. Source: STCCL ("aggregation")."""
    return features.mean(dim=1)


def shuffled_differences(features: Tensor, order: Tensor) -> Tensor:
    """x_t - x_order(t), (B, T, C, S), for a permutation (T,); a fixed point gives a zero row.

    Source: STCCL, whose figure shows it and whose released code never calls it.
    """
    return features - features[:, order]


def held_pairs(held: Tensor, kind: str) -> Tensor:
    """Which pairs of frames hold one and the same frame in either branch.

    Args:
        held: (B, T - 1) bool, whether step t to t + 1 of the path stays on a frame in either
            branch; or (B, T - 1, 2), told apart by branch. Told apart, a pair of `all` is held if
            one branch stays throughout; otherwise if every step between stays in some branch.
        kind: see `paired_frames`.

    Returns:
        (B, R) bool.
    """
    by_branch = held if held.ndim == 3 else held[..., None]
    first, second = _pairs_on(held, held.shape[1] + 1, kind)
    moves = torch.cumsum(~by_branch, dim=1)
    moves = torch.cat([torch.zeros_like(moves[:, :1]), moves], dim=1)  # before each frame
    return (moves[:, first] == moves[:, second]).any(dim=2)
