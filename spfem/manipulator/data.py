"""Windows of expression sequences: those to learn from, and those of a clip, blended again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.errors import InputError, ShapeError
from spfem.precision import upload


@dataclass(frozen=True)
class WindowBatch:
    """Windows of one step.

    Attributes:
        expression: (B, W, E), in the space the sequences were given in.
        label: emotions (B,) int64.
        clip: (B,) int64, position of each window's clip in the list of sequences.
        start: (B,) int64, first frame of each window in its clip.
        number: (B,) int64, position of each window among all `ExpressionWindows`.
    """

    expression: Tensor
    label: Tensor
    clip: Tensor
    start: Tensor
    number: Tensor


class ExpressionWindows:
    """All windows of hop 1 over the clips, as batches that depend on (seed, role, step) only.

    Source: NED draws source and reference windows with two shuffled loaders over the same data.
    Here each epoch's order is a permutation seeded by (seed, role, epoch), so that a resumed
    training sees what an uninterrupted one would have seen. Departs from NED: the last,
    incomplete batch of an epoch is dropped, and a batch is never larger than the data.

    Args:
        sequences: one (T, E) float32 tensor a clip, on the device to learn on.
        labels: emotion of each clip.
        window_frames: W.
        batch_size: B.
        seed: of the order, and of what is learned from it.

    Raises:
        InputError: if there is no clip, or a clip has no label.
        ShapeError: if a clip is no (T, E), shorter than the window, of another E or not finite.
    """

    def __init__(
        self,
        sequences: Sequence[Tensor],
        labels: Sequence[int],
        *,
        window_frames: int,
        batch_size: int,
        seed: int,
    ) -> None:
        if not sequences or len(sequences) != len(labels):
            raise InputError(
                f"{len(sequences)} sequences and {len(labels)} labels; give at least one clip "
                "and one label a clip"
            )
        for index, sequence in enumerate(sequences):
            if sequence.ndim != 2 or sequence.shape[1] != sequences[0].shape[1]:
                raise ShapeError(
                    f"sequence {index} has shape {tuple(sequence.shape)}; "
                    f"(T, {sequences[0].shape[-1]}) is needed"
                )
            if len(sequence) < window_frames:
                raise ShapeError(
                    f"sequence {index} has {len(sequence)} frames, fewer than the window of "
                    f"{window_frames}; leave this clip out"
                )
            if not torch.isfinite(sequence).all():
                raise ShapeError(f"sequence {index} is not finite; track it anew")
        self.frames = torch.cat(list(sequences))
        self.labels = torch.tensor(list(labels), dtype=torch.int64, device=self.frames.device)
        lengths = [len(sequence) for sequence in sequences]
        counts = [length - window_frames + 1 for length in lengths]
        clip_of = np.repeat(np.arange(len(lengths)), counts)
        start_of = np.concatenate([np.arange(count) for count in counts])
        self.clip = torch.from_numpy(clip_of).to(self.frames.device)
        self.start = torch.from_numpy(start_of).to(self.frames.device)
        first_frame = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self.first = torch.from_numpy(first_frame[clip_of] + start_of).to(self.frames.device)
        self.steps_of_window = torch.arange(window_frames, device=self.frames.device)
        self.batch_size = min(batch_size, len(clip_of))
        self.seed = seed
        self._orders: dict[int, tuple[int, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.clip)

    def batch(self, step: int, role: int) -> WindowBatch:
        """Return the batch of `step` (0-based) of the loader `role` (any small integer)."""
        epoch, position = divmod(step, len(self) // self.batch_size)
        known = self._orders.get(role)
        if known is None or known[0] != epoch:
            order = np.random.default_rng((self.seed, role, epoch)).permutation(len(self))
            known = self._orders[role] = (epoch, upload(order, self.clip.device))
        start = position * self.batch_size
        return self.take(known[1][start : start + self.batch_size])

    def take(self, numbers: Tensor) -> WindowBatch:
        """Return the windows of given numbers (B,); clip by clip, they count by their start."""
        clip = self.clip[numbers]
        frames = self.first[numbers, None] + self.steps_of_window
        return WindowBatch(
            self.frames[frames], self.labels[clip], clip, self.start[numbers], numbers
        )


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

    Returns:
        Weights (W,), symmetric, of sum 1.

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
