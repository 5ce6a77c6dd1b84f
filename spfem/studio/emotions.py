"""Emotions in the face: which units, how strong, how they grow, how they bend speech."""

from __future__ import annotations

import numpy as np

from spfem.settings import EMOTIONS
from spfem.studio.visemes import VISEME_NAMES, unit_vector

_APEX: dict[str, dict[str, float]] = {
    "neutral": {},
    "angry": {
        "browDown": 0.95, "eyeSquint": 0.4, "noseSneer": 0.3, "mouthPress": 0.3, "mouthFrown":
        0.25, "mouthLowerDown": 0.25, "jawForward": 0.3,
    },
    "disgusted": {
        "noseSneer": 0.95, "mouthUpperUp": 0.65, "browDown": 0.4, "eyeSquint": 0.4, "cheekSquint":
        0.45, "mouthFrown": 0.3, "mouthShrugLower": 0.2,
    },
    "fear": {
        "browInnerUp": 0.85, "browOuterUp": 0.25, "eyeWide": 0.8, "mouthStretch": 0.65,
        "mouthLowerDown": 0.2, "mouthFrown": 0.15, "jawOpen": 0.06,
    },
    "happy": {
        "mouthSmile": 0.85, "cheekSquint": 0.6, "eyeSquint": 0.3, "mouthDimple": 0.3,
        "mouthUpperUp": 0.2, "browOuterUp": 0.1,
    },
    "sad": {
        "browInnerUp": 0.85, "mouthFrown": 0.8, "eyeBlink": 0.3, "eyeLookDown": 0.3,
        "mouthShrugLower": 0.35, "mouthPress": 0.1,
    },
    "surprised": {
        "browInnerUp": 0.8, "browOuterUp": 0.95, "eyeWide": 0.75, "jawOpen": 0.25, "mouthFunnel":
        0.15,
    },
}  # fmt: skip
EMOTION_UNITS: np.ndarray = np.stack([unit_vector(_APEX[name]) for name in EMOTIONS])
"""Face units of each emotion at its apex, float64 (7, 52)."""

# How wide the jaw opens in speech, how far the lips round: angry speech is wide, sad speech small.
_JAW_GAIN = dict(zip(EMOTIONS, (1.0, 1.15, 0.95, 0.9, 1.05, 0.78, 1.2), strict=True))
_ROUND_GAIN = dict(zip(EMOTIONS, (1.0, 1.05, 0.85, 0.8, 0.75, 0.9, 1.1), strict=True))
_ONSET_SECONDS = dict(zip(EMOTIONS, (0.3, 0.2, 0.3, 0.18, 0.3, 0.45, 0.15), strict=True))

_JAW = unit_vector({"jawOpen": 1, "mouthLowerDown": 1, "mouthUpperUp": 1}) > 0
_ROUND = unit_vector({"mouthPucker": 1, "mouthFunnel": 1}) > 0
_OPENING = _JAW | _ROUND  # part the lips, so a closure stops them
_WIDENING = unit_vector({"mouthSmile": 1, "mouthStretch": 1, "mouthDimple": 1, "mouthFrown": 1}) > 0
_PRESSING = unit_vector({"mouthPress": 1, "mouthShrugLower": 1}) > 0  # needs lips that meet

_CLOSED = np.array([{"PP": 1.3, "FF": 1.1}.get(name, 0.0) for name in VISEME_NAMES])
_ROUNDED = np.array([{"ou": 1.0, "oh": 0.5, "CH": 0.5}.get(name, 0.0) for name in VISEME_NAMES])


def emotion_envelope(
    emotion: str, seconds: np.ndarray, length: float, seed: list[int]
) -> np.ndarray:
    """Intensity over time: onset, apex with slow waves, partial offset; (T,) in [0, 1].

    Args:
        emotion: one of `EMOTIONS`; it decides how fast the onset is.
        seconds: times (T,).
        length: of the clip, in seconds.
        seed: of the waves and of the start and end levels.
    """
    random = np.random.default_rng(seed)
    begin, end = random.uniform(0.45, 0.65), random.uniform(0.7, 0.85)
    phase, hertz = random.uniform(0, 2 * np.pi), random.uniform(0.4, 0.8)
    onset = np.clip(seconds / _ONSET_SECONDS[emotion], 0, 1)
    offset = np.clip((length - seconds) / 0.25, 0, 1)
    rise, fall = (x * x * (3 - 2 * x) for x in (onset, offset))
    waves = 0.94 + 0.06 * np.sin(2 * np.pi * hertz * seconds + phase)
    return (begin + (1 - begin) * rise) * (end + (1 - end) * fall) * waves


def add_emotion(
    speech_units: np.ndarray,
    weights: np.ndarray,
    emotion: str,
    apex: np.ndarray,
    envelope: np.ndarray,
) -> np.ndarray:
    """Combine speech and emotion so that lip closures and rounding survive.

    Args:
        speech_units: units of speech alone (T, 52).
        weights: viseme weights (T, 15).
        emotion: one of `EMOTIONS`; it also bends how wide the mouth moves in speech.
        apex: the emotion's units at full intensity (52,).
        envelope: intensity (T,).

    Returns:
        float64 (T, 52) in [0, 1].
    """
    closed = np.clip(weights @ _CLOSED, 0, 1)[:, None]
    rounded = np.clip(weights @ _ROUNDED, 0, 1)[:, None]
    intensity = envelope[:, None]
    gain = np.where(_JAW, _JAW_GAIN[emotion], np.where(_ROUND, _ROUND_GAIN[emotion], 1.0))
    speech = np.clip(speech_units * (1 + (gain - 1) * intensity), 0, 1)
    feeling = np.clip(apex * intensity, 0, 1)
    feeling = np.where(_OPENING, feeling * (1 - closed), feeling)
    feeling = np.where(_WIDENING, feeling * (1 - 0.45 * rounded), feeling)
    feeling = np.where(_PRESSING, feeling * (1 - speech[:, :1]), feeling)  # column 0: jawOpen
    return speech + feeling - speech * feeling
