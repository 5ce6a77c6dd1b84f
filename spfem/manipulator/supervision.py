"""What a training needs of the correlation metrics that supervise it, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from spfem.manipulator.data import WindowBatch, Windows
from spfem.manipulator.losses import PairedWindows


@dataclass(frozen=True)
class Retrieved:
    """For each source window of a batch one real window of the wanted emotion that sounds alike.

    Attributes:
        window: (B,) int64, number among the training windows, -1 where there is none.
        distance: (B,) audio distance; infinite where there is none. Between two emotions that
            are not neutral: from the neutral window in between.
        by_way_of: (B,) int64, that neutral window, else -1.
        first_distance: (B,) audio distance from the source to that neutral window, else 0;
            infinite where there is no pair.
    """

    window: Tensor
    distance: Tensor
    by_way_of: Tensor
    first_distance: Tensor

    @property
    def paired(self) -> Tensor:
        """(B,) bool, which windows have a pair."""
        return self.window >= 0


@dataclass(frozen=True)
class Edit:
    """The reference-driven edits of one step, as supervision sees them.

    Attributes:
        source: windows that were edited; expressions as the networks see them (standardised).
        edited: (B, W, E) results, standardised, with gradient to the generator.
        label: (B,) int64, wanted emotions.
        restore: maps standardised (..., E) to coefficients, which metrics and heads know.
        step: of the training, from 0.
        retrieved: where retrieval supervises, else None.
        pairs: the retrieved windows, standardised; None if the batch has none.
    """

    source: WindowBatch
    edited: Tensor
    label: Tensor
    restore: Callable[[Tensor], Tensor]
    step: int
    retrieved: Retrieved | None = None
    pairs: PairedWindows | None = None


@dataclass(frozen=True)
class Guide:
    """Supervision of one training.

    All randomness must depend on the step alone, so that a killed training can resume.

    Attributes:
        weights: of the losses, by name.
        losses: scalars of an edit, the same names.
        retrieve: (source, wanted emotions (B,), step) to retrieved windows; None for methods
            without pairs.
    """

    weights: Mapping[str, float]
    losses: Callable[[Edit], dict[str, Tensor]]
    retrieve: Callable[[WindowBatch, Tensor, int], Retrieved] | None = None


@dataclass(frozen=True)
class Supervision:
    """What supervises a manipulator, what identifies it, and how it begins.

    Attributes:
        settings: plain values that decide the losses, such as their weights.
        inputs: digests of checkpoints, banks and code that decide the losses.
        bind: gets the clip keys in training order and all training windows, in coefficients
            (not yet standardised).
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    bind: Callable[[tuple[str, ...], Windows], Guide]
