"""The network of the learned lip-sync meter; torch alone, so that a light install can use it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spfem.settings import LipSyncSettings

FRAMES = 5  # of a window
ROWS = 20  # of cepstra of a window; 100 a second, so 4 a frame
CEPSTRA = 13


def block(kind: Any, norm: Any, *sizes: Any, **options: Any) -> list[nn.Module]:
    """A layer, its norm and a ReLU."""
    return [kind(*sizes, **options), norm(sizes[1]), nn.ReLU()]


class LipSyncNetwork(nn.Module):
    """Embeds windows of lips and of sound; what belongs together lies together.

    After SyncNet (Chung and Zisserman 2016), with these departures: grey crops of the mouth, a
    tenth of the channels, a clip's mean crop and mean cepstra taken off (so that neither the look
    of a person nor a voice or microphone counts), embeddings of length 1 (distances are at most
    2).
    """

    def __init__(self, settings: LipSyncSettings):
        super().__init__()
        self.settings = settings
        width, side = settings.width, settings.crop_size // 8
        flat, line = (nn.Conv2d, nn.BatchNorm2d), (nn.Conv1d, nn.BatchNorm1d)
        self.lips = nn.Sequential(
            *block(*flat, FRAMES, width, 3, stride=2, padding=1),
            *block(*flat, width, 2 * width, 3, stride=2, padding=1),
            *block(*flat, 2 * width, 2 * width, 3, stride=2, padding=1),
            nn.Flatten(),
            nn.Linear(2 * width * side * side, settings.embedding),
        )
        self.sound = nn.Sequential(
            *block(*line, CEPSTRA, 2 * width, 3, padding=1),
            *block(*line, 2 * width, 2 * width, 3, stride=2, padding=1),
            nn.Flatten(),
            nn.Linear(2 * width * 10, settings.embedding),
        )
        self.register_buffer("cepstra_deviation", torch.ones(CEPSTRA))

    def embed_lips(self, windows: Tensor) -> Tensor:
        """Embeddings (N, C) of length 1 of windows (N, 5, S, S) of `centred_crops`."""
        return functional.normalize(self.lips(windows), dim=1)

    def embed_sound(self, windows: Tensor) -> Tensor:
        """Embeddings (N, C) of length 1 of windows (N, 13, 20) of `centred_rows`."""
        scale: Any = self.cepstra_deviation
        return functional.normalize(self.sound(windows / scale[:, None]), dim=1)


def centred_crops(crops: Tensor) -> Tensor:
    """Crops (T, S, S) uint8 as shares of the clip's brightness, less the clip's mean crop.

    Brightness is divided out because the same mouth moves fewer grey levels on a dark picture.
    """
    light = crops.float()
    return (light - light.mean(0)) / light.mean().clamp_min(1.0)


def centred_rows(rows: Tensor) -> Tensor:
    """Cepstra (R, 13) less their mean over the clip."""
    return rows - rows.mean(0)
