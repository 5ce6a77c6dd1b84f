"""Defaults of the audit of published result clips."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AuditSettings:
    """How panels are lined up in time, measured and compared."""

    face_size: int = 128  # pixels, of aligned faces for flicker and sharpness
    rates: tuple[float, ...] = (1.0, 25 / 30, 30 / 25)  # clocks a panel may have run on
    largest_offset_seconds: float = 0.5
    identity_frames: int = 6  # moments of a clip, the same for all its methods
    largest_lag_seconds: float = 0.4  # between lips and sound
    resamples: int = 2000  # of the bootstrap over clips
    confidence: float = 0.95
    error_rate: float = 0.05  # of all comparisons together (Holm)
    lean_rate: float = 0.1  # of one comparison alone, for what is called a lean
