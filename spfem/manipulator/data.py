"""Windows of expression sequences: those to learn from, and those of a clip, blended again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.errors import InputError, ShapeError
from spfem.precision import upload

SOURCE, REFERENCE = 0, 1  # roles of the two loaders


@dataclass(frozen=True)
class WindowBatch:
    """Windows of one step.

    Attributes:
        expression: (B, W, E), in the space the sequences were given in.
        label: emotions (B,) int64.
        clip: (B,) int64, position of each window's clip in the list of sequences.
        start: (B,) int64, first frame of each window in its clip.
        number: (B,) int64, position of each window among all `ExpressionWindows`.
        counterparts: (Y, B, W, E), what each window would be in each emotion, if estimated.
    """

    expression: Tensor
    label: Tensor
    clip: Tensor
    start: Tensor
    number: Tensor
    counterparts: Tensor | None = None

    def counterpart(self, label: Tensor) -> Tensor | None:
        """The estimates (B, W, E) of the wanted emotions (B,), not a number where unknown."""
        if self.counterparts is None:
            return None
        return self.counterparts[label, torch.arange(len(label), device=label.device)]


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
        counterparts: of each clip what it would be in each emotion (Y, T, E), see
            `spfem.manipulator.counterparts`, or None for a clip without an estimate. Where they
            are given, only their clips are sources.

    Raises:
        InputError: if there is no clip, a clip has no label, or no window has a counterpart.
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
        counterparts: Sequence[Tensor | None] = (),
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
        self.counterparts = _join_counterparts(sequences, counterparts) if counterparts else None
        known = [estimate is not None for estimate in counterparts] or [True] * len(sequences)
        self._sources = np.flatnonzero(np.array(known)[clip_of])
        self.batch_size = min(batch_size, len(self._sources))
        self.seed = seed
        self._orders: dict[int, tuple[int, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.clip)

    def batch(self, step: int, role: int) -> WindowBatch:
        """Return the batch of `step` (0-based) of the loader `role`, `SOURCE` or any other."""
        drawn = self._sources if role == SOURCE else np.arange(len(self))
        epoch, position = divmod(step, len(drawn) // self.batch_size)
        known = self._orders.get(role)
        if known is None or known[0] != epoch:
            order = drawn[np.random.default_rng((self.seed, role, epoch)).permutation(len(drawn))]
            known = self._orders[role] = (epoch, upload(order, self.clip.device))
        start = position * self.batch_size
        return self.take(known[1][start : start + self.batch_size])

    def take(self, numbers: Tensor) -> WindowBatch:
        """Return the windows of given numbers (B,); clip by clip, they count by their start."""
        clip = self.clip[numbers]
        frames = self.first[numbers, None] + self.steps_of_window
        counterparts = None if self.counterparts is None else self.counterparts[:, frames]
        return WindowBatch(
            self.frames[frames],
            self.labels[clip],
            clip,
            self.start[numbers],
            numbers,
            counterparts,
        )

    def map_frames(self, transform: Callable[[Tensor], Tensor]) -> ExpressionWindows:
        """The same windows of transformed frames (N, E), and of transformed counterparts."""
        other = copy.copy(self)
        other.frames = transform(self.frames)
        if self.counterparts is not None:
            other.counterparts = transform(self.counterparts)
        return other


def _join_counterparts(
    sequences: Sequence[Tensor], counterparts: Sequence[Tensor | None]
) -> Tensor:
    """Counterparts (Y, N, E) of all frames, not a number where there are none."""
    emotions = {len(estimate) for estimate in counterparts if estimate is not None}
    if len(counterparts) != len(sequences) or len(emotions) != 1:
        raise InputError(
            f"{len(counterparts)} counterparts of {len(sequences)} sequences, in {sorted(emotions)}"
            " emotions; give one or None a sequence, at least one, and all in the same emotions"
        )
    count, parts = emotions.pop(), []
    for index, (sequence, estimate) in enumerate(zip(sequences, counterparts, strict=True)):
        if estimate is None:
            estimate = torch.full((count, *sequence.shape), torch.nan)
        if estimate.shape != (count, *sequence.shape):
            raise ShapeError(
                f"counterpart {index} has shape {tuple(estimate.shape)}; "
                f"{(count, *sequence.shape)} is needed"
            )
        parts.append(estimate.to(sequence))
    return torch.cat(parts, dim=1)


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
