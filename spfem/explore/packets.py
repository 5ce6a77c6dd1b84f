"""What the explorer's page is sent: headers and plain arrays, without a metric behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np

from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.explore.describe import PlaceCodes
from spfem.figures.matrices import MATRIX_COLOURS
from spfem.figures.style import SIMILARITY_COLOURS, WEIGHT_COLOURS

STRIP_COLUMNS = 16  # faces in a row of the strip
LARGEST_FACE = 128  # pixels; larger faces are shrunk for the strip
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Packet:
    """A header of plain values and arrays by name."""

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def to_wire(self) -> tuple[dict[str, Any], list[bytes]]:
        """The header with names, types and shapes of the arrays, and their bytes in that order."""
        listed = [
            {"name": name, "type": values.dtype.name, "shape": list(values.shape)}
            for name, values in self.arrays.items()
        ]
        parts = [np.ascontiguousarray(values).tobytes() for values in self.arrays.values()]
        return {**self.header, "arrays": listed}, parts


def clip_packet(clip: ExploredClip) -> Packet:
    """Faces as one strip (JPEG), sound (A,) int16, and the names of a clip."""
    count, side = len(clip.faces), min(clip.faces.shape[1], LARGEST_FACE)
    strip = np.zeros((-(-count // STRIP_COLUMNS) * side, STRIP_COLUMNS * side, 3), np.uint8)
    for number, face in enumerate(clip.faces):
        top, left = (side * n for n in divmod(number, STRIP_COLUMNS))
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        strip[top : top + side, left : left + side] = small[..., ::-1]
    jpeg = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    header = {
        "title": clip.title,
        "emotion": clip.emotion,
        "frames": count,
        "fps": clip.fps,
        "side": side,
        "columns": STRIP_COLUMNS,
        "sample_rate": clip.sample_rate,
        "visemes": clip.visemes,
    }
    sound = np.rint(np.clip(clip.waveform, -1, 1) * np.iinfo(np.int16).max).astype(np.int16)
    return Packet(header, {"faces": jpeg.ravel(), "sound": sound})


def pair_packet(pair: ExploredPair, metrics: Mapping[str, str]) -> Packet:
    """Which moments belong together, the titles of metrics by name, and colours (256, 3) uint8.

    `path` (N, 2), `matched` and `other` (T,) frames, `elsewhere` (T, U) where something else is
    said.
    """
    frames = range(len(pair.first.faces))
    moments = {
        "path": pair.path.astype(np.int32),
        "matched": np.array([pair.matched_frame(frame) for frame in frames], np.int32),
        "other": np.array([pair.other_frame(frame) for frame in frames], np.int32),
        "elsewhere": np.array([pair.says_something_else(frame) for frame in frames], np.uint8),
    }
    scales = (("similar", SIMILARITY_COLOURS), ("weight", WEIGHT_COLOURS), ("time", MATRIX_COLOURS))
    colours = {
        f"{name}_colours": (mpl.colormaps[scale](np.arange(256))[:, :3] * 255).astype(np.uint8)
        for name, scale in scales
    }
    return Packet({"remark": pair.remark, "metrics": dict(metrics)}, {**moments, **colours})


def places_packet(described: PlaceCodes, level: int, level_count: int) -> Packet:
    """Codes of places, and weights in [1, 2) as (weight - 1) 255."""
    header = {
        "level": level,
        "levels": level_count,
        "shape": list(described.shape),
        "scale": described.scale,
    }
    arrays = {"codes": described.codes}
    if described.weights is not None:
        arrays["weights"] = np.rint((described.weights - 1) * 255).astype(np.uint8)
    return Packet(header, arrays)
