from __future__ import annotations

import numpy as np
from tools.place_landmarks import find_embedding

from spfem.face.landmarks import INNER_LIPS, LEFT_IRIS, LOWER_INNER_LIP, RIGHT_IRIS, UPPER_INNER_LIP
from spfem.head.model import EYE, SKIN


def test_the_stored_places_are_those_of_a_new_search(head):
    triangles, barycentric = find_embedding(head, people=2)
    places = np.einsum("lkc,lk->lc", head.mean[head.triangles[triangles]], barycentric)
    distance = np.linalg.norm(places - head.landmarks(head.mean), axis=1)
    assert np.median(distance) < 0.008  # head units: 2 mm
    assert np.percentile(distance, 95) < 0.03


def test_landmarks_lie_on_the_right_parts(head):
    region = head.region[head.landmark_triangles]
    iris = list(RIGHT_IRIS + LEFT_IRIS)
    assert (region[iris] == EYE).all()
    assert (np.delete(region, iris) == SKIN).all()
    assert np.allclose(head.landmark_barycentric.sum(1), 1, atol=1e-5)
    marks = head.landmarks(head.vertices(np.zeros(48), 0.5 * np.eye(52)[0]))
    assert marks[LOWER_INNER_LIP, 1] - marks[UPPER_INNER_LIP, 1] > 0.03
    assert abs(marks[list(INNER_LIPS), 0].mean()) < 0.01
