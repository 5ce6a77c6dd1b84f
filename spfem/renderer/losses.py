"""Losses of the renderer: adversarial, feature matching, plain pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from spfem.errors import SettingsError
from spfem.precision import full


def _mean_over_scales(maps: list[list[Tensor]], target: bool, mode: str, generator: bool) -> Tensor:
    terms = []
    for scale in maps:
        score = full(scale[-1])
        if mode == "ls":
            terms.append(((score - float(target)) ** 2).mean())
        elif mode == "hinge":
            sign = 1.0 if target else -1.0
            terms.append(-score.mean() if generator else functional.relu(1 - sign * score).mean())
        else:
            raise SettingsError(f"adversarial mode {mode!r} is unknown; choose 'ls' or 'hinge'")
    return torch.stack(terms).sum()


def discriminator_loss(maps: list[list[Tensor]], *, real: bool, mode: str = "ls") -> Tensor:
    """One half of the discriminator's loss, for real or for generated pictures.

    Args:
        maps: feature maps of `Discriminator`, of either kind of picture.
        real: whether the pictures are real.
        mode: "ls" (least squares to 1 or 0) or "hinge".

    Returns:
        Scalar, summed over scales. Source: NED (the caller halves real + generated).
    """
    return _mean_over_scales(maps, real, mode, generator=False)


def adversarial_loss(maps: list[list[Tensor]], *, mode: str = "ls") -> Tensor:
    """How far generated pictures are from passing as real; scalar, summed over scales."""
    return _mean_over_scales(maps, True, mode, generator=True)


def feature_loss(generated: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """L1 between discriminator features of generated and real pictures, a scalar.

    Features are listed by scale, then by layer, each (B, C, H, W). The real side carries no
    gradient. Four maps a scale, each weighted 4 / (3 + 1) / scales.

    Source: NED (the weight of 10 is `RendererSettings.feature_weight`).
    """
    terms = [
        (full(own) - full(other.detach())).abs().mean()
        for own_scale, other_scale in zip(generated, real, strict=True)
        for own, other in zip(own_scale[:-1], other_scale[:-1], strict=True)
    ]
    return torch.stack(terms).sum() / len(generated)


def pixel_loss(generated: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference over the masked face.

    Args:
        generated: (B, 3, H, W) in [-1, 1].
        real: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W) in [0, 1].

    Returns:
        Scalar. Not in the papers, which have VGG19 features instead.

    Example:
        >>> black, mask = torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)
        >>> mask[..., 0] = 1  # only the left half counts
        >>> pixel_loss(black + 0.5, black, mask)
        tensor(0.5000)
    """
    difference = ((generated - real).abs() * mask).sum()
    return difference / (3 * mask.sum()).clamp(min=1)
