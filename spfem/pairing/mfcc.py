"""Mel-frequency cepstra as `python_speech_features` defines them, one row a video frame."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from spfem.errors import ShapeError

FILTERS = 26
LIFTER = 22
PRE_EMPHASIS = 0.97
WINDOW_SECONDS = 0.025
_EPSILON = np.finfo(np.float64).eps


def hop_samples(sample_rate: int, fps: Fraction | float) -> int:
    """Samples between two rows: as long as a video frame (533 at 16 kHz and 30 fps).

    Example:
        >>> hop_samples(16000, 30)
        533
    """
    return round(sample_rate / fps)


@cache
def _mel_filters(sample_rate: int, fft_size: int, filters: int) -> np.ndarray:
    """Triangular filters (filters, fft_size / 2 + 1), evenly spaced in mel from 0 to Nyquist."""
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, filters + 2) / 2595) - 1)
    bins = np.floor((fft_size + 1) * hertz / sample_rate)
    left, centre, right = (bins[i : i + filters, None] for i in range(3))
    column = np.arange(fft_size // 2 + 1)
    rising = (column - left) / np.maximum(centre - left, 1)
    falling = (right - column) / np.maximum(right - centre, 1)
    inside_left = (column >= left) & (column < centre)
    inside_right = (column >= centre) & (column < right)
    return np.where(inside_left, rising, np.where(inside_right, falling, 0.0))


def mfcc(
    audio: np.ndarray,
    sample_rate: int = 16000,
    fps: Fraction | float = 25,
    *,
    cepstra: int = 13,
    window_seconds: float = WINDOW_SECONDS,
) -> np.ndarray:
    """Mel-frequency cepstral coefficients, the first replaced by the log frame energy.

    Row i starts at sample i * hop with hop = round(sample_rate / fps), as video frame i does.
    Rectangular window, pre-emphasis 0.97, 26 filters from 0 to half the sample rate, lifter 22.

    Args:
        audio: float (A,) in [-1, 1].
        sample_rate: in hertz.
        fps: rows per second.
        cepstra: C, coefficients per row.
        window_seconds: length of a window.

    Returns:
        float64 (N, C) with N = 1 + ceil((A - window) / hop), at least 1.

    Raises:
        ShapeError: if `audio` is not a non-empty float array (A,).

    Source: SCMCL, audio alignment; the released code fixes 30 rows per second.

    Example:
        >>> mfcc(np.zeros(16000), fps=25).shape
        (26, 13)
    """
    from scipy.fft import dct, rfft

    audio = np.asarray(audio)
    if audio.ndim != 1 or not audio.size or not np.issubdtype(audio.dtype, np.floating):
        raise ShapeError(
            f"audio must be a non-empty float array (A,), found {audio.dtype} {audio.shape}"
        )
    window, hop = round(window_seconds * sample_rate), hop_samples(sample_rate, fps)
    fft_size = 1 << max(window - 1, 1).bit_length()
    count = 1 + max(0, -(-(len(audio) - window) // hop))
    # One buffer, worked on in place: fresh memory costs more than the arithmetic.
    padded = np.zeros(max(len(audio), (count - 1) * hop + window))
    padded[0] = audio[0]
    emphasised = padded[1 : len(audio)]
    emphasised[:] = audio[:-1]
    emphasised *= PRE_EMPHASIS
    np.subtract(audio[1:], emphasised, out=emphasised)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: count * hop : hop][:count]
    power = np.abs(rfft(frames, fft_size))
    power **= 2
    power /= fft_size
    energy = np.maximum(power.sum(1), _EPSILON)
    # Not a matrix product: for one this small the threads of BLAS wait longer than they work.
    bands = np.einsum("nf,bf->nb", power, _mel_filters(sample_rate, fft_size, FILTERS))
    np.maximum(bands, _EPSILON, out=bands)
    coefficients = dct(np.log(bands), type=2, norm="ortho")[:, :cepstra]
    lift = 1 + LIFTER / 2 * np.sin(np.pi * np.arange(cepstra) / LIFTER)
    coefficients *= lift
    coefficients[:, 0] = np.log(energy)
    return coefficients
