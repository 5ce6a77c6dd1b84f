from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.released.deca_conditions import pupil_center


def test_a_dark_spot_draws_the_centre():
    grey = np.full((40, 40), 0.9)
    grey[18:22, 24:28] = 0.01
    square = np.array([(8, 8), (32, 8), (32, 32), (8, 32)])
    centre = pupil_center(grey, square)
    assert np.allclose(pupil_center(np.full((40, 40), 0.5), square), (20, 20))
    assert np.linalg.norm(centre - (25.5, 19.5)) < 2.2


def test_an_eye_without_light_is_refused():
    with pytest.raises(ShapeError, match="above 0"):
        pupil_center(np.zeros((20, 20)), np.array([(2, 2), (9, 2), (9, 9)]))
    with pytest.raises(ShapeError, match="polygon"):
        pupil_center(np.zeros((20, 20)), np.zeros((3, 3)))
