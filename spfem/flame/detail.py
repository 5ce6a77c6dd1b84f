"""DECA's detail decoder: wrinkles as a displacement map, from expression, jaw and detail code."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

INPUTS = 3 + 50 + 128  # jaw, expression, detail
CHANNELS = (128, 128, 64, 64, 32, 16)
START = 8  # texels a side before five doublings
MOST_DISPLACEMENT = 0.01  # metres
RELEASED_EPS = 0.8  # a slip of the released code that its weights have learned with


class DetailDecoder(nn.Module):
    """`D_detail` under its released names.

    Every batch norm after the first adds 0.8, not 1e-5, to the variance: reproduced, because the
    released weights depend on it.

    Source: spec `face_pipeline.md` 2.2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Sequential(nn.Linear(INPUTS, CHANNELS[0] * START**2))
        layers: list[nn.Module] = [nn.BatchNorm2d(CHANNELS[0])]
        for before, after in pairwise(CHANNELS):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(before, after, 3, 1, 1),
                nn.BatchNorm2d(after, RELEASED_EPS),
                nn.LeakyReLU(0.2),
            ]
        layers += [nn.Conv2d(CHANNELS[-1], 1, 3, 1, 1), nn.Tanh()]
        self.conv_blocks = nn.Sequential(*layers)

    def forward(self, jaw: Tensor, expression: Tensor, detail: Tensor) -> Tensor:
        """Displacement maps (B, 1, 256, 256) in metres along the normal.

        Args:
            jaw: (B, 3) axis-angle, radians.
            expression: (B, 50).
            detail: (B, 128).
        """
        start = self.l1(torch.cat([jaw, expression, detail], 1))
        maps = start.view(-1, CHANNELS[0], START, START)
        return self.conv_blocks(maps) * MOST_DISPLACEMENT
