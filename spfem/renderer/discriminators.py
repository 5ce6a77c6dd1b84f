"""Multi-scale PatchGAN discriminators of the face and of the mouth crop."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from spfem.renderer.layout import channels_together
from spfem.renderer.picture_norm import PictureNorm
from spfem.settings import RendererSettings

SCALES = 2
LAYERS = 5


class Discriminator(nn.Module):
    """Two PatchGANs that see condition images beside a picture, at full and half resolution.

    State-dict keys are the released ones (`scale1_*` sees the full resolution); 5 547 906
    parameters at the default settings. Instance norms use the picture's own statistics.

    Source: NED.
    """

    def __init__(self, settings: RendererSettings) -> None:
        super().__init__()
        self.width = settings.discriminator_width
        for scale in range(SCALES):
            channels = settings.condition_channels - 1 + 3
            for layer in range(LAYERS):
                last = layer == LAYERS - 1
                out = 1 if last else settings.discriminator_width * min(2**layer, 8)
                stride = 2 if layer < LAYERS - 2 else 1
                parts: list[nn.Module] = [nn.Conv2d(channels, out, 4, stride=stride, padding=2)]
                nn.init.normal_(parts[0].weight, 0, 0.02)  # type: ignore[arg-type]
                nn.init.zeros_(parts[0].bias)  # type: ignore[arg-type]
                if 0 < layer < LAYERS - 1:
                    parts.append(PictureNorm(out))
                if not last:
                    parts.append(nn.LeakyReLU(0.2))
                self.add_module(f"scale{scale}_layer{layer}", nn.Sequential(*parts))
                channels = out

    def forward(self, conditions: Tensor, pictures: Tensor) -> list[list[Tensor]]:
        """Score pictures against their condition images.

        Args:
            conditions: (B, C, H, W) in [0, 1], mask last (it is not seen).
            pictures: (B, 3, H, W) in [-1, 1].

        Returns:
            For each scale, full resolution first, the five feature maps; the last is the score.
        """
        images = torch.cat([conditions[:, :-1], pictures], dim=1)
        images = channels_together(images, self.width)
        maps = []
        for scale in reversed(range(SCALES)):
            features = [images]
            for layer in range(LAYERS):
                features.append(self.get_submodule(f"scale{scale}_layer{layer}")(features[-1]))
            maps.append(features[1:])
            # In the usual order of memory: PyTorch's gradient of a padded mean of images whose
            # channels lie together is wrong on a GPU (pytorch/pytorch#188344).
            images = functional.avg_pool2d(images.contiguous(), 3, 2, 1, count_include_pad=False)
            images = channels_together(images, self.width)
        return maps
