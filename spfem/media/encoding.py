"""How frames are prepared and encoded for an mp4 file."""

from __future__ import annotations

import numpy as np

from spfem.errors import ShapeError

# x264 with look-ahead gives other bytes in about one of 300 runs, so it is off.
ENCODER = {
    "preset": "veryfast",
    "crf": "18",
    "threads": "1",
    "bf": "0",
    "x264-params": "mbtree=0:rc-lookahead=0",
}
LOSSLESS_ENCODER = ENCODER | {"crf": "0"}


def even_frame(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) uint8 with even sides, as H.264 needs: padded by an edge row or column.

    Raises:
        ShapeError: if it is no such array.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ShapeError(f"a frame must be uint8 (H, W, 3), found {frame.dtype} {frame.shape}")
    height, width = frame.shape[:2]
    padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded)
