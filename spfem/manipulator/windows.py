"""Sliding windows over an expression sequence, and their blend back into one sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.errors import ShapeError

_SMALL_ODD_KERNELS = {
    1: (1.0,),
    3: (0.25, 0.5, 0.25),
    5: (0.0625, 0.25, 0.375, 0.25, 0.0625),
    7: (0.03125, 0.109375, 0.21875, 0.28125, 0.21875, 0.109375, 0.03125),
    9: tuple(n / 256 for n in (4, 13, 30, 51, 60, 51, 30, 13, 4)),
}


def gaussian_weights(size: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return the blending weights of a window, those of OpenCV's Gaussian kernel of that size.

    Source: NED blends with `cv2.getGaussianKernel(size, -1)`. Its standard deviation is
    0.3 ((size - 1) / 2 - 1) + 0.8. Two special cases are reproduced: odd sizes up to 9 are fixed
    tables, and in even sizes the two centre taps are exp(0), not a sample half a step away.

    Args:
        size: W, frames of a window.
        dtype: of the result.

    Returns:
        Weights (W,), symmetric, of sum 1.

    Raises:
        ShapeError: if `size` is below 1.

    Example:
        >>> gaussian_weights(3).tolist()
        [0.25, 0.5, 0.25]
    """
    if size < 1:
        raise ShapeError(f"window of {size} frames: a window has at least 1 frame")
    if size in _SMALL_ODD_KERNELS:
        return torch.tensor(_SMALL_ODD_KERNELS[size], dtype=dtype)
    deviation = 0.3 * ((size - 1) / 2 - 1) + 0.8
    offset = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    offset[offset.abs() < 0.75] = 0.0
    weights = torch.exp(-0.5 * (offset / deviation).square())
    return (weights / weights.sum()).to(dtype)


def slide_windows(expression: Tensor, window_frames: int) -> Tensor:
    """Return all windows (N, W, E) of `expression` (T, E), one per start frame, N = T - W + 1.

    Raises:
        ShapeError: if the sequence is no (T, E) or shorter than the window.

    Example:
        >>> slide_windows(torch.arange(4.0)[:, None], 3)[..., 0].tolist()
        [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    if expression.ndim != 2:
        raise ShapeError(f"expression has shape {tuple(expression.shape)}; (T, E) is needed")
    if len(expression) < window_frames:
        raise ShapeError(
            f"expression has {len(expression)} frames, the manipulator's window has "
            f"{window_frames}; use a clip of at least {window_frames} frames"
        )
    return expression.unfold(0, window_frames, 1).transpose(1, 2)


def overlap_add(windows: Tensor) -> Tensor:
    """Blend windows (N, W, E), one per start frame, into a sequence (N + W - 1, E).

    Source: NED. Interior frames are Gaussian-weighted sums (the weights add to 1 there); the
    first W - 1 frames are those of the first window, the last W - 1 those of the last window,
    unblended, and where the two blocks overlap the last one wins.

    Example:
        >>> frames = torch.arange(5.0)[:, None]
        >>> torch.equal(overlap_add(slide_windows(frames, 3)), frames)
        True
    """
    count, size, coefficients = windows.shape
    weights = gaussian_weights(size, dtype=windows.dtype).to(windows.device)
    blended = windows.new_zeros(count + size - 1, coefficients)
    for frame in range(size):
        blended[frame : frame + count] += weights[frame] * windows[:, frame]
    edge = size - 1
    if edge:
        blended[:edge] = windows[0, :edge]
        blended[-edge:] = windows[-1, 1:]
    return blended
