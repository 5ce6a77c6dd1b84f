"""Which of the tracker's 478 landmarks lie on which part of the face (MediaPipe's mesh)."""

from __future__ import annotations

import numpy as np

from spfem.head.model import LANDMARK_COUNT

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
INNER_LIPS = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip
OUTER_LIPS = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
)  # fmt: skip
LIP_RINGS = (
    76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 307, 320, 404, 315, 16, 85, 180, 90, 77,
    62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 325, 319, 403, 316, 15, 86, 179, 89, 96,
)  # fmt: skip
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
NOSE_BRIDGE = (168, 6, 197, 195, 5, 4, 1, 122, 351, 193, 417, 98, 327, 94, 2)
EYE_CORNERS = (33, 133, 362, 263)
UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER = 61, 291


def interocular_distance(landmarks: np.ndarray) -> np.ndarray:
    """Distance (...) between the centres of the two eyes of landmarks (..., 478, 2 or 3)."""
    right = landmarks[..., RIGHT_EYE, :2].mean(-2)
    left = landmarks[..., LEFT_EYE, :2].mean(-2)
    return np.linalg.norm(right - left, axis=-1)


def landmark_weights() -> np.ndarray:
    """Weights (478,) float32 of the fit: lips, lids, brows and irises count more.

    The outline counts little, because the tracker follows the silhouette there, which is no fixed
    place of the skin when the head turns.
    """
    weights = np.full(LANDMARK_COUNT, 0.5, np.float32)
    weights[list(INNER_LIPS + OUTER_LIPS + LIP_RINGS)] = 2.0
    weights[list(RIGHT_EYE + LEFT_EYE)] = 2.0
    weights[list(RIGHT_BROW + LEFT_BROW)] = 2.0
    weights[list(RIGHT_IRIS + LEFT_IRIS)] = 1.0
    weights[list(FACE_OVAL)] = 0.15
    return weights
