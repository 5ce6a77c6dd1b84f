"""High dynamic range to ordinary range: PQ and HLG of BT.2020 or BT.709, by display light."""

from __future__ import annotations

import numpy as np

PQ, HLG = 16, 18  # transfers, ITU-T H.273
TRANSFERS = (PQ, HLG)
WHITE_NITS = 203.0  # of a white page in HDR, ITU-R BT.2408
HLG_PEAK_NITS, HLG_GAMMA = 1000.0, 1.2  # of the nominal display, ITU-R BT.2100
KNEE = 0.8  # of white: darker tones keep their light, brighter ones share what is left
DISPLAY_GAMMA = 2.4  # ITU-R BT.1886
BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""ITU-R BT.2087."""


def pq_nits(signal: np.ndarray) -> np.ndarray:
    """Light in nits of PQ values in [0, 1], any shape (SMPTE ST 2084)."""
    root = signal ** (1 / 78.84375)
    return 1e4 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
        1 / 0.1593017578125
    )


def hlg_nits(signal: np.ndarray) -> np.ndarray:
    """Light in nits of HLG values (..., 3) in [0, 1] on a display of 1000 nits (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum((scene * BT2020_LUMA).sum(-1, keepdims=True), 1e-6)
    return HLG_PEAK_NITS * scene * luma ** (HLG_GAMMA - 1)


def tone_map(pixels: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Ordinary RGB of a picture in high dynamic range.

    Light up to 0.8 of white (203 nits) stays as it is; what is brighter is bent below white by
    the brightest component, which keeps hues. Colours outside BT.709 are clipped.

    Args:
        pixels: (H, W, 3) uint16, full range.
        transfer: `PQ` or `HLG`.
        primaries: of the pixels, ITU-T H.273; 1 for BT.709, all others are taken for BT.2020.

    Returns:
        (H, W, 3) uint8 for a display of gamma 2.4.
    """
    signal = pixels.astype(np.float32) / 65535
    light = (pq_nits(signal) if transfer == PQ else hlg_nits(signal)) / WHITE_NITS
    if primaries != 1:
        light = light @ BT2020_TO_BT709.T
    peak = np.maximum(light.max(-1, keepdims=True), 1e-6)
    over = np.maximum(peak - KNEE, 0) / (1 - KNEE)
    bent = np.where(peak > KNEE, KNEE + (1 - KNEE) * over / (1 + over), peak)
    shown = np.clip(light * (bent / peak), 0, 1) ** (1 / DISPLAY_GAMMA)
    return np.round(255 * shown).astype(np.uint8)
