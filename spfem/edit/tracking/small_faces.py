"""A second look for faces that are small in a large frame: in overlapping tiles at full size."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from spfem.edit.tracking.people import LONGEST_SIDE, FindFaces, open_face_finder
from spfem.media.probe import VideoFacts
from spfem.media.video import stream_frames
from spfem.settings import FaceSettings

LOOKS = 5  # frames of a clip that are searched
FIRST_FRAMES = 250  # among which they are spread
TILE = 640  # pixels; the detector finds faces from a tenth of it
ROOM = 1.5  # face sizes around all that was found, for a person who moves


def find_small_faces(
    path: Path, facts: VideoFacts, settings: FaceSettings
) -> tuple[slice, slice] | None:
    """The part of the frame (rows, columns) with the faces of a clip.

    Args:
        path: of the clip.
        facts: of it.
        settings: name the landmarker.

    Returns:
        None if there is no face in the tiles either, or frames are not larger than what was
        searched already.
    """
    size = facts.height, facts.width
    if max(size) <= LONGEST_SIDE:
        return None
    step = max(1, min(facts.frames or 1, FIRST_FRAMES) // LOOKS)
    boxes: list[np.ndarray] = []
    with open_face_finder(None, settings.landmarker_file) as find_faces:
        for frame in islice(stream_frames(path), 0, step * LOOKS, step):
            boxes += _search_tiles(frame, find_faces)
    return _around(np.stack(boxes), size) if boxes else None


def tile_starts(length: int, tile: int = TILE) -> list[int]:
    """Where tiles begin that cover a side, overlapping by half at least.

    Example:
        >>> tile_starts(1000, 640)
        [0, 180, 360]
    """
    if length <= tile:
        return [0]
    count = -(-2 * (length - tile) // tile) + 1
    return [round(place) for place in np.linspace(0, length - tile, count)]


def _search_tiles(frame: np.ndarray, find_faces: FindFaces) -> list[np.ndarray]:
    """Boxes (4,) x0, y0, x1, y1 of the faces of a frame (H, W, 3)."""
    found = []
    for top in tile_starts(frame.shape[0]):
        for left in tile_starts(frame.shape[1]):
            corner = np.array([left, top])
            for face in find_faces(frame[top : top + TILE, left : left + TILE]):
                low, high = face[:, :2].min(0) + corner, face[:, :2].max(0) + corner
                found.append(np.concatenate([low, high]))
    return found


def _around(boxes: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns that hold boxes (N, 4) with room to move, inside the frame (H, W)."""
    room = ROOM * float((boxes[:, 2:] - boxes[:, :2]).max())
    low = np.maximum(boxes[:, :2].min(0) - room, 0).astype(int)
    high = np.minimum(np.ceil(boxes[:, 2:].max(0) + room), [size[1], size[0]]).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
