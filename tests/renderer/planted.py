"""Planted faces: an ellipse with coloured eyes and a mouth that opens, and what causes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spfem.renderer.data import RendererClip, stack_conditions
from spfem.settings import RendererSettings

SIDE = 32
SETTINGS = RendererSettings(
    image_size=SIDE,
    width=16,
    blocks=2,
    downsamplings=1,
    kernel=3,
    fold=2,
    skips=True,
    discriminator_width=4,
    mouth_size=16,
    batch_size=2,
    chunk_frames=2,
    sequence_frames=(4,),
    augmentation=0.0,
    learning_rate=2e-3,
    adapt_learning_rate=1e-3,
    adversarial_weight=0.05,
    feature_weight=0.5,
    pixel_weight=10.0,
)
PLAIN = replace(SETTINGS, skips=False, fold=1)


def planted_clip(seed: int, frames: int, *, smile: float = 0.0, person: int = 0):
    """A clip of a person whose mouth opens as told; `smile` bends the mouth of the edit."""
    random = np.random.default_rng(seed)
    rows, columns = (np.mgrid[0:SIDE, 0:SIDE] + 0.5) / SIDE * 2 - 1
    inside = (columns / 0.7) ** 2 + (rows / 0.9) ** 2 < 1
    opening = 0.5 + 0.5 * np.sin(random.uniform(0, 6) + 0.9 * np.arange(frames))
    look = np.random.default_rng(person)
    skin, lips = look.uniform(120, 220, 3), look.uniform(30, 90, 3)

    def paint(height: float, bend: float) -> np.ndarray:
        image = np.broadcast_to(skin, (SIDE, SIDE, 3)) * (0.8 + 0.2 * columns[..., None])
        centre = 0.45 - bend * columns**2
        mouth = (columns / 0.35) ** 2 + ((rows - centre) / (0.05 + 0.2 * height)) ** 2 < 1
        return np.where(mouth[..., None], lips, image) * inside[..., None]

    def cause(height: float, bend: float) -> np.ndarray:
        centre = 0.45 - bend * columns**2
        dent = np.exp(-((rows - centre) ** 2 / (0.01 + 0.05 * height) + (columns / 0.35) ** 2))
        return np.repeat((255 * (1 - dent) * inside)[..., None], 3, axis=-1)

    def conditions(bend: float) -> np.ndarray:
        shape = np.stack([cause(height, bend) for height in opening]).astype(np.uint8)
        place = np.stack([columns, rows, 0 * rows], -1) * 127 + 127
        nmfc = np.repeat((place * inside[..., None])[None], frames, 0).astype(np.uint8)
        mask = np.repeat(255 * inside[None], frames, 0).astype(np.uint8)
        return stack_conditions(nmfc, shape, 0 * nmfc, mask)

    faces = np.stack([paint(height, 0.0) for height in opening])
    faces = np.where(inside[..., None], faces, 99).astype(np.uint8)
    centres = np.tile([SIDE / 2, 0.725 * SIDE], (frames, 1)).astype(np.float32)
    return RendererClip(conditions(0.0), faces, centres, conditions(smile))
