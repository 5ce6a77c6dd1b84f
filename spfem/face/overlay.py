"""A fit drawn on a frame."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from spfem.face.camera import Pose, project
from spfem.face.fit import HeadTrack
from spfem.head.model import SKIN, HeadModel


def overlay(
    frame: np.ndarray,
    head: HeadModel,
    codes: HeadTrack,
    index: int,
    *,
    landmarks: np.ndarray | None = None,
    enlargement: int = 3,
) -> np.ndarray:
    """Draw the fitted mesh (white wires) and tracked landmarks (green) over one frame.

    The frame (H, W, 3) RGB is number `index` of the clip that the codes are of; landmarks are
    (478, 2 or 3) or None. The picture is `enlargement` times as large.
    """
    picture = cv2.resize(frame, None, fx=enlargement, fy=enlargement, interpolation=cv2.INTER_CUBIC)
    one = slice(index, index + 1)
    pose = Pose.of(codes.rotation[one], codes.scale[one], codes.translation[one])
    vertices = torch.from_numpy(head.vertices(codes.identity, codes.expression[one]))
    points = project(vertices, pose)[0].numpy() * enlargement
    corners = points[head.triangles]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    facing = np.cross(second - first, third - first)[:, 2] < 0
    near = head.mean[head.triangles][..., 2].max(1) < -0.1
    chosen = (
        facing & near & (head.region == SKIN) & (head.mean[head.triangles][..., 1].max(1) < 0.36)
    )
    wires = picture.copy()
    lines = [np.round(corner[:, :2] * 16).astype(np.int32) for corner in corners[chosen]]
    cv2.polylines(wires, lines, True, (255, 255, 255), 1, cv2.LINE_AA, 4)
    picture = cv2.addWeighted(wires, 0.45, picture, 0.55, 0)
    for x, y in [] if landmarks is None else landmarks[:, :2] * enlargement:
        cv2.circle(picture, (round(x), round(y)), 1, (40, 255, 40), -1, cv2.LINE_AA)
    return picture
