"""Perceptual loss on VGG19 features, with the user's own VGG19 weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

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
