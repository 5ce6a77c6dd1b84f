"""Training windows: all starts of all clips, drawn in an order that the seed decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.errors import InputError, ShapeError
from spfem.uploads import upload


@dataclass(frozen=True)
class WindowBatch:
    """Windows of one step.

    Attributes:
        expression: (B, W, E), in the space the sequences were given in.
        label: emotions (B,) int64.
        clip: (B,) int64, position of each window's clip in the list of sequences.
        start: (B,) int64, first frame of each window in its clip.
        number: (B,) int64, position of each window among all `Windows`.
    """

    expression: Tensor
    label: Tensor
    clip: Tensor
    start: Tensor
    number: Tensor


class Windows:
    """All windows of hop 1 over the clips, as batches that depend on (seed, role, step) only.

    Source: NED draws source and reference windows with two shuffled loaders over the same data.
    Here each epoch's order is a permutation seeded by (seed, role, epoch), so that a resumed
    training sees what an uninterrupted one would have seen. Departs from NED: the last,
    incomplete batch of an epoch is dropped, and a batch is never larger than the data.

    Args:
        sequences: one (T, E) tensor a clip.
        labels: emotion of each clip.
        window_frames: W.
        batch_size: B.
        seed: of the order.

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

    def _order(self, role: int, epoch: int) -> Tensor:
        known = self._orders.get(role)
        if known is None or known[0] != epoch:
            order = np.random.default_rng((self.seed, role, epoch)).permutation(len(self))
            known = self._orders[role] = (epoch, upload(order, self.clip.device))
        return known[1]

    def batch(self, step: int, role: int) -> WindowBatch:
        """Return the batch of `step` (0-based) of the loader `role` (any small integer)."""
        epoch, position = divmod(step, len(self) // self.batch_size)
        start = position * self.batch_size
        return self.take(self._order(role, epoch)[start : start + self.batch_size])

    def take(self, numbers: Tensor) -> WindowBatch:
        """Return the windows of given numbers (B,); clip by clip, they count by their start."""
        clip = self.clip[numbers]
        frames = self.first[numbers, None] + self.steps_of_window
        return WindowBatch(
            self.frames[frames], self.labels[clip], clip, self.start[numbers], numbers
        )
