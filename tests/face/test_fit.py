from __future__ import annotations

from dataclasses import replace

import numpy as np

from spfem.face.fit import fit_head
from spfem.face.landmarks import interocular_distance
from spfem.settings import FaceSettings


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


def test_outliers_do_not_move_the_head(head, planted):
    landmarks = planted.tracked.landmarks.copy()
    landmarks[:, 100:110, :2] += 25
    spoilt = fit_head(head, replace(planted.tracked, landmarks=landmarks), FaceSettings())
    clean = fit_head(head, planted.tracked, FaceSettings())
    assert np.abs(spoilt.rotation - clean.rotation).max() < np.radians(2)
    assert np.abs(spoilt.translation - clean.translation).max() < 1.0
