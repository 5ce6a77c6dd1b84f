"""Phonemes to mouth shapes over time: visemes, coarticulation, face units.

Coarticulation by overlapping dominance functions (M. M. Cohen and D. W. Massaro, 1993): every
phoneme pulls the mouth towards its shape, more weakly the further away in time, and the weights
of all phonemes are normalised. Closures of the lips dominate briefly and almost completely;
rounding begins early; tongue consonants leave the lips to their neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spfem.errors import CorpusError
from spfem.head.names import FACE_UNIT_NAMES
from spfem.studio.speech import SILENCE, Speech


class Shape(NamedTuple):
    """How a viseme pulls: strength, reach before and after its core in seconds, core share."""

    strength: float
    before_seconds: float
    after_seconds: float
    core: float


_SHAPES: dict[str, Shape] = {
    "sil": Shape(0.8, 0.060, 0.060, 0.8),
    "PP": Shape(6.0, 0.026, 0.022, 0.6),  # p b m
    "FF": Shape(3.5, 0.028, 0.025, 0.5),  # f v
    "TH": Shape(0.9, 0.050, 0.045, 0.6),
    "DD": Shape(0.5, 0.045, 0.040, 0.5),  # t d
    "kk": Shape(0.35, 0.045, 0.040, 0.5),  # k g h
    "CH": Shape(1.6, 0.080, 0.050, 0.6),  # tS dZ S Z
    "SS": Shape(0.8, 0.050, 0.045, 0.6),  # s z
    "nn": Shape(0.45, 0.045, 0.040, 0.5),  # n N l
    "RR": Shape(0.8, 0.070, 0.050, 0.5),
    "aa": Shape(1.2, 0.065, 0.060, 0.7),
    "E": Shape(1.2, 0.065, 0.060, 0.7),
    "ih": Shape(1.2, 0.065, 0.060, 0.7),
    "oh": Shape(1.4, 0.090, 0.065, 0.6),
    "ou": Shape(1.7, 0.100, 0.065, 0.6),  # u U w
}
VISEME_NAMES: tuple[str, ...] = tuple(_SHAPES)
"""The 15 visemes; the index is the column of viseme weights."""

LEAD_SECONDS = 0.045  # the mouth moves before it sounds

_PHONEMES: dict[str, tuple[str, ...]] = {SILENCE: ("sil",)} | {
    phoneme: visemes
    for phonemes, visemes in {
        "p b m": ("PP",),
        "f v": ("FF",),
        "T D": ("TH",),
        "t d t2 t# ?": ("DD",),
        "k g h x": ("kk",),
        "tS dZ S Z": ("CH",),
        "s z": ("SS",),
        "n N l l# n-": ("nn",),
        "r r- 3 3: @-": ("RR",),
        "w u: u U 8": ("ou",),
        "j i i: I I2 I# ;": ("ih",),
        "E e E2 @ @2 @5 a#": ("E",),
        "a aa A: A V 0 0# A#": ("aa",),
        "O O: O2 o:": ("oh",),
        "aI aI@ aI3": ("aa", "ih"),
        "aU": ("aa", "ou"),
        "eI": ("E", "ih"),
        "OI": ("oh", "ih"),
        "oU": ("oh", "ou"),
        "A@": ("aa", "RR"),
        "e@": ("E", "RR"),
        "i@ i@3": ("ih", "RR"),
        "O@ o@": ("oh", "RR"),
        "U@": ("ou", "RR"),
        "@L": ("E", "nn"),
    }.items()
    for phoneme in phonemes.split()
}

_UNITS: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"mouthPress": 0.4, "mouthRollLower": 0.25, "mouthRollUpper": 0.2},
    "FF": {"jawOpen": 0.07, "mouthRollLower": 0.5, "mouthUpperUp": 0.25},
    "TH": {"jawOpen": 0.2, "tongueOut": 0.3, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1},
    "DD": {"jawOpen": 0.15, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1, "mouthStretch": 0.1},
    "kk": {"jawOpen": 0.22, "mouthLowerDown": 0.12, "mouthStretch": 0.08},
    "CH": {"jawOpen": 0.12, "mouthFunnel": 0.55, "mouthPucker": 0.25, "mouthLowerDown": 0.15},
    "SS": {"jawOpen": 0.06, "mouthStretch": 0.3, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15},
    "nn": {"jawOpen": 0.16, "mouthLowerDown": 0.18, "mouthUpperUp": 0.05},
    "RR": {"jawOpen": 0.16, "mouthFunnel": 0.35, "mouthPucker": 0.25},
    "aa": {"jawOpen": 0.65, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15},
    "E": {"jawOpen": 0.36, "mouthStretch": 0.25, "mouthLowerDown": 0.25, "mouthUpperUp": 0.12},
    "ih": {"jawOpen": 0.17, "mouthStretch": 0.4, "mouthLowerDown": 0.28, "mouthDimple": 0.15},
    "oh": {"jawOpen": 0.45, "mouthFunnel": 0.55, "mouthPucker": 0.2},
    "ou": {"jawOpen": 0.14, "mouthPucker": 0.8, "mouthFunnel": 0.35},
}


def unit_vector(amounts: dict[str, float]) -> np.ndarray:
    """Return amounts by unit name as a float64 (52,) vector.

    A name without its side, such as `mouthStretch`, means left and right.

    Raises:
        CorpusError: if a name is no face unit.
    """
    vector = np.zeros(len(FACE_UNIT_NAMES))
    for name, amount in amounts.items():
        names = [name] if name in FACE_UNIT_NAMES else [f"{name}Left", f"{name}Right"]
        for unit in names:
            if unit not in FACE_UNIT_NAMES:
                raise CorpusError(f"{name!r} is no face unit")
            vector[FACE_UNIT_NAMES.index(unit)] = amount
    return vector


VISEME_UNITS: np.ndarray = np.stack([unit_vector(_UNITS[name]) for name in VISEME_NAMES])
"""Face units of each viseme at full weight, float64 (15, 52)."""


def _segments(speech: Speech) -> list[tuple[int, float, float]]:
    """(viseme, start, end) in seconds; a diphthong is two visemes one after the other."""
    segments = []
    for name, start, end in speech.phonemes:
        if name not in _PHONEMES:
            raise CorpusError(f"no mouth shape is known for the phoneme {name!r}")
        visemes = _PHONEMES[name]
        edges = np.linspace(start, end, len(visemes) + 1)
        for viseme, first, last in zip(visemes, edges[:-1], edges[1:], strict=True):
            segments.append((VISEME_NAMES.index(viseme), float(first), float(last)))
    return segments


def viseme_weights(speech: Speech, seconds: np.ndarray) -> np.ndarray:
    """Weights of the visemes at given times, with coarticulation.

    Args:
        speech: the sentence.
        seconds: times (T,).

    Returns:
        float64 (T, 15), not negative, rows sum to 1.

    Raises:
        CorpusError: if a phoneme has no known mouth shape.
    """
    weights = np.full((len(seconds), len(VISEME_NAMES)), 1e-9)
    for viseme, start, end in _segments(speech):
        shape = _SHAPES[VISEME_NAMES[viseme]]
        margin = (end - start) * (1 - shape.core) / 2
        early = np.maximum(start + margin - (seconds + LEAD_SECONDS), 0)
        late = np.maximum(seconds + LEAD_SECONDS - (end - margin), 0)
        distance = early / shape.before_seconds + late / shape.after_seconds
        weights[:, viseme] += shape.strength * np.exp(-(distance**2))
    return weights / weights.sum(1, keepdims=True)
