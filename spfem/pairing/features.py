"""What two recordings are aligned by: cepstra, one row a video frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from spfem.errors import SettingsError
from spfem.pairing.mfcc import mfcc
from spfem.settings import PairingSettings

_SMALLEST_DEVIATION = 1e-6


def alignment_features(
    audio: np.ndarray, fps: Fraction | float, settings: PairingSettings
) -> np.ndarray:
    """Features of one recording, float64 (N, C); row i belongs to video frame i.

    Each cepstrum is brought to mean 0 and deviation 1 over the recording, so that loudness,
    microphone and room do not decide the path or its cost. Departs from the released code, which
    compares raw cepstra; `compat="upstream"` does as it does. The paths differ little (same
    median error on synthetic speech), but cost then tells the same sentence from another one at
    one threshold whatever the recording.

    Args:
        audio: float (A,) in [-1, 1] at `settings.sample_rate`.
        fps: of the video.
        settings: of the pairing stage.

    Raises:
        SettingsError: if `settings.compat` is unknown.
        ShapeError: if `audio` is not a non-empty float array (A,).

    Source: SCMCL, audio alignment; cepstral mean and variance normalisation is ours.
    """
    if settings.compat not in ("paper", "upstream"):
        raise SettingsError(f"compat is {settings.compat!r}; choose 'paper' or 'upstream'")
    features = mfcc(
        audio,
        settings.sample_rate,
        fps,
        cepstra=settings.cepstra,
        window_seconds=settings.window_seconds,
    )
    if settings.compat == "upstream":
        return features
    return (features - features.mean(0)) / np.maximum(features.std(0), _SMALLEST_DEVIATION)
