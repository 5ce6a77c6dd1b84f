"""What the browser is sent: headers and plain arrays, without a metric behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.frames import MOMENT_GAP_FRAMES
from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import BATCH_FRAMES, describe_clip, feature_maps
from spfem.correlation.stccl import TemporalCoherence
from spfem.errors import ShapeError
from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.pairing.dtw import matched_frames
from spfem.panels import pictures_as_jpeg
from spfem.plots import MATRIX_COLOURS, SIMILARITY_COLOURS, WEIGHT_COLOURS

COLOURS = {"similar": SIMILARITY_COLOURS, "weight": WEIGHT_COLOURS, "time": MATRIX_COLOURS}
STRIP_COLUMNS = 16  # faces in a row of the strip
LARGEST_FACE = 128  # pixels; larger faces are shrunk for the strip
KEPT_CLIPS = 6  # with their feature maps; 35 frames of 96 pixels take 38 MB
USUAL_SHARE = 4  # of the clip: how far away another moment is, if nothing speaks against it
MOST_BYTES = 128_000_000  # of descriptors: more would burden a browser


@dataclass(frozen=True)
class Packet:
    """A header of plain values, and arrays by name."""

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
    """Faces as one strip (JPEG), sound (A,) int16, and the facts of a clip."""
    side = min(clip.faces.shape[1], LARGEST_FACE)
    jpeg = np.frombuffer(pictures_as_jpeg(clip.faces, side, STRIP_COLUMNS), np.uint8)
    sound = np.rint(np.clip(clip.waveform, -1, 1) * np.iinfo(np.int16).max).astype(np.int16)
    facts = {name: getattr(clip, name) for name in ("emotion", "fps", "sample_rate", "visemes")}
    header = {**facts, "frames": len(clip.faces), "side": side, "columns": STRIP_COLUMNS}
    return Packet(header, {"faces": jpeg, "sound": sound})


def pair_packet(pair: ExploredPair, metrics: Mapping[str, str]) -> Packet:
    """Which moments belong together, the titles of metrics by name, and colours (256, 3) uint8.

    `path` (N, 2), `matched` and `other` (T,) frames, `elsewhere` (T, U) where something else is
    said.
    """
    first, second = pair.first, pair.second
    said = (first.visemes, second.visemes)
    visemes = None if None in said else said
    matched = matched_frames(pair.path, len(first.faces))
    elsewhere = says_something_else(matched, len(second.faces), MOMENT_GAP_FRAMES, visemes)  # type: ignore[arg-type]
    arrays = {
        "path": pair.path.astype(np.int32),
        "matched": matched,
        "other": other_frames(matched, elsewhere, MOMENT_GAP_FRAMES),
        "elsewhere": elsewhere.astype(np.uint8),
    }
    for name, scale in COLOURS.items():
        shades = mpl.colormaps[scale](np.arange(256))[:, :3]
        arrays[f"{name}_colours"] = (shades * 255).astype(np.uint8)
    return Packet({"remark": pair.remark, "metrics": dict(metrics)}, arrays)


def says_something_else(
    matched: np.ndarray,
    length: int,
    gap_frames: int,
    visemes: tuple[Sequence[str], Sequence[str]] | None = None,
) -> np.ndarray:
    """(T, U) bool, frames of the second clip that are far from the matched one and say otherwise.

    Far is `gap_frames` away from the frames (T,) of `matched_frames`; without the visemes of both
    clips (T,) and (U,) the distance alone counts.
    """
    others = np.abs(np.arange(length) - matched[:, None]) >= gap_frames
    if visemes is not None:
        first, second = (np.asarray(names) for names in visemes)
        others &= (second != first[:, None]) & (second != second[matched][:, None])
    return others


def other_frames(matched: np.ndarray, elsewhere: np.ndarray, gap_frames: int) -> np.ndarray:
    """(T,) frames at which something else is said, about a quarter of the clip away.

    Of a clip that is too short, or all one viseme, the farther end. See `says_something_else`.
    """
    length = elsewhere.shape[1]
    wanted, found = max(gap_frames, length // USUAL_SHARE), []
    for frame, others in zip(matched, map(np.flatnonzero, elsewhere), strict=True):
        if len(others):
            found.append(others[np.abs(np.abs(others - frame) - wanted).argmin()])
        else:
            found.append(length - 1 if frame < length / 2 else 0)
    return np.array(found, np.int32)


def places_packet(
    model: SpatialCoherence | TemporalCoherence, clip: ExploredClip, level: int, raw: bool = False
) -> Packet:
    """Descriptors of P places of T frames, as whole numbers `codes` (T, P, D) times `scale`.

    Places run along the rows of the (H, W) map, without its border: P = (H - 2) (W - 2). Of
    spatial metrics `weights` (T, P) are disparity weights w in [1, 2), as 255 (w - 1).

    A level beyond the last is the last. See `describe_clip`.

    Raises:
        ShapeError: if the clip is too short for the metric, or too long for a browser.
    """
    features = _clip_features(model, clip)
    level = min(level, len(features) - 1)
    maps = features[level]
    values, weights = describe_clip(model, maps, level, raw=raw)
    codes, scale = round_values(values, np.int16)
    if codes.nbytes > MOST_BYTES:
        raise ShapeError(
            f"level {level} of {clip.title!r} takes {codes.nbytes // 10**6} MB, too much for a "
            "browser; choose a coarser level or a shorter clip"
        )
    arrays = {"codes": codes}
    if weights is not None:
        arrays["weights"] = np.rint((weights - 1) * 255).astype(np.uint8)
    shape = list(maps.shape[2:])
    header = {"level": level, "levels": len(features), "shape": shape, "scale": scale}
    return Packet(header, arrays)


def round_values(values: np.ndarray, kind: type) -> tuple[np.ndarray, float]:
    """Whole numbers for `values` (N, ...), and what they are to be multiplied with."""
    scale = max(float(np.abs(values).max()), 1e-6) / np.iinfo(kind).max
    return np.rint(values / scale).astype(kind), scale


@lru_cache(KEPT_CLIPS)
def _clip_features(model: SpatialCoherence, clip: ExploredClip) -> list[Tensor]:
    """Feature maps (T, C, H, W) of all levels, on the model's device."""
    device = next(model.parameters()).device
    batches = (
        feature_maps(model, images_from_frames(clip.faces[start : start + BATCH_FRAMES], device))
        for start in range(0, len(clip.faces), BATCH_FRAMES)
    )
    return [torch.cat(level).contiguous() for level in zip(*batches, strict=True)]
