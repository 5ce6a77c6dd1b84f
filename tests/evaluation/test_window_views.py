"""Views of windows: held frames dropped, changes where the picture changes, unit correlations."""

import numpy as np
import pytest

from spfem.correlation.frame_pairs import ClipPair
from spfem.correlation.temporal_training import initial_temporal_metric
from spfem.correlation.untrained import initial_metric
from spfem.evaluation.window_views import changes_over_time, frame_correlations, moving_window
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, draw_face


@pytest.fixture(scope="module")
def faces():
    return np.stack([draw_face(viseme, 0, 0) for viseme in (0, 3, 3)])


def test_window_leaves_held_frames_out():
    path = np.array([[0, 0], [1, 1], [1, 2], [2, 3], [3, 3], [4, 4]])
    pair = ClipPair("A/neutral/1", "A/happy/1", path)
    assert moving_window(pair, 0, 6).tolist() == [[0, 0], [1, 1], [2, 3], [4, 4]]


def test_changes_sit_where_the_picture_changes(faces):
    changes = changes_over_time(initial_metric(SMALL, 0).eval(), faces, 0)
    assert changes.shape == (2, 16, 16)
    assert changes[1].max() == 0  # the same picture twice
    assert changes[0][8:].sum() > 5 * changes[0][:4].sum()  # mouth, not forehead


def test_correlations_of_frames(faces):
    settings = TemporalSettings(spatial=SMALL, formulation="cm", places=(16, 8))
    metric = initial_temporal_metric("temporal_cm", settings, 0).eval()
    found = frame_correlations(metric, faces, 0)
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-5)
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    np.testing.assert_allclose(found[1, 2], 1, atol=1e-5)
    assert found[0, 1] < 1 - 1e-6
