"""Windows of lips and of sound as SyncNet takes them: 5 frames at 25 fps, 20 rows of cepstra."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from spfem.errors import ShapeError

FPS = 25
SAMPLE_RATE = 16000  # hertz
FRAMES = 5  # of a window
ROWS = 20  # of cepstra of a window; 100 a second, so 4 a frame
CEPSTRA = 13
ROWS_PER_FRAME = 4
_INT16 = 32768.0  # SyncNet reads samples as 16-bit integers


def frames_at_25(count: int, fps: Fraction | float) -> np.ndarray:
    """Which frames stand for a video resampled to 25 fps: the nearest in time.

    Args:
        count: frames of the video.
        fps: its frames per second.

    Returns:
        (T,) indices; all frames in their order at 25 fps.

    Raises:
        ShapeError: without frames or with a rate that is not above 0.
    """
    rate = float(fps)
    if count < 1 or not rate > 0:
        raise ShapeError(f"a video needs frames and a rate; got {count} frames at {rate} fps")
    kept = max(1, round(count * FPS / rate))
    return np.minimum(np.round(np.arange(kept) * rate / FPS).astype(int), count - 1)


def sound_rows(audio: np.ndarray) -> np.ndarray:
    """Cepstra (N, 13) float32, 100 rows a second, of sound (A,) in [-1, 1] at 16 kHz."""
    from spfem.pairing.mfcc import mfcc  # the network alone needs no SciPy

    scaled = np.asarray(audio, np.float64) * _INT16
    return mfcc(scaled, SAMPLE_RATE, 100, cepstra=CEPSTRA).astype(np.float32)


def window_count(frames: int, rows: int) -> int:
    """Windows of a clip that both lips and sound fill; 0 if it is too short."""
    return max(0, min(frames - FRAMES, (rows - ROWS) // ROWS_PER_FRAME) + 1)


def lip_windows(crops: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Windows (N, 5, ...) that start at frames (N,) of crops (T, ...)."""
    return crops[index[:, None] + np.arange(FRAMES)]


def sound_windows(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Windows (N, 13, 20) of cepstra (R, 13) that sound with the windows at frames (N,)."""
    return rows[ROWS_PER_FRAME * index[:, None] + np.arange(ROWS)].swapaxes(1, 2)
