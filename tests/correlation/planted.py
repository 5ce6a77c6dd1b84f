"""Small drawn faces with planted truth: the mouth follows the speech, the look the emotion."""

from __future__ import annotations

import numpy as np

from spfem.correlation.frames import ClipPair, FramePairs
from spfem.settings import SpatialSettings

SMALL = SpatialSettings(
    image_size=32,
    widths=(16, 32),
    blocks=(1, 1),
    centres=(8, 4),
    batch_size=8,
    steps=60,
    curve_steps=30,
)


MOUTHS = ((0.05, 0.45), (0.12, 0.35), (0.2, 0.2), (0.28, 0.4))  # half height, half width


def draw_face(viseme: int, emotion: int, actor: int, side: int = 32) -> np.ndarray:
    """(side, side, 3) uint8: 4 mouth openings; emotion changes light and brows."""
    random = np.random.default_rng([7, actor])
    skin = 120 + 80 * random.random(3)
    coarse = random.normal(0, 25, (9, 9, 3))
    texture = np.kron(coarse, np.ones((-(-side // 9),) * 2 + (1,)))[:side, :side]
    row, column = np.mgrid[0:side, 0:side] / (side - 1) * 2 - 1
    image = np.ones((side, side, 3)) * skin * (1 - 0.25 * emotion) + texture
    eyes = (np.abs(np.abs(column) - 0.4) < 0.15) & (np.abs(row + 0.25) < 0.08)
    brow_height = -0.5 - 0.1 * emotion * np.abs(column)
    brows = (np.abs(np.abs(column) - 0.4) < 0.22) & (np.abs(row - brow_height) < 0.05)
    opening, reach = MOUTHS[viseme]
    corners = 0.5 - 0.15 * emotion * column**2
    mouth = ((row - corners) / opening) ** 2 + (column / reach) ** 2 < 1
    image[eyes | brows] = 20
    image[mouth] = (110, 20, 30)
    if emotion:  # another light: colours change places, the background gets stripes
        image = image[..., [1, 2, 0]] + 25 * np.sign(np.sin(9 * column))[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def planted_pairs(actors=(0, 1), frames=12, side=32) -> tuple[FramePairs, dict[str, np.ndarray]]:
    """Frame pairs of two emotions with a warping path, and the visemes of each clip."""
    faces, visemes, pairs = {}, {}, []
    for actor in actors:
        for sentence in range(2):
            random = np.random.default_rng([actor, sentence])
            spoken = random.integers(len(MOUTHS), size=frames)
            slow = np.repeat(np.arange(frames), random.integers(1, 3, size=frames))
            source = f"A{actor}/neutral/level_1/{sentence:03d}"
            target = f"A{actor}/happy/level_3/{sentence:03d}"
            visemes[source], visemes[target] = spoken, spoken[slow]
            faces[source] = np.stack([draw_face(v, 0, actor, side) for v in visemes[source]])
            faces[target] = np.stack([draw_face(v, 1, actor, side) for v in visemes[target]])
            path = np.stack([slow, np.arange(len(slow))], axis=1)
            pairs.append(ClipPair(source, target, path))
    return FramePairs(faces, tuple(pairs)), visemes
