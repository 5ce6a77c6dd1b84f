"""Views of windows: held frames dropped, changes where the picture changes, unit correlations."""

import numpy as np
import pytest
from studies.probes import frame_correlations

from spfem.correlation.learn import initial_temporal_metric
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, draw_face


@pytest.fixture(scope="module")
def faces():
    return np.stack([draw_face(viseme, 0, 0) for viseme in (0, 3, 3)])


def test_correlations_of_frames(faces):
    settings = TemporalSettings(spatial=SMALL, formulation="cm", places=(16, 8))
    metric = initial_temporal_metric("temporal_cm", settings, 0).eval()
    found = frame_correlations(metric, faces, 0)
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-5)
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    np.testing.assert_allclose(found[1, 2], 1, atol=1e-5)
    assert found[0, 1] < 1 - 1e-6
