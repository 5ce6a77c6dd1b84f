"""Flicker and fine detail of aligned faces, to be read beside those of the source.

A blurred result flickers less, because the same small movement changes it less. So flicker is
also given by fine detail, the ratio of the two numbers.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

HELD_STEP = 0.15  # grey levels between two frames, under which the video stands still
FEWEST_TRIPLES = 5
SHARPNESS_FRAMES = 16


def not_held(frames: np.ndarray) -> np.ndarray:
    """Frames (T,) bool without those at either end in which a video stands still.

    Published panels of other lengths are filled up with copies of their first or last frame.

    Args:
        frames: (T, H, W, 3) uint8.
    """
    moving = np.array(
        [cv2.absdiff(first, second).mean() > HELD_STEP for first, second in pairwise(frames)]
    )
    kept = np.zeros(len(frames), bool)
    if moving.any():
        steps = np.flatnonzero(moving)
        kept[steps[0] : steps[-1] + 2] = True
    return kept


def upper_face(masks: np.ndarray, noses: np.ndarray) -> np.ndarray:
    """Masks (T, S, S) cut to above the tip of the nose, where speech moves the skin little.

    Args:
        masks: (T, S, S) uint8, 255 inside the face.
        noses: (T,) rows of the tip of the nose, aligned pixels.
    """
    upper = masks.copy()
    upper[:, max(int(np.median(noses)), 0) :] = 0
    return upper


def flicker(faces: np.ndarray, masks: np.ndarray, usable: np.ndarray) -> float:
    """How much the skin changes from frame to frame and back, in grey levels of 255.

    At each pixel the root mean square over time of x[t] - (x[t-1] + x[t+1]) / 2; of these the
    median over the pixels that lie inside in all frames. So it tells about skin: lids and brows,
    which move by themselves, are the smaller part of the pixels.

    Args:
        faces: (T, S, S, 3) uint8 aligned.
        masks: (T, S, S) uint8, 255 inside the face.
        usable: (T,) bool.

    Returns:
        Grey levels; NaN with fewer than five runs of three usable frames.
    """
    grey = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces]).astype(np.float32)
    three = usable[:-2] & usable[1:-1] & usable[2:]
    inside = (masks[usable] > 127).all(axis=0)
    if three.sum() < FEWEST_TRIPLES or not inside.any():
        return float("nan")
    off = grey[1:-1] - (grey[:-2] + grey[2:]) / 2
    return float(np.median(np.sqrt((off[three] ** 2).mean(axis=0))[inside]))


def sharpness(faces: np.ndarray, masks: np.ndarray, usable: np.ndarray) -> float:
    """Deviation of the Laplacian over the face, mean over frames, in grey levels.

    Args as in `flicker`. Fine detail and noise of a camera or coder count alike.
    """
    at = np.flatnonzero(usable)
    if not len(at):
        return float("nan")
    chosen = at[np.unique(np.linspace(0, len(at) - 1, SHARPNESS_FRAMES).astype(int))]
    values = []
    for index in chosen:
        grey = cv2.cvtColor(faces[index], cv2.COLOR_RGB2GRAY)
        inside = cv2.erode(masks[index], np.ones((5, 5), np.uint8)) > 127
        if inside.any():
            values.append(cv2.Laplacian(grey, cv2.CV_32F)[inside].std())
    return float(np.mean(values)) if values else float("nan")


def frame_difference(faces: np.ndarray, masks: np.ndarray, usable: np.ndarray) -> float:
    """Mean absolute step of the grey face from frame to frame, in grey levels.

    Args as in `flicker`. Unlike it, this counts movement: a result that moves as much as its source
    and keeps its detail changes as much.

    Returns:
        Mean over steps between two usable frames, of the pixels inside in both; NaN without one.
    """
    steps = []
    for index in range(len(faces) - 1):
        if not usable[index : index + 2].all():
            continue
        inside = (masks[index] > 127) & (masks[index + 1] > 127)
        if inside.any():
            before, after = (
                cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces[index : index + 2]
            )
            steps.append(cv2.absdiff(before, after)[inside].mean())
    return float(np.mean(steps)) if steps else float("nan")
