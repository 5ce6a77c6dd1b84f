"""Colours between pixels, by cubic splines: sharper than the usual bicubic kernel.

Push-pull: values known at some pixels, continued smoothly to all others.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from spfem.renderer.moved.view import grid_places

SMALLEST = 3  # pixels; the pyramid's last level


def fill_smoothly(values: Tensor, known: Tensor) -> Tensor:
    """Values (B, C, H, W), kept where `known` is 1 and continued from there elsewhere.

    A pyramid of weighted means is built downwards, then what is missing is taken from the next
    coarser level (Gortler et al. 1996, push-pull). Linear in `values`, and differentiable.

    Args:
        values: (B, C, H, W); what stands where `known` is 0 does not matter, but must be finite.
        known: (B, 1, H, W) in [0, 1].

    Returns:
        (B, C, H, W); 0 for a picture where nothing is known.
    """
    channels = values.shape[1]
    levels = [torch.cat([values * known, known], 1)]  # pooled together: half the calls
    while min(levels[-1].shape[-2:]) > SMALLEST:
        levels.append(functional.avg_pool2d(levels[-1], 2, ceil_mode=True))
    weighted = [level[:, :channels] for level in levels]
    weights = [level[:, channels:] for level in levels]
    total = weights[-1].sum((-2, -1), keepdim=True)
    mean = weighted[-1].sum((-2, -1), keepdim=True) / total.clamp(min=1e-9)
    estimate = torch.where(
        weights[-1] > 0, weighted[-1] / weights[-1].clamp(min=1e-9), mean.expand_as(weighted[-1])
    )
    for level in range(len(weights) - 2, -1, -1):
        size = weights[level].shape[-2:]
        coarse = functional.interpolate(estimate, size, mode="bilinear", align_corners=False)
        estimate = torch.addcmul(weighted[level], 1 - weights[level], coarse)
    return estimate


POLE = 3**0.5 - 2  # of the inverse of the cubic spline's samples
TAPS = 12  # on either side, beyond which the inverse is below 2e-7
RIM = 2  # coefficients beyond the border, which the outermost pixels need


def spline_coefficients(pictures: Tensor) -> Tensor:
    """Coefficients (B, C, H + 4, W + 4) of the cubic spline through pictures (B, C, H, W).

    A cubic spline keeps nine tenths of the detail up to 0.8 of the highest frequency, the usual
    bicubic kernel up to 0.5 (Unser 1999); what is moved twice by parts of a pixel stays sharp.
    Borders are repeated. The infinite impulse response is cut where it no longer counts.
    """
    reach = torch.arange(-TAPS, TAPS + 1, device=pictures.device, dtype=pictures.dtype).abs()
    kernel = POLE**reach * (1 - POLE) / (1 + POLE)
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    across = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    padded = functional.pad(pictures, (TAPS + RIM,) * 4, mode="replicate")
    filtered = functional.conv2d(padded, across, groups=channels)
    return functional.conv2d(filtered, across.mT, groups=channels)


def look_up_spline(coefficients: Tensor, places: Tensor) -> Tensor:
    """Values (B, C, h, w) of a spline at places (B, 2, h, w) in pixels of its picture.

    Differentiable in both. The sixteen weights are gathered by four bilinear lookups, each of
    which weighs four coefficients at once (Sigg and Hadwiger 2005).

    Args:
        coefficients: (B, C, H + 4, W + 4) of `spline_coefficients`.
        places: x, y; the centre of the first pixel is at 0.5.
    """
    height, width = coefficients.shape[-2:]
    whole = (places.detach() - 0.5).floor()
    part = places - 0.5 - whole
    square = part * part
    cube = square * part
    # Weights of the two later and of the second of four coefficients, as polynomials.
    late = ((part + square) * 3 - cube * 2 + 1) / 6
    early = 1 - late
    before = whole + (RIM - 0.5) + (cube / 2 - square + 2 / 3) / early
    after = whole + (RIM + 1.5) + cube / (late * 6)
    # One lookup of four grids, since a GPU waits for many small calls: (early, late) of y, then x.
    at = grid_places(torch.stack([before, after], 1), height, width)
    weights = torch.stack([early, late], 1)
    pairs = (len(places), 2, 2, *places.shape[-2:])
    grids = torch.stack(
        [at[:, None, :, 0].expand(pairs), at[:, :, None, 1].expand(pairs)], -1
    ).flatten(1, 3)
    found = functional.grid_sample(
        coefficients, grids, mode="bilinear", padding_mode="border", align_corners=False
    )
    weight = (weights[:, :, None, 1] * weights[:, None, :, 0]).flatten(1, 2)
    return (found.unflatten(2, (4, -1)) * weight[:, None]).sum(2)
