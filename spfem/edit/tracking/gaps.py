"""Short gaps of the tracker: bridged where the picture shows that the face is still there."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import cv2
import numpy as np

LONGEST_GAP = 5  # frames that may be bridged
LOOK_SIZE = 32  # pixels of the small aligned crops that are compared
LIKENESS = 0.75  # correlation with a neighbour, from which a crop shows the same face


def short_gaps(found: np.ndarray, longest: int = LONGEST_GAP) -> list[tuple[int, int]]:
    """Runs [start, stop) of at most `longest` frames not in `found` (T,), between found ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], found, [True]]).astype(int)))
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [
        (int(start), int(stop))
        for start, stop in runs
        if start > 0 and stop < len(found) and stop - start <= longest
    ]


def bridge_gaps(
    found: np.ndarray,
    align: np.ndarray,
    face_size: int,
    frames: Iterable[np.ndarray],
    lost: Collection[int] = (),
) -> np.ndarray:
    """Frames to edit (T,) bool: those found, and short gaps in which the face is still there.

    A tracker misses single frames of a blurred or turned face; leaving those unedited would
    flicker. In a gap of up to five frames the landmarks are interpolated, so the face, if it is
    there, lies in the interpolated square: a crop that resembles (correlation 0.75) that of the
    frame before or after the gap is edited. A hand before the face, a black frame, or a cut is
    not. Longer gaps stay as they are, and so do frames in which the person was lost: another's
    face in the same place resembles it, too.

    Args:
        found: (T,) bool.
        align: (T, 2, 3) frame pixels to aligned pixels, interpolated where not found.
        face_size: side of the aligned square, pixels.
        frames: the T frames (H, W, 3) uint8; only read if there is a short gap.
        lost: indices of frames that may show somebody else.
    """
    gaps = [gap for gap in short_gaps(found) if not set(range(*gap)) <= set(lost)]
    if not gaps:
        return found
    wanted = {frame for start, stop in gaps for frame in range(start - 1, stop + 1)}
    crops = {
        index: _crop(frame, align[index] * (LOOK_SIZE / face_size))
        for index, frame in enumerate(frames)
        if index in wanted
    }
    shown = found.copy()
    for start, stop in gaps:
        for frame in range(start, stop):
            ends = (crops[start - 1], crops[stop])
            likeness = max(float((crops[frame] * end).mean()) for end in ends)
            shown[frame] = frame not in lost and likeness > LIKENESS
    return shown


def _crop(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Small grey crop of mean 0 and deviation 1; all 0 where it is of one grey."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.5:  # would alias
        frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / shrink)
    crop = cv2.warpAffine(frame, matrix.astype(np.float64), (LOOK_SIZE, LOOK_SIZE)).mean(-1)
    deviation = crop.std()
    return (crop - crop.mean()) / deviation if deviation > 1 else np.zeros_like(crop)
