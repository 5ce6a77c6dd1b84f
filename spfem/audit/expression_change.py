"""Did the expression change, and towards what was wanted?

The change is the mean of the tracker's scores over the result less that over the same moments of
the source: means over a clip, because speech evens out and emotion stays. It is compared with

* the reference: mean over the reference clip less mean over the source. That holds the difference
  of two persons' resting faces, too, when the reference shows someone else;
* the label: the face units that make up the emotion (those of the embedded corpus, after the
  facial action coding of basic emotions). Nothing is learned from faces, so nothing can be
  overfitted, but real people do not show emotions as in the book. `label_trust` counts how often
  the direction names the emotion of clips in which a real person shows it.

Directions of gaze do not count.
"""

from __future__ import annotations

import numpy as np

from spfem.corpus.synthetic.emotions import EMOTION_UNITS
from spfem.face.tracker import BLENDSHAPE_NAMES
from spfem.face_units import FACE_UNIT_NAMES
from spfem.settings import EMOTIONS

COUNTED = np.array([not name.startswith("eyeLook") for name in BLENDSHAPE_NAMES])
SMALLEST_CHANGE = 0.15  # length of a change in score units, under which it has no direction


def mean_scores(blendshapes: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Mean (43,) of the counted tracker scores (T, 51) over usable frames (T,) bool."""
    return blendshapes[usable][:, COUNTED].mean(axis=0, dtype=np.float64)


def label_direction(emotion: str) -> np.ndarray:
    """Unit direction (43,) of an emotion in counted tracker scores; zeros for neutral."""
    units = EMOTION_UNITS[EMOTIONS.index(emotion)]
    columns = [FACE_UNIT_NAMES.index(name) for name in BLENDSHAPE_NAMES]
    direction = units[columns][COUNTED]
    length = float(np.linalg.norm(direction))
    return direction / length if length else direction


def direction_cosine(change: np.ndarray, wanted: np.ndarray) -> float:
    """Cosine of a change (E,) and the wanted one; NaN if either is too small for a direction."""
    sizes = float(np.linalg.norm(change)), float(np.linalg.norm(wanted))
    if min(sizes) < SMALLEST_CHANGE:
        return float("nan")
    return float(change @ wanted) / (sizes[0] * sizes[1])


def strength(change: np.ndarray, wanted: np.ndarray) -> float:
    """How far a change (E,) goes along the wanted one, as a share of it: 1 is all the way."""
    size = float(wanted @ wanted)
    return float(change @ wanted) / size if size >= SMALLEST_CHANGE**2 else float("nan")


def nearest_label(change: np.ndarray) -> str:
    """The emotion whose direction is nearest to a change (E,); neutral if it is too small."""
    if float(np.linalg.norm(change)) < SMALLEST_CHANGE:
        return "neutral"
    labels = [emotion for emotion in EMOTIONS if emotion != "neutral"]
    return max(labels, key=lambda emotion: float(change @ label_direction(emotion)))
