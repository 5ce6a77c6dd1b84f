"""ASCCL and STCCL in the renderer: metrics of pictures as terms on its emotion-changed output."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation import SpatialCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.renderer.supervision import FaceTerm


def spatial_term(metric: SpatialCoherence, weight: float, frames: int) -> FaceTerm:
    """The spatial metric on each of `frames` consecutive frames.

    Source: ASCCL, A4: the output is the query, the source the key.

    Args:
        metric: frozen (`supervise`).
        weight: of the loss, which carries the metric's own scale.
        frames: compared a clip.
    """

    def loss(generated: Tensor, source: Tensor, random: torch.Generator) -> Tensor:
        compared = metric.compare(generated.flatten(0, 1), source.flatten(0, 1), generator=random)
        return metric.total(compared)

    return FaceTerm("spatial", weight, frames, loss)


def window_term(name: str, metric: TemporalCoherence, weight: float) -> FaceTerm:
    """A metric on windows; steps at which the source holds its frame do not count.

    Source: STCCL.

    Args:
        name: of the metric, one of `TEMPORAL_METRICS`.
        metric: frozen (`supervise`).
        weight: of the loss, which carries the metric's own scale.
    """

    def loss(generated: Tensor, source: Tensor, random: torch.Generator) -> Tensor:
        held = held_steps(source)
        return metric.total(metric.compare(generated, source, held=held, generator=random))

    return FaceTerm(name, weight, metric.settings.window_frames, loss)


def held_steps(source: Tensor) -> Tensor:
    """(B, T - 1) bool, whether a frame of (B, T, 3, S, S) equals the one before it."""
    return (source[:, 1:] == source[:, :-1]).flatten(2).all(dim=2)
