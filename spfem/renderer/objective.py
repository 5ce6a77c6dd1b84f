"""The renderer's two losses for one chunk of frames."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.renderer.checkpoint import TrainedRenderer
from spfem.renderer.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    pixel_loss,
)
from spfem.renderer.roi import crop_around

PairLoss = Callable[[Tensor, Tensor], Tensor]


def renderer_losses(
    renderer: TrainedRenderer,
    conditions: Tensor,
    generated: Tensor,
    real: Tensor,
    mouth_centres: Tensor,
    perceptual: PairLoss | None = None,
    *,
    eye_centres: Tensor | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weighted loss terms of the generator and of the discriminators.

    Each discriminator runs once over real and generated pictures together; the terms of the two
    sides share that graph, so take each side's gradients with respect to its own parameters.

    Args:
        renderer: networks and settings.
        conditions: (B, C, S, S) in [0, 1], mask last.
        generated: (B, 3, S, S) in [-1, 1], with gradient.
        real: (B, 3, S, S) in [-1, 1], black outside the mask.
        mouth_centres: (B, 2) x, y in pixels.
        perceptual: loss of generated and real pictures, or None.
        eye_centres: (B, 2) x, y in pixels, for the discriminator of the eyes, where there is one.

    Returns:
        Terms of the generator and terms of the discriminators; the losses are their sums.

    Source: NED; the pixel terms are an addition (`RendererSettings.pixel_weight`).

    Raises:
        ShapeError: if the renderer looks at eyes and `eye_centres` is None.
    """
    settings = renderer.settings
    everything = torch.cat([conditions, generated, real], dim=1)
    size = settings.mouth_size
    seen_by = [
        ("image", renderer.image_discriminator, everything),
        ("mouth", renderer.mouth_discriminator, crop_around(everything, mouth_centres, size)),
    ]
    if renderer.eye_discriminator is not None:
        if eye_centres is None:
            raise ShapeError("a renderer with eye_discriminator needs eye_centres; found none")
        eyes = crop_around(everything, eye_centres, size)
        seen_by.append(("eye", renderer.eye_discriminator, eyes))
    channels = settings.condition_channels
    of_generator: dict[str, Tensor] = {}
    of_discriminators: dict[str, Tensor] = {}
    for name, network, images in seen_by:
        seen, own, other = images.split([channels, 3, 3], dim=1)
        if settings.adversarial_weight or settings.feature_weight:
            maps = network(torch.cat([seen, seen]), torch.cat([own, other]))
            own_maps = [[layer.chunk(2)[0] for layer in scale] for scale in maps]
            real_maps = [[layer.chunk(2)[1] for layer in scale] for scale in maps]
            of_generator[f"{name}_adversarial"] = settings.adversarial_weight * adversarial_loss(
                own_maps, mode=settings.adversarial
            )
            of_generator[f"{name}_feature"] = settings.feature_weight * feature_loss(
                own_maps, real_maps
            )
            of_discriminators[f"{name}_discriminator"] = 0.5 * (
                discriminator_loss(real_maps, real=True, mode=settings.adversarial)
                + discriminator_loss(own_maps, real=False, mode=settings.adversarial)
            )
        if settings.pixel_weight:
            of_generator[f"{name}_pixel"] = settings.pixel_weight * pixel_loss(
                own, other, seen[:, -1:]
            )
    if perceptual is not None:
        of_generator["perceptual"] = settings.perceptual_weight * perceptual(generated, real)
    return of_generator, of_discriminators
