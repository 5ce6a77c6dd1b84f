"""Whether lips, jaw and head of a result move as those of the source do."""

from __future__ import annotations

import numpy as np

from spfem.audit.panels import Panel
from spfem.audit.timing import Alignment, correlation, sample_at
from spfem.evaluation.identity import similarity_transform
from spfem.evaluation.mouth import MOUTH, STABLE, mouth_opening
from spfem.face.landmark_sets import interocular_distance

JAW = 0  # column of the fitted face units
CLOSED = 0.05  # opening in distances of the eyes, under which the lips of a source are closed
FEWEST_CLOSED = 3  # frames


def lip_motion(landmarks: np.ndarray) -> np.ndarray:
    """Lip landmarks (T, L, 2) in distances of the eyes, apart from head and resting shape.

    A similarity transform on landmarks that neither speech nor emotion moves much puts every
    frame on the first one; then the mean over time is taken off, and with it most of what an
    emotion does to the mouth. Turns out of the picture's plane still move the lips a little.

    Args:
        landmarks: (T, 478, 2 or 3).
    """
    stable = landmarks[:, STABLE, :2]
    matrices = similarity_transform(stable, np.broadcast_to(stable[:1], stable.shape))
    lips = landmarks[:, MOUTH, :2].astype(np.float64)
    placed = lips @ matrices[:, :, :2].swapaxes(-1, -2) + matrices[:, None, :, 2]
    return (placed - placed.mean(axis=0)) / interocular_distance(landmarks[:1])[0]


def follow_source(source: Panel, result: Panel, alignment: Alignment) -> dict[str, float]:
    """How lips, jaw and head of a result follow the source over the moments both show."""
    places = alignment.places(len(source.track))
    _, shared = sample_at(np.zeros(len(result.track)), result.usable, places)
    shared &= source.usable

    def theirs(values: np.ndarray) -> np.ndarray:
        return sample_at(values, result.usable, places)[0][shared]

    ours, marks = source.track, theirs(result.track.landmarks)
    opening = mouth_opening(ours.landmarks[shared]), mouth_opening(marks)
    turns = [
        correlation(ours.rotation[shared, axis], theirs(result.track.rotation[:, axis]))
        for axis in range(3)
    ]
    return {
        "mouth_correlation": correlation(*opening),
        "lip_shape_correlation": correlation(
            lip_motion(ours.landmarks[shared]).ravel(), lip_motion(marks).ravel()
        ),
        "jaw_correlation": correlation(
            ours.expression[shared, JAW], theirs(result.track.expression[:, JAW])
        ),
        "opening_when_closed": opening_when_closed(*opening),
        "mouth_amplitude": float(opening[1].std() / max(opening[0].std(), 1e-9)),
        "head_correlation": float(np.mean(turns)),
        "shared_frames": float(shared.sum()),
    }


def opening_when_closed(source: np.ndarray, result: np.ndarray) -> float:
    """Mean opening of a result while the lips of the source are closed.

    Whatever the emotion, p, b and m need closed lips; a correlation does not see a mouth that
    moves in time but never closes.

    Args:
        source: (T,) openings in distances of the eyes.
        result: (T,) of the same moments.

    Returns:
        Distances of the eyes; NaN if the source closes its lips in fewer than three frames.
    """
    closed = source < CLOSED
    return float(result[closed].mean()) if closed.sum() >= FEWEST_CLOSED else float("nan")
