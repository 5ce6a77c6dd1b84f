"""Losses of the renderer: its own on a chunk of frames, and those of retrieved pairs (SCMCL)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spfem.checkpoints import load_weights, read_released
from spfem.errors import SettingsError, ShapeError
from spfem.precision import full
from spfem.renderer.data import cover_outside, crop_around, to_network
from spfem.renderer.networks import TrainedRenderer
from spfem.renderer.render import generate_chunk


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
    """One half of the discriminator's loss: of real pictures, or of generated ones.

    Scalar, summed over scales. Source: NED (the caller halves real + generated).

    Args:
        maps: feature maps of `FaceDiscriminator`, of either kind of picture.
        real: whether the pictures are real.
        mode: "ls" (least squares to 1 or 0) or "hinge".
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
    """Mean absolute difference of pictures (B, 3, H, W) over a mask (B, 1, H, W), a scalar.

    Not in the papers, which have VGG19 features instead.

    Example:
        >>> black, mask = torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)
        >>> mask[..., 0] = 1  # only the left half counts
        >>> pixel_loss(black + 0.5, black, mask)
        tensor(0.5000)
    """
    difference = ((generated - real).abs() * mask).sum()
    return difference / (3 * mask.sum()).clamp(min=1)


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

    Source: NED; the pixel terms are an addition (`RendererSettings.pixel_weight`).

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


_PLAN: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("slice1", (0,)),
    ("slice2", (2, 5)),
    ("slice3", (7, 10)),
    ("slice4", (12, 14, 16, 19)),
    ("slice5", (21, 23, 25, 28)),
)
_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512)
_POOLED_BEFORE = (5, 10, 19, 28)
_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


class Vgg19Features(nn.Module):
    """relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 of VGG19; keys `slice1.0.weight` and so on."""

    def __init__(self) -> None:
        super().__init__()
        channels, widths = 3, iter(_WIDTHS)
        for name, numbers in _PLAN:
            convolutions: dict[str, nn.Module] = {}
            for number in numbers:
                width = next(widths)
                convolutions[str(number)] = nn.Conv2d(channels, width, 3, padding=1)
                channels = width
            self.add_module(name, nn.ModuleDict(convolutions))
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of images (B, 3, H, W), first slice first."""
        features = []
        for name, numbers in _PLAN:
            convolutions = self.get_submodule(name)
            assert isinstance(convolutions, nn.ModuleDict)
            for number in numbers:
                if number in _POOLED_BEFORE:
                    images = functional.max_pool2d(images, 2)
                images = functional.relu(convolutions[str(number)](images))
            features.append(images)
        return features


class PerceptualLoss(nn.Module):
    """Weighted L1 between VGG19 features of generated and real pictures in [-1, 1].

    Pictures are not normalised for ImageNet. The weights of the five slices are 1/32, 1/16, 1/8,
    1/4, 1; the factor 10 is `RendererSettings.perceptual_weight`.

    Source: NED.
    """

    def __init__(self) -> None:
        super().__init__()
        self.vgg = Vgg19Features()

    def forward(self, generated: Tensor, real: Tensor) -> Tensor:
        """Scalar loss of pictures (B, 3, H, W); the real side carries no gradient."""
        with torch.no_grad():
            wanted = self.vgg(real)
        return torch.stack(
            [
                weight * (own - other).abs().mean()
                for weight, own, other in zip(_WEIGHTS, self.vgg(generated), wanted, strict=True)
            ]
        ).sum()


UNSEEN = r"features\.(30|32|34)\..+|classifier\..+"  # layers behind relu5_1


def load_perceptual_loss(path: Path, device: torch.device | str = "cpu") -> PerceptualLoss:
    """Read `vgg19-dcbb9e9d.pth` (entries `features.<n>.weight`), strictly.

    Layers behind relu5_1 are not used.

    Raises:
        CheckpointError: if the file is missing, damaged, holds code, or its entries are missing,
            surplus or of another shape.
    """
    file = read_released(path).without(UNSEEN)
    loss = PerceptualLoss()
    own = {re.sub(r"^vgg\.slice\d", "features", name): name for name in loss.state_dict()}
    tensors = {own.get(name, name): value for name, value in file.tensors.items()}
    load_weights(loss, tensors, path, advice="give torchvision's vgg19-dcbb9e9d.pth")
    return loss.to(device).eval()


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

    Source: SCMCL, which renders one frame of three and compares by LPIPS. Departs from it in
    comparing by `perceptual`, or without one by the renderer's own pixel and feature-matching
    losses; in having no adversarial loss here; in T frames with recurrence, where the released
    code never shows the renderer a picture of its own; and in both terms acting on every pair,
    where a wrong test leaves the released ones without effect next to neutral.

    Args:
        renderer: that is trained; its discriminators lend their features and are not changed.
        supervision: pairs, weights and metric.
        rows: (B,) numbers of pairs.
        device: of the networks.
        perceptual: loss of generated and real pictures, where the user's own VGG19 is given.

    Raises:
        ShapeError: if the pairs do not fit the renderer.
    """
    pairs, settings = supervision.pairs, renderer.settings
    if len(rows) == 0:
        return {}
    lead, side = settings.window_frames - 1, settings.image_size
    wanted = (pairs.faces.shape[1] + lead, side, side, settings.condition_channels)
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
