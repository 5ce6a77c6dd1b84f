"""The released way back into the frame, literally: blend at the size of the face, resize, paste.

As in `face_pipeline.md` 4.1 and 4.2 (default order): the whole crop is resampled, background too,
and black outside the mask bleeds into it. The crop box is the one around the aligned square.
"""

from __future__ import annotations

import cv2
import numpy as np


def cone(size):
    radius = size // 2
    distance = np.zeros((size, size), np.float32)
    for row in range(size):
        for column in range(size):
            distance[row, column] = np.hypot(row - radius, column - radius)
    kernel = distance.max() - distance
    return kernel / kernel.sum()


def pyramid(source, generated, mask, levels=4):
    stacks = []
    for image in (source, generated, mask):
        stack = [image]
        for _ in range(levels):
            stack.append(cv2.pyrDown(stack[-1]))
        stacks.append(stack)
    bands = []
    for stack in stacks[:2]:
        own = [
            stack[n] - cv2.pyrUp(stack[n + 1], dstsize=stack[n].shape[1::-1]) for n in range(levels)
        ]
        bands.append([*own, stack[levels]])
    blended = None
    for level in reversed(range(levels + 1)):
        weight = stacks[2][level]
        mixed = bands[1][level] * weight + bands[0][level] * (1 - weight)
        if blended is not None:
            mixed = mixed + cv2.pyrUp(blended, dstsize=mixed.shape[1::-1])
        blended = mixed
    return blended


def blend(frame, picture, mask, matrix):
    """Frame (H, W, 3) with picture (S, S, 3) pasted; matrix (2, 3) from frame to aligned pixels."""
    side = len(picture)
    inverse = cv2.invertAffineTransform(matrix.astype(np.float64))
    corners = np.array([(0, 0), (side, 0), (0, side), (side, side)]) @ inverse[:, :2].T
    corners = corners + inverse[:, 2]
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int), frame.shape[1::-1])
    box = frame[top:bottom, left:right]
    crop = cv2.resize(box, (side, side), interpolation=cv2.INTER_LANCZOS4)
    to_crop = np.diag([side / (right - left), side / (bottom - top)])
    back = to_crop @ inverse
    back[:, 2] -= to_crop @ (left, top)
    face = cv2.warpAffine(picture, back, (side, side), flags=cv2.INTER_LANCZOS4)
    inside = cv2.warpAffine(mask, back, (side, side), flags=cv2.INTER_NEAREST)
    face[inside == 0] = 0
    size = int(33 * side / 256)
    size += 1 - size % 2
    soft = cv2.filter2D(
        (inside > 0).astype(np.float32), -1, cone(size), borderType=cv2.BORDER_CONSTANT
    )
    hard = np.repeat((soft >= 0.8).astype(np.float32)[..., None], 3, axis=2)
    blended = pyramid(crop.astype(np.float32) / 255, face.astype(np.float32) / 255, hard)
    pasted = cv2.resize(
        (np.clip(blended, 0, 1) * 255).astype(np.uint8),
        (right - left, bottom - top),
        interpolation=cv2.INTER_LANCZOS4,
    )
    result = frame.copy()
    result[top:bottom, left:right] = pasted
    return result
