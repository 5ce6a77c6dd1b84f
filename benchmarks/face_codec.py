"""Small pictures in few bytes, read by NumPy alone: the transform of JPEG, packed by zlib."""

from __future__ import annotations

import numpy as np

BLOCK = 8
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""(8, 8) steps of the brightness's cosines, JPEG's own; colours take twice the steps."""

COLOURS = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
"""(3, 3) rows of brightness and two colour differences, of RGB."""


def _cosines() -> np.ndarray:
    """(8, 8) orthonormal; row k holds the cosine of frequency k."""
    places, frequencies = np.arange(BLOCK) + 0.5, np.arange(BLOCK)[:, None]
    waves = np.cos(np.pi * frequencies * places / BLOCK) * np.sqrt(2 / BLOCK)
    waves[0] /= np.sqrt(2)
    return waves


def pack_frames(frames: np.ndarray, coarseness: float) -> dict[str, np.ndarray]:
    """Quantised cosines of frames, int16, frequency by frequency so that zeros lie together.

    Args:
        frames: (T, S, S, 3) uint8 RGB, S a multiple of 16.
        coarseness: factor on the steps; 0.5 is JPEG's quality 75.
    """
    planes = frames.astype(np.float32) @ COLOURS.T.astype(np.float32)
    light = planes[..., 0] - 128
    small = planes[..., 1:].reshape(
        len(frames), frames.shape[1] // 2, 2, frames.shape[2] // 2, 2, 2
    )
    colours = small.mean(axis=(2, 4)).transpose(3, 0, 1, 2)
    parts = {"light": light, "blue": colours[0], "red": colours[1]}
    return {
        name: _forward(plane, coarseness * (1 if name == "light" else 2))
        for name, plane in parts.items()
    }


def unpack_frames(packed: dict[str, np.ndarray], coarseness: float) -> np.ndarray:
    """Frames (T, S, S, 3) uint8 RGB of what `pack_frames` made."""
    light = _backward(packed["light"], coarseness) + 128
    blue, red = (
        _backward(packed[name], 2 * coarseness).repeat(2, axis=1).repeat(2, axis=2)
        for name in ("blue", "red")
    )
    planes = np.stack([light, blue, red], axis=-1)
    rgb = planes @ np.linalg.inv(COLOURS).T.astype(np.float32)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _forward(plane: np.ndarray, coarseness: float) -> np.ndarray:
    """Plane (T, S, S) to (8, 8, T, S / 8, S / 8)."""
    count, side = len(plane), plane.shape[1] // BLOCK
    blocks = plane.reshape(count, side, BLOCK, side, BLOCK)
    waves = _cosines().astype(np.float32)
    cosines = np.einsum("ky,tiyjx,lx->kltij", waves, blocks, waves, optimize=True)
    steps = np.maximum(LUMINANCE * coarseness, 1)[:, :, None, None, None]
    return np.rint(cosines / steps).astype(np.int16)


def _backward(packed: np.ndarray, coarseness: float) -> np.ndarray:
    steps = np.maximum(LUMINANCE * coarseness, 1)[:, :, None, None, None]
    waves = _cosines().astype(np.float32)
    cosines = packed * steps.astype(np.float32)
    blocks = np.einsum("ky,kltij,lx->tiyjx", waves, cosines, waves, optimize=True)
    count, side = packed.shape[2], packed.shape[3] * BLOCK
    return blocks.reshape(count, side, side)
