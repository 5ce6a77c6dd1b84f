"""What the tracker saw of a face relative to the fitted head at rest: the reader's evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from spfem.errors import ShapeError
from spfem.face.camera import rotation_matrix
from spfem.face.fit import FittedHead
from spfem.face.landmark_sets import FACE_OVAL
from spfem.face.tracker import TrackedFace, fill_missing
from spfem.head import HeadModel
from spfem.head.landmarks import LANDMARK_COUNT

INNER_LANDMARKS = np.setdiff1d(np.arange(LANDMARK_COUNT), FACE_OVAL)
"""The landmarks that are looked at: all but the outline, which is no fixed place of the skin."""


@dataclass(frozen=True)
class Evidence:
    """What is known of T frames of one face; all arrays float32 and finite.

    Attributes:
        offsets: (T, 2 L) of the L `INNER_LANDMARKS` from the head at rest, x and y of the head,
            head units.
        scores: (T, 51) of the tracker, in [0, 1].
        rotation: (T, 3) axis-angle, radians.
    """

    offsets: np.ndarray
    scores: np.ndarray
    rotation: np.ndarray

    def __len__(self) -> int:
        """Frames."""
        return len(self.scores)

    def part(self, index: slice | np.ndarray) -> Evidence:
        """Some of the frames, by a slice or indices (N,)."""
        return Evidence(self.offsets[index], self.scores[index], self.rotation[index])


@dataclass(frozen=True)
class RestingFace:
    """What the tracker sees of a person who shows nothing; float32.

    A person's own brows or lips are no expression: what the reader looks at is the difference.

    Attributes:
        offsets: (2 L,) as in `Evidence`.
        scores: (51,).
        neutral: whether it was seen in clips known to be neutral; else it is the typical frame
            of a clip that may hold any expression.
    """

    offsets: np.ndarray
    scores: np.ndarray
    neutral: bool


def gather_evidence(head: HeadModel, tracked: TrackedFace, fitted: FittedHead) -> Evidence:
    """Turn tracked landmarks into the head's frame and take the resting head away.

    The camera is orthographic, so that only the part of an offset across the line of sight is
    seen; turned back, its x and y are nearly those of the head while the head is nearly frontal.
    Frames with a number that is none count as not found and are filled from their neighbours.

    Args:
        head: the model of the fit.
        tracked: landmarks and scores of T frames.
        fitted: identity and poses of the same frames.

    Raises:
        ShapeError: if the fit is of another number of frames.
    """
    if len(fitted.rotation) != len(tracked.landmarks):
        raise ShapeError(
            f"fitted has {len(fitted.rotation)} frames, tracked {len(tracked.landmarks)}; give "
            "the fit of this clip"
        )
    still = np.zeros(len(head.expression_basis), np.float32)
    rest = head.landmarks(head.vertices(fitted.identity, still))[INNER_LANDMARKS]
    rotation = rotation_matrix(torch.from_numpy(fitted.rotation)).numpy()
    shifted = tracked.landmarks[:, INNER_LANDMARKS, :2] - fitted.translation[:, None]
    seen = shifted / fitted.scale[:, None, None] - rest @ rotation[:, :2].transpose(0, 2, 1)
    offsets = (seen @ rotation[:, :2, :2]).reshape(len(seen), -1)
    return _finite(offsets, tracked.blendshapes, fitted.rotation)


def _finite(offsets: np.ndarray, scores: np.ndarray, rotation: np.ndarray) -> Evidence:
    good = np.isfinite(offsets).all(1) & np.isfinite(scores).all(1) & np.isfinite(rotation).all(1)
    if not good.any():
        zero = (np.zeros(array.shape, np.float32) for array in (offsets, scores, rotation))
        return Evidence(*zero)
    arrays = (offsets, scores, rotation)
    filled = (a if good.all() else fill_missing(a[good], good) for a in arrays)
    return Evidence(*(array.astype(np.float32) for array in filled))


def resting_face(
    seen: Sequence[Evidence], found: Sequence[np.ndarray] | None = None, *, neutral: bool
) -> RestingFace:
    """The typical frame (median of each number) of some clips of one person.

    Args:
        seen: the clips.
        found: (T,) bool of each clip, frames that count; default all.
        neutral: whether the clips are known to be neutral.

    Raises:
        ShapeError: if there is no clip.
    """
    if not seen:
        raise ShapeError("a resting face needs at least one clip; got none")
    kept = [
        clip if found is None or not found[i].any() else clip.part(np.asarray(found[i], bool))
        for i, clip in enumerate(seen)
    ]
    return RestingFace(
        np.median(np.concatenate([clip.offsets for clip in kept]), axis=0).astype(np.float32),
        np.median(np.concatenate([clip.scores for clip in kept]), axis=0).astype(np.float32),
        neutral,
    )
