"""SCMCL in the renderer: retrieved frames of another emotion as targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.renderer.checkpoint import TrainedRenderer
from spfem.renderer.conditions import cover_outside, to_network
from spfem.renderer.losses import feature_loss, pixel_loss
from spfem.renderer.objective import PairLoss
from spfem.renderer.recurrence import generate_chunk
from spfem.renderer.roi import crop_around

PAIRS_A_STEP = 4

DistanceLoss = Callable[[Tensor, Tensor], Tensor]
"""Scalar loss of pictures (B, T, 3, S, S) in [-1, 1] of the pairs with the numbers (B,)."""


@dataclass(frozen=True)
class RetrievedPairs:
    """N short runs of T real frames of an actor that sound like a source of another emotion.

    Attributes:
        conditions: (N, W - 1 + T, S, S, C) uint8, of the retrieved frames and those before them,
            with the expression that the manipulator makes of the source.
        faces: (N, T, S, S, 3) uint8 RGB, the retrieved frames.
        mouth_centres: (N, T, 2) pixels of the retrieved frames.
        references: (N, T, S, S, 3) uint8 RGB, frames from which the retrieved ones sound
            `distance` apart: of the source, or of the neutral window between two emotions.
        distance: (N,) float32 audio distance d.
        first_distance: (N,) float32 audio distance d' of the source from the neutral window in
            between; 0 where there is none.
        source_label: (N,) int64 emotion of the source.
        target_label: (N,) int64 emotion of the retrieved frames.
    """

    conditions: np.ndarray
    faces: np.ndarray
    mouth_centres: np.ndarray
    references: np.ndarray
    distance: np.ndarray
    first_distance: np.ndarray
    source_label: np.ndarray
    target_label: np.ndarray

    def __len__(self) -> int:
        """Pairs."""
        return len(self.distance)

    @property
    def weights(self) -> np.ndarray:
        """(N,) float32 1 / (1 + (d + d') / 2): 1 for equal sound. Source: SCMCL."""
        return (1 / (1 + (self.distance + self.first_distance) / 2)).astype(np.float32)


@dataclass(frozen=True)
class PairSupervision:
    """Retrieved pairs with the weights of their losses.

    Attributes:
        pairs: of the actor; none of them is fine, the terms then vanish.
        paired_weight: of the reconstruction of retrieved frames (lambda_paired).
        consistency_weight: of the distance consistency (lambda_sim).
        consistency: the frozen metric's loss.
    """

    pairs: RetrievedPairs
    paired_weight: float
    consistency_weight: float
    consistency: DistanceLoss

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Numbers (B,) of different pairs for one step, at most `PAIRS_A_STEP`."""
        count = min(PAIRS_A_STEP, len(self.pairs))
        return np.sort(random.choice(len(self.pairs), count, replace=False))


def pair_terms(
    renderer: TrainedRenderer,
    supervision: PairSupervision,
    rows: np.ndarray,
    device: torch.device | str,
    perceptual: PairLoss | None = None,
) -> dict[str, Tensor]:
    """Weighted terms `paired` and `consistency` of the pairs `rows`; empty without pairs.

    The renderer makes the retrieved frames from conditions with a generated expression. `paired`
    compares them with the real ones, each pair weighted by `RetrievedPairs.weights`;
    `consistency` holds them as far from their reference as their sounds are apart. For the
    latter the generated face lies on the background of the retrieved frame, because the metric
    was learned on whole pictures.

    Args:
        renderer: that is trained; its discriminators lend their features and are not changed.
        supervision: pairs, weights and metric.
        rows: (B,) numbers of pairs.
        device: of the networks.
        perceptual: loss of generated and real pictures, where the user's own VGG19 is given.

    Raises:
        ShapeError: if the pairs do not fit the renderer.

    Source: SCMCL, which renders one frame of three and compares by LPIPS. Departs from it in
    comparing by `perceptual`, or without one by the renderer's own pixel and feature-matching
    losses; in having no adversarial loss here; in T frames with recurrence, where the released
    code never shows the renderer a picture of its own; and in both terms acting on every pair,
    where a wrong test leaves the released ones without effect next to neutral.
    """
    pairs, settings = supervision.pairs, renderer.settings
    if len(rows) == 0:
        return {}
    lead = settings.window_frames - 1
    wanted = (
        pairs.faces.shape[1] + lead,
        settings.image_size,
        settings.image_size,
        settings.condition_channels,
    )
    if pairs.conditions.shape[1:] != wanted:
        raise ShapeError(
            f"conditions of retrieved pairs have shape {pairs.conditions.shape}; this renderer "
            f"needs (N, {', '.join(map(str, wanted))})"
        )
    conditions = to_network(pairs.conditions[rows], device)
    pictures, _ = generate_chunk(renderer.generator, conditions, None)
    newest = conditions[:, lead:]
    faces = to_network(pairs.faces[rows], device) * 2 - 1
    terms = {}
    if supervision.paired_weight:
        terms["paired"] = supervision.paired_weight * _reconstruction(
            renderer,
            newest,
            pictures,
            cover_outside(faces, newest[:, :, -1:]),
            torch.from_numpy(pairs.mouth_centres[rows]),
            torch.from_numpy(pairs.weights[rows]).to(device),
            perceptual,
        )
    if supervision.consistency_weight:
        inside = newest[:, :, -1:]
        placed = pictures.float() * inside + faces * (1 - inside)
        # A metric computes in the precision that it was learned in.
        with torch.autocast(torch.device(device).type, enabled=False):
            value = supervision.consistency(placed, torch.from_numpy(rows).to(device))
        terms["consistency"] = supervision.consistency_weight * value
    return terms


def _reconstruction(
    renderer: TrainedRenderer,
    conditions: Tensor,
    generated: Tensor,
    real: Tensor,
    centres: Tensor,
    weights: Tensor,
    perceptual: PairLoss | None,
) -> Tensor:
    """Weighted loss of pictures (B, T, 3, S, S) against real ones; weights (B,)."""
    if perceptual is not None:
        values = [perceptual(own, other) for own, other in zip(generated, real, strict=True)]
        return (weights * torch.stack(values)).mean()
    settings, frames = renderer.settings, generated.shape[1]
    weight = weights.repeat_interleave(frames)[:, None, None, None]
    everything = torch.cat([conditions, generated, real], dim=2).flatten(0, 1)
    mouths = crop_around(everything, centres.flatten(0, 1), settings.mouth_size)
    total = generated.new_zeros(())
    for network, images in (
        (renderer.image_discriminator, everything),
        (renderer.mouth_discriminator, mouths),
    ):
        seen, own, other = images.split([settings.condition_channels, 3, 3], dim=1)
        # A weighted difference of two sides is the difference of the weighted sides.
        if settings.feature_weight:
            with torch.no_grad():
                wanted = [[weight * layer for layer in scale] for scale in network(seen, other)]
            found = [[weight * layer for layer in scale] for scale in network(seen, own)]
            total = total + settings.feature_weight * feature_loss(found, wanted)
        if settings.pixel_weight:
            pixels = pixel_loss(weight * own, weight * other, seen[:, -1:])
            total = total + settings.pixel_weight * pixels
    return total
