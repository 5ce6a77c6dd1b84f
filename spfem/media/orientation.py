"""How a picture is to be turned and mirrored, from the display matrix of a stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData

_MIRROR = np.array([[-1, 0], [0, 1]])
_TURN = np.array([[0, -1], [1, 0]])  # a quarter counter-clockwise, of row vectors (x, y)


@dataclass(frozen=True)
class Orientation:
    """Mirrored left to right first, then turned counter-clockwise by quarters."""

    turns: int = 0
    mirrored: bool = False

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """The picture (H, W, ...) as it is to be seen."""
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(np.rot90(picture, self.turns))

    def matrix(self) -> np.ndarray:
        """Its (2, 2) matrix for row vectors (x, y), y down."""
        start = _MIRROR if self.mirrored else np.eye(2, dtype=int)
        return start @ np.linalg.matrix_power(_TURN, self.turns)


UPRIGHT = Orientation()
ALL = tuple(Orientation(turns, mirrored) for mirrored in (False, True) for turns in range(4))


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What a decoded frame says of itself; other angles are rounded to a quarter turn."""
    for data in cast("Iterable[SideData]", frame.side_data):
        if data.type.name == "DISPLAYMATRIX":
            return nearest_orientation(np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]])
    return UPRIGHT


def nearest_orientation(entries: np.ndarray) -> Orientation:
    """The orientation nearest to the entries (4,) a, b, c, d of a display matrix."""
    linear = np.asarray(entries, float).reshape(2, 2)
    return max(ALL, key=lambda one: float((one.matrix() * linear).sum()))
