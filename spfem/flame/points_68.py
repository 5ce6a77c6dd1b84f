"""From the tracker's 478 landmarks to the 68 points that DECA's crop and NED's eyes are defined by.

The released code runs face-alignment (SFD + FAN), whose weights are downloaded at run time; this
package has MediaPipe's tracker, so each of the 68 points (iBUG's numbering: outline 0-16, brows
17-26, nose 27-35, eyes 36-47, lips 48-67) is taken as the landmark, or the middle of the two, that
lies on the same place of the face. A departure: against dlib's 68 points on real clips of 256
pixels the inner points differ by 0.04 eye distances, and the box of the crop by 1.5 % in size and
0.01 eye distances in place.
"""

from __future__ import annotations

import numpy as np

from spfem.errors import ShapeError
from spfem.head.landmarks import LANDMARK_COUNT

POINTS = 68
LEFT_IN_IMAGE_EYE, RIGHT_IN_IMAGE_EYE = slice(36, 42), slice(42, 48)
SAME_PLACE: tuple[tuple[int, ...], ...] = (
    (127,), (234,), (93,), (132, 58), (58, 172), (136,), (150,), (176,), (152,), (400,), (379,),
    (365,), (397, 288), (288, 361), (323,), (454,), (356,),
    (70,), (63,), (105,), (66,), (107,), (336,), (296,), (334,), (293,), (300,),
    (168,), (197,), (5,), (4,), (75,), (97,), (2,), (326,), (305,),
    (33,), (160,), (158,), (133,), (153,), (144,), (362,), (385,), (387,), (263,), (373,), (380,),
    (61,), (39,), (37,), (0,), (267,), (269,), (291,), (321,), (314,), (17,), (84,), (91,),
    (78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,),
)  # fmt: skip


def points_68(landmarks: np.ndarray) -> np.ndarray:
    """The 68 points (T, 68, 2) float64 of landmarks (T, 478, 2 or 3), in the same pixels.

    Raises:
        ShapeError: if the landmarks have another shape.
    """
    if landmarks.ndim != 3 or landmarks.shape[1] != LANDMARK_COUNT or landmarks.shape[2] < 2:
        raise ShapeError(f"landmarks are {landmarks.shape}; wanted (T, {LANDMARK_COUNT}, 2 or 3)")
    flat = landmarks[..., :2].astype(np.float64)
    return np.stack([flat[:, list(places)].mean(1) for places in SAME_PLACE], 1)
