"""Many small pictures as one file."""

from __future__ import annotations

import cv2
import numpy as np

JPEG_QUALITY = 90


def pictures_as_jpeg(pictures: np.ndarray, side: int, columns: int) -> bytes:
    """Pictures (T, S, S, 3) uint8 RGB, shrunk to `side` pixels, in rows of `columns`, as JPEG."""
    whole = np.zeros((-(-len(pictures) // columns) * side, columns * side, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = (side * n for n in divmod(number, columns))
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        whole[top : top + side, left : left + side] = small[..., ::-1]
    return cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
