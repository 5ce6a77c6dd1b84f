"""Which frames of two recordings of the same words belong together, by their sound.

Mel-frequency cepstra as `python_speech_features` defines them, one row a video frame, are aligned
by dynamic time warping with city-block cost and an exact order of ties.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np

from spfem.errors import SettingsError, ShapeError
from spfem.settings import PairingSettings


class Alignment(NamedTuple):
    """The cheapest monotone path between two sequences.

    Attributes:
        path: int64 (L, 2), rows (i, j) from (0, 0) to (N - 1, M - 1); each step advances i, j or
            both by one.
        cost: sum of the local costs on the path.
        normalised_cost: cost / L, the mean local cost on the path.
    """

    path: np.ndarray
    cost: float
    normalised_cost: float


def accumulated_cost(local: np.ndarray) -> np.ndarray:
    """Cost of the cheapest path to every cell; float64 (N, M) for local costs (N, M).

    Computed by anti-diagonals, whose cells do not depend on each other.
    """
    rows, columns = local.shape
    # skewed[d, i] is cell (i, d - i); a border of infinity stands for cells outside
    skewed = np.full((rows + columns - 1, rows), np.inf)
    row, column = np.indices(local.shape)
    skewed[row + column, row] = local
    total = np.full((rows + columns + 1, rows + 1), np.inf)
    total[0, 0] = 0.0  # before the first cell
    for diagonal in range(rows + columns - 1):
        before, two_before = total[diagonal + 1], total[diagonal]
        best = np.minimum(np.minimum(two_before[:-1], before[:-1]), before[1:])
        total[diagonal + 2, 1:] = best + skewed[diagonal]
    return total[row + column + 2, row + 1]


def _trace(total: np.ndarray) -> np.ndarray:
    """Walk back from the last cell; ties go to the diagonal, then i - 1, then j - 1."""
    i, j = total.shape[0] - 1, total.shape[1] - 1
    path = [(i, j)]
    while i or j:
        if not i:
            j -= 1
        elif not j:
            i -= 1
        else:
            diagonal, up, left = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
            if diagonal <= up and diagonal <= left:
                i, j = i - 1, j - 1
            elif up <= left:
                i -= 1
            else:
                j -= 1
        path.append((i, j))
    return np.array(path[::-1], dtype=np.int64)


def align_sequences(a: np.ndarray, b: np.ndarray) -> Alignment:
    """Align features (N, D) and (M, D): unconstrained, both ends anchored, unit weights.

    Raises:
        ShapeError: if either is empty or not two-dimensional, D differs, or values are not finite.

    Source: SCMCL, audio alignment.

    Example:
        >>> once, held = np.array([[0.0], [1.0]]), np.array([[0.0], [0.0], [1.0]])
        >>> align_sequences(once, held).path.tolist()
        [[0, 0], [0, 1], [1, 2]]
    """
    from scipy.spatial.distance import cdist

    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or not a.size or not b.size or a.shape[1] != b.shape[1]:
        raise ShapeError(f"sequences must be (N, D) and (M, D), found {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ShapeError("sequences hold values that are not finite")
    total = accumulated_cost(cdist(a, b, "cityblock"))
    path = _trace(total)
    cost = float(total[-1, -1])
    return Alignment(path, cost, cost / len(path))


FILTERS = 26
LIFTER = 22
PRE_EMPHASIS = 0.97
WINDOW_SECONDS = 0.025
_EPSILON = np.finfo(np.float64).eps
_SMALLEST_DEVIATION = 1e-6


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
    """
    from scipy.fft import dct, rfft

    audio = np.asarray(audio)
    if audio.ndim != 1 or not audio.size or not np.issubdtype(audio.dtype, np.floating):
        raise ShapeError(
            f"audio must be a non-empty float array (A,), found {audio.dtype} {audio.shape}"
        )
    window, hop = round(window_seconds * sample_rate), round(sample_rate / fps)
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


def alignment_features(
    audio: np.ndarray, fps: Fraction | float, settings: PairingSettings
) -> np.ndarray:
    """Features of one recording (A,) in [-1, 1], float64 (N, C); row i belongs to video frame i.

    Each cepstrum is brought to mean 0 and deviation 1 over the recording, so that loudness,
    microphone and room do not decide the path or its cost. Departs from the released code, which
    compares raw cepstra; `compat="upstream"` does as it does. The paths differ little (same
    median error on synthetic speech), but cost then tells the same sentence from another one at
    one threshold whatever the recording.

    Raises:
        SettingsError: if `settings.compat` is unknown.
        ShapeError: if `audio` is not a non-empty float array (A,).

    Source: SCMCL, audio alignment; cepstral mean and variance normalisation is ours.
    """
    if settings.compat not in ("paper", "upstream"):
        raise SettingsError(f"compat is {settings.compat!r}; choose 'paper' or 'upstream'")
    cepstra, seconds = settings.cepstra, settings.window_seconds
    features = mfcc(audio, settings.sample_rate, fps, cepstra=cepstra, window_seconds=seconds)
    if settings.compat == "upstream":
        return features
    return (features - features.mean(0)) / np.maximum(features.std(0), _SMALLEST_DEVIATION)


def matched_frames(path: np.ndarray, count: int) -> np.ndarray:
    """(T,) frames of the second clip that say what the T = `count` of the first say.

    The middle one where the path (N, 2) passes several; that of the nearest frame where it passes
    none.
    """
    found = []
    for frame in range(count):
        distance = np.abs(path[:, 0] - frame)
        there = path[distance == distance.min(), 1]
        found.append(there[len(there) // 2])
    return np.array(found, np.int32)
