"""From frames, landmarks and sound of one clip to its LSE-D and LSE-C."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import torch

from spfem.evaluation.lip_sync.crops import lip_crops
from spfem.evaluation.lip_sync.network import LipSyncNetwork, centred_crops, centred_rows
from spfem.evaluation.lip_sync.score import (
    LipSyncScore,
    distances_by_shift,
    score_distances,
    search_of,
)
from spfem.evaluation.lip_sync.training import SpokenClip
from spfem.evaluation.lip_sync.windows import (
    frames_at_25,
    lip_windows,
    sound_rows,
    sound_windows,
)
from spfem.settings import LipSyncSettings

NOT_MEASURED = LipSyncScore(float("nan"), float("nan"), 0, 0)


class LipSyncMeter(Protocol):
    """Measures LSE-D and LSE-C; learned here, or of the released SyncNet."""

    @property
    def backbone(self) -> str:
        """Name of the network in tables."""

    def measure(
        self, frames: np.ndarray, landmarks: np.ndarray, audio: np.ndarray, fps: Fraction | float
    ) -> LipSyncScore:
        """Score a clip; `NOT_MEASURED` if it is too short; arguments as in `spoken_clip`."""


def spoken_clip(
    frames: np.ndarray,
    landmarks: np.ndarray,
    audio: np.ndarray,
    fps: Fraction | float,
    crop_size: int,
) -> SpokenClip:
    """Resample a clip to 25 fps and cut out what the learned network reads.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 478, 2 or 3) frame pixels.
        audio: (A,) in [-1, 1] at 16 kHz; sample 0 sounds with frame 0.
        fps: of the frames.
        crop_size: side of the crops, pixels.
    """
    index = frames_at_25(len(frames), fps)
    return SpokenClip(lip_crops(frames[index], landmarks[index], crop_size), sound_rows(audio))


def embed_clip(network: LipSyncNetwork, clip: SpokenClip) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of lips (W, C) and of sound (W, C), one window a frame."""
    index = np.arange(clip.windows)
    if not len(index):
        nothing = np.zeros((0, network.settings.embedding), np.float32)
        return nothing, nothing
    device = next(network.parameters()).device
    crops = centred_crops(torch.from_numpy(clip.crops)).numpy()
    rows = centred_rows(torch.from_numpy(clip.rows)).numpy()
    with torch.inference_mode():
        lips = network.embed_lips(torch.from_numpy(lip_windows(crops, index)).to(device))
        sound = network.embed_sound(torch.from_numpy(sound_windows(rows, index)).to(device))
    return lips.cpu().numpy(), sound.cpu().numpy()


@dataclass(frozen=True)
class LearnedLipSync:
    """The network of `learn_network`.

    The search is SyncNet's, 15 frames to either side, with two departures for clips of one or two
    seconds: shifts that leave fewer than `shared_windows` windows are not tried, and windows
    without a partner at a shift do not count (SyncNet compares them with zeros).
    """

    network: LipSyncNetwork
    settings: LipSyncSettings
    backbone: str = "lip-sync-64"

    def measure(
        self, frames: np.ndarray, landmarks: np.ndarray, audio: np.ndarray, fps: Fraction | float
    ) -> LipSyncScore:
        """Score a clip; arguments as in `spoken_clip`."""
        size = self.network.settings.crop_size
        return self.score(spoken_clip(frames, landmarks, audio, fps, size))

    def score(self, clip: SpokenClip) -> LipSyncScore:
        """Score a clip that is already cut out; `NOT_MEASURED` if it is too short."""
        settings = self.settings
        search = search_of(clip.windows, settings.search_frames, settings.shared_windows)
        if search < 1:
            return NOT_MEASURED
        lips, sound = embed_clip(self.network, clip)
        return score_distances(distances_by_shift(lips, sound, search))
