"""The released SyncNet (`syncnet_v2.model`), with which published LSE-D and LSE-C are measured.

Layout and entry names are public knowledge of that file and are checked entry by entry on loading;
the file itself is not shipped, and no published value was reproduced with it here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor, nn

from spfem.checkpoints import load_weights, read_released
from spfem.evaluation.lip_sync import (
    NOT_MEASURED,
    LipSyncScore,
    distances_by_shift,
    frames_at_25,
    lip_windows,
    network_block,
    score_distances,
    sound_rows,
    sound_windows,
    window_count,
)
from spfem.face.align import index_convention

SIDE = 224  # pixels of the crops
ROOM = 0.4  # by which the face box is padded, as in SyncNet's own pipeline
SEARCH_FRAMES = 15
SHORTEST = 2 * SEARCH_FRAMES  # windows; below it most shifts compare with zeros
EMBEDDING = 1024
BATCH = 8  # windows; one needs about 60 MB


class SyncNet(nn.Module):
    """SyncNet as released: lips (N, 3, 5, 224, 224) and cepstra (N, 1, 13, 20) to (N, 1024)."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *network_block(nn.Conv2d, nn.BatchNorm2d, 1, 64, 3, padding=1),
            nn.MaxPool2d(1, 1),
            *network_block(nn.Conv2d, nn.BatchNorm2d, 64, 192, 3, padding=1),
            nn.MaxPool2d(3, (1, 2)),
            *network_block(nn.Conv2d, nn.BatchNorm2d, 192, 384, 3, padding=1),
            *network_block(nn.Conv2d, nn.BatchNorm2d, 384, 256, 3, padding=1),
            *network_block(nn.Conv2d, nn.BatchNorm2d, 256, 256, 3, padding=1),
            nn.MaxPool2d(3, 2),
            *network_block(nn.Conv2d, nn.BatchNorm2d, 256, 512, (5, 4)),
        )
        self.netfcaud, self.netfclip = (
            nn.Sequential(
                *network_block(nn.Linear, nn.BatchNorm1d, 512, 512), nn.Linear(512, EMBEDDING)
            )
            for _ in range(2)
        )
        flat: dict[str, tuple[int, ...]] = {"padding": (0, 1, 1)}
        half: dict[str, tuple[int, ...]] = {"stride": (1, 2, 2)}
        self.netcnnlip = nn.Sequential(
            *network_block(nn.Conv3d, nn.BatchNorm3d, 3, 96, (5, 7, 7), **half),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *network_block(nn.Conv3d, nn.BatchNorm3d, 96, 256, (1, 5, 5), **half, **flat),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *network_block(nn.Conv3d, nn.BatchNorm3d, 256, 256, (1, 3, 3), **flat),
            *network_block(nn.Conv3d, nn.BatchNorm3d, 256, 256, (1, 3, 3), **flat),
            *network_block(nn.Conv3d, nn.BatchNorm3d, 256, 256, (1, 3, 3), **flat),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *network_block(nn.Conv3d, nn.BatchNorm3d, 256, 512, (1, 6, 6)),
        )

    def embed_lips(self, windows: Tensor) -> Tensor:
        """Embeddings (N, 1024) of windows (N, 3, 5, 224, 224), BGR, 0 to 255."""
        return self.netfclip(self.netcnnlip(windows).flatten(1))

    def embed_sound(self, windows: Tensor) -> Tensor:
        """Embeddings (N, 1024) of cepstra (N, 1, 13, 20) of 16-bit samples."""
        return self.netfcaud(self.netcnnaud(windows).flatten(1))


def face_squares(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Square face crops (T, 224, 224, 3) uint8 RGB.

    SyncNet's own pipeline cuts a detector's box, padded by 0.4 and smoothed over 13 frames by a
    median; here the box of the tracked landmarks stands for the detector's, which is the largest
    difference to published values.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
    """
    low, high = landmarks[..., :2].min(1), landmarks[..., :2].max(1)
    half = median_filter((high - low).max(1) / 2, 13, mode="nearest")
    centre = median_filter((low + high) / 2, (13, 1), mode="nearest")
    squares = np.empty((len(frames), SIDE, SIDE, 3), np.uint8)
    for index, frame in enumerate(frames):
        # From the box's top to 2 x 0.4 boxes below its foot, 0.4 to each side.
        left = centre[index, 0] - half[index] * (1 + ROOM)
        top = centre[index, 1] - half[index]
        scale = SIDE / (2 * half[index] * (1 + ROOM))
        matrix = np.array([[scale, 0, -scale * left], [0, scale, -scale * top]])
        squares[index] = cv2.warpAffine(
            frame, index_convention(matrix), (SIDE, SIDE), borderValue=(110, 110, 110)
        )
    return squares


@dataclass(frozen=True)
class ReleasedLipSync:
    """SyncNet's measure: windows of 5 frames at 25 fps, 15 frames of search, zeros beyond ends."""

    network: SyncNet
    backbone: str = "syncnet-v2"

    def measure(
        self, frames: np.ndarray, landmarks: np.ndarray, audio: np.ndarray, fps: Fraction | float
    ) -> LipSyncScore:
        """Score a clip; arguments as in `measure.spoken_clip`; too short below 30 windows."""
        index = frames_at_25(len(frames), fps)
        rows = sound_rows(audio)
        windows = np.arange(window_count(len(index), len(rows)))
        if len(windows) < SHORTEST:
            return NOT_MEASURED
        squares = face_squares(frames[index], landmarks[index])[..., ::-1]
        lips, sound = [], []
        with torch.inference_mode():
            for start in range(0, len(windows), BATCH):
                part = windows[start : start + BATCH]
                faces = lip_windows(squares, part).transpose(0, 4, 1, 2, 3).astype(np.float32)
                lips.append(self.network.embed_lips(torch.from_numpy(faces)).numpy())
                cepstra = np.ascontiguousarray(sound_windows(rows, part)[:, None])
                sound.append(self.network.embed_sound(torch.from_numpy(cepstra)).numpy())
        distances = distances_by_shift(
            np.concatenate(lips), np.concatenate(sound), SEARCH_FRAMES, zeros_beyond=True
        )
        return score_distances(distances)


def load_released_lip_sync(path: Path | str) -> ReleasedLipSync:
    """Read `syncnet_v2.model`.

    Raises:
        CheckpointError: if the file is missing, damaged or not laid out like SyncNet.
    """
    network = SyncNet()
    tensors = read_released(Path(path)).tensors
    # Files written before PyTorch 0.4 lack the counters of batch normalisation.
    counters = {name: value for name, value in network.state_dict().items() if "tracked" in name}
    load_weights(network, {**counters, **tensors}, path, advice="it is no syncnet_v2.model")
    return ReleasedLipSync(network.eval().requires_grad_(False))
