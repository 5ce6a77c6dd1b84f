"""The edges of the frame: windows beyond them, and what they cut off."""

from __future__ import annotations

import numpy as np
import torch


def cut_window(frame: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    """The window (height, width, 3) of a frame (H, W, 3) at x, y; its border is repeated beyond."""
    high, wide = frame.shape[:2]
    if x >= 0 and y >= 0 and x + width <= wide and y + height <= high:
        return frame[y : y + height, x : x + width]
    rows = np.clip(np.arange(y, y + height), 0, high - 1)
    columns = np.clip(np.arange(x, x + width), 0, wide - 1)
    return frame[rows[:, None], columns]


def laid_back(frame: np.ndarray, window: np.ndarray, x: int, y: int) -> np.ndarray:
    """The frame (H, W, 3) with a window (h, w, 3) at x, y, which may lie partly outside."""
    high, wide = frame.shape[:2]
    height, width = window.shape[:2]
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + height, high), min(x + width, wide)
    if bottom <= top or right <= left:
        return frame
    made = frame.copy()
    made[top:bottom, left:right] = window[top - y : bottom - y, left - x : right - x]
    return made


def hold_at_edges(
    source: torch.Tensor, edited: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    """Edited vertices (B, U, 3) that bring nothing into the frame that lies beyond its edges.

    A shift away from an edge begins with nothing on it and grows to the whole within twice the
    largest one, so that nothing folds and no border pixel is drawn out.

    Args:
        source: (B, U, 3) vertices as fitted, frame pixels.
        edited: (B, U, 3) likewise.
        height: of the frame, pixels.
        width: of the frame, pixels.
    """
    shift = (edited - source)[..., :2]
    size = source.new_tensor([width, height])
    inward = torch.where(shift > 0, source[..., :2], size - source[..., :2])
    largest = shift.abs().amax(1, keepdim=True)
    share = (inward / (2 * largest).clamp(min=1e-6)).clamp(0, 1)
    held = torch.where(share < 1, source[..., :2] + shift * share, edited[..., :2])
    return torch.cat([held, edited[..., 2:]], -1)
