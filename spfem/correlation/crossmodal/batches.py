"""Batches as indices: one anchor, and other pairs of the same actor and emotion.

Source: SCMCL. Departs from the released code: a batch holds distinct pairs, and negatives that say
the same as the positive are masked; the behaviour "false_negatives" restores draws with
replacement and no mask. Neither way rejects draws or decodes anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.crossmodal.samples import FrameSamples, FrameTable
from spfem.errors import CorpusError
from spfem.settings import CrossModalSettings


@dataclass(frozen=True)
class Batch:
    """Rows of neutral and emotional frames (N,), and which of their pairs are false negatives.

    `mask` (N, N) bool: row a neutral frame, column an emotional frame; None: nothing is masked.
    """

    source: np.ndarray
    target: np.ndarray
    mask: Tensor | None


class BatchDraw:
    """Draws batches from the samples of a table.

    Args:
        table: of all frames.
        samples: pairs of rows.
        settings: batch size, width of the mask, released behaviours.

    Raises:
        CorpusError: if a group has fewer than two samples.
    """

    def __init__(
        self, table: FrameTable, samples: FrameSamples, settings: CrossModalSettings
    ) -> None:
        self.samples, self.settings = samples, settings
        self._clip = table.clip_of
        self._members = [np.flatnonzero(samples.group == n) for n in range(len(samples.names))]
        for name, members in zip(samples.names, self._members, strict=True):
            if len(members) < 2:
                raise CorpusError(
                    f"{name} has {len(members)} pair of frames; a batch needs at least 2"
                )

    def __call__(self, random: np.random.Generator) -> Batch:
        """Draw an anchor uniformly, then the rest of its batch; smaller groups are used whole."""
        anchor = int(random.integers(len(self.samples)))
        others = self._members[self.samples.group[anchor]]
        others = others[others != anchor]
        released = self.settings.released("false_negatives")
        wanted = self.settings.batch_size - 1
        count = wanted if released else min(wanted, len(others))
        chosen = np.append(anchor, random.choice(others, count, replace=released))
        source, target = self.samples.source[chosen], self.samples.target[chosen]
        mask = None
        if not released:
            near = self.settings.false_negative_frames
            mask = torch.from_numpy(self._same(source, near) | self._same(target, near))
        return Batch(source, target, mask)

    def _same(self, rows: np.ndarray, near: int) -> np.ndarray:
        """(N, N) bool: whether two rows lie in one clip, at most `near` frames apart."""
        clip = self._clip[rows]
        apart = np.abs(rows[:, None] - rows[None, :])
        return (clip[:, None] == clip[None, :]) & (apart <= near)
