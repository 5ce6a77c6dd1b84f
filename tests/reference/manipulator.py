"""The released manipulator at test time, literally: window by window, codes read again for each.

As in `manipulator_and_renderer.md` part C: a loader of windows that opens the ten code files of
each, one window through the generator at a time, Gaussian overlap-add, the edges overwritten.
"""

from __future__ import annotations

import pickle

import numpy as np
import torch


def write_codes(folder, expression):
    """One pickle a frame: jaw opening in `pose`, the other coefficients in `exp`."""
    for number, row in enumerate(np.asarray(expression, np.float32)):
        pose = np.zeros((1, 6), np.float32)
        pose[0, 3] = row[0]
        with (folder / f"{number:06d}.pkl").open("wb") as file:
            pickle.dump({"exp": row[None, 1:], "pose": pose}, file)


def read_window(paths):
    rows = []
    for path in paths:
        with path.open("rb") as file:
            codes = pickle.load(file)  # written by `write_codes` a moment ago
        rows.append(np.concatenate([codes["pose"][0, 3:4], codes["exp"][0]]))
    return torch.from_numpy(np.stack(rows))


@torch.no_grad()
def manipulate(generator, style, *, expression=None, folder=None, length=10, weights=None):
    """Edited (T, 51) of codes in memory, or of the files of `folder`.

    `weights` (length,) stand for OpenCV's Gaussian kernel where OpenCV is missing.
    """
    if weights is None:
        import cv2

        weights = torch.from_numpy(cv2.getGaussianKernel(length, -1)[:, 0]).float()
    paths = None if folder is None else sorted(folder.glob("*.pkl"))
    frames = len(expression) if paths is None else len(paths)
    windows = frames - length + 1
    style = style[None]
    edited = None
    first = last = None
    for start in range(windows):
        if paths is None:
            window = expression[start : start + length]
        else:
            window = read_window(paths[start : start + length])
        made = generator(window[None].to(style.device), style)[0].cpu()
        if edited is None:
            edited, first = torch.zeros(frames, made.shape[1]), made
        edited[start : start + length] += made * weights[:, None]
        last = made
    edited[: length - 1] = first[:-1]
    edited[-(length - 1) :] = last[1:]
    return edited
