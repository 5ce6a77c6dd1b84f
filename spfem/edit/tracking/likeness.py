"""Whether two looks at a face are looks at one person."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from spfem.evaluation.identity import CHIP_SIZE, SAME_PERSON_DISTANCE, embed_chips

SMALL = 6  # pixels, side of a chip of which only colours are left
COLOUR_WEIGHT = 0.01  # distance of descriptors that one grey level counts for
UNLIKE = 0.45  # distance with colours, from which on it is another


def looks_same(known: list[np.ndarray], chip: np.ndarray) -> bool:
    """Whether a face chip (150, 150, 3) shows the person of the known chips.

    The mean of the known is compared: dlib's descriptors by their distance, to which the
    difference of the colours of the aligned faces is added, since a cut within one clip seldom
    changes light and skin, and drawn people resemble each other for dlib more than filmed ones.
    """
    mean = np.mean([_describe(one.tobytes()) for one in known], axis=0)
    distance = float(np.linalg.norm(mean - _describe(chip.tobytes())))
    colours = np.mean([small_chip(one) for one in known], axis=0)
    step = float(np.abs(colours - small_chip(chip)).mean())
    return distance < SAME_PERSON_DISTANCE and distance + COLOUR_WEIGHT * step < UNLIKE


def small_chip(chip: np.ndarray) -> np.ndarray:
    """The colours (6, 6, 3) float32 of a face chip (150, 150, 3)."""
    return cv2.resize(chip, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)


@lru_cache(maxsize=32)
def _describe(chip: bytes) -> np.ndarray:
    shape = (1, CHIP_SIZE, CHIP_SIZE, 3)
    return embed_chips(np.frombuffer(chip, np.uint8).reshape(shape))[0]
