from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.face.fit import fit_head
from spfem.face.landmark_sets import interocular_distance
from spfem.settings import FaceSettings
from tests.face.planted import planted_clip


def test_planted_codes_are_found(head, planted):
    weak = replace(
        FaceSettings(),
        expression_regularisation=0.01,
        identity_regularisation=0.01,
        score_weight=0.0,
        smoothness=0.0,
        expression_smoothness=0.0,
        fit_iterations=20,
    )
    fitted = fit_head(head, planted.tracked, weak)
    eyes = interocular_distance(planted.tracked.landmarks)
    assert np.median(fitted.reprojection_error / eyes) < 0.005
    truth = planted.codes.expression[:, 0]
    assert np.corrcoef(fitted.expression[:, 0], truth)[0, 1] > 0.97
    assert np.abs(fitted.rotation - planted.codes.rotation).max() < np.radians(5)


def test_default_settings_follow_the_jaw_through_noise(head):
    planted = planted_clip(head, noise=0.7, seed=3)
    fitted = fit_head(head, planted.tracked, FaceSettings())
    truth = planted.codes.expression[:, 0]
    assert np.corrcoef(fitted.expression[:, 0], truth)[0, 1] > 0.95
    assert fitted.expression.min() >= 0
    assert fitted.expression.max() <= 1


def test_outliers_do_not_move_the_head(head, planted):
    landmarks = planted.tracked.landmarks.copy()
    landmarks[:, 100:110, :2] += 25
    spoilt = fit_head(head, replace(planted.tracked, landmarks=landmarks), FaceSettings())
    clean = fit_head(head, planted.tracked, FaceSettings())
    assert np.abs(spoilt.rotation - clean.rotation).max() < np.radians(2)
    assert np.abs(spoilt.translation - clean.translation).max() < 1.0


@pytest.mark.parametrize("frames", [1, 2])
def test_short_clips_can_be_fitted(head, frames):
    planted = planted_clip(head, frames=frames)
    fitted = fit_head(head, planted.tracked, FaceSettings())
    assert fitted.expression.shape == (frames, 52)
    assert np.isfinite(fitted.identity).all()
