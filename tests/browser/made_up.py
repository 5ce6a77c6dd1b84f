"""Made-up clips and metrics for the explorer, the same in a kernel and in the test."""

from __future__ import annotations

import numpy as np
import torch

from spfem.correlation.spatial import SpatialCoherence
from spfem.explore import CorrelationExplorer, ExploredClip, ExploredPair
from spfem.settings import SpatialSettings

SIDE, FPS, RATE = 48, 25.0, 16_000
FRAMES = {"neutral": 50, "happy": 60, "angry": 70}
SETTINGS = SpatialSettings(image_size=64, widths=(16, 32), blocks=(1, 1), centres=(4, 4))


def make_metric(seed):
    torch.manual_seed(seed)
    return SpatialCoherence(SETTINGS).supervise()


def make_clip(emotion):
    """Noise, smooth enough that maps have hills."""
    random = np.random.default_rng(list(FRAMES).index(emotion))
    coarse = random.integers(0, 255, (FRAMES[emotion], SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    sound = random.normal(0, 0.1, int(RATE * FRAMES[emotion] / FPS)).astype(np.float32)
    faces = coarse.repeat(4, axis=1).repeat(4, axis=2)
    return ExploredClip(f"made up, {emotion}", emotion, faces, sound, RATE, FPS)


class MadeUpClips:
    """One actor who says one sentence; frames are matched in proportion to the lengths."""

    def actors(self):
        return ("nobody",)

    def sentences(self, actor):
        return ("nothing",)

    def emotions(self, actor, sentence):
        return tuple(FRAMES)

    def pair(self, actor, sentence, first, second):
        clips = make_clip(first), make_clip(second)
        frames = np.arange(FRAMES[first])
        return ExploredPair(*clips, np.stack([frames, frames * FRAMES[second] // FRAMES[first]], 1))


def make_explorer():
    metrics = {"raw": lambda: make_metric(0), "spatial": lambda: make_metric(0)}
    return CorrelationExplorer({"made up": MadeUpClips()}, metrics)
