from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.face.fit import fit_head
from spfem.reading.reader import fit_towards
from spfem.settings import FaceSettings, ReadSettings
from tests.reading.planted import SHRINKAGE, planted_seen, planted_units

FACE = FaceSettings()


@pytest.fixture(scope="module")
def clip(head):
    random = np.random.default_rng(3)
    identity = random.normal(0, 0.5, len(head.identity_basis)).astype(np.float32)
    units = planted_units(head, 24, random)
    tracked, _ = planted_seen(head, units, identity, random)
    return tracked, identity, units


def strength(head, expression, units):
    column = head.expression_names.index("browInnerUp")
    true = units[:, column] - units[:, column].mean()
    return float((expression[:, column] * true).sum() / (true**2).sum())


def test_a_heavy_weight_gives_the_read_units_and_none_those_of_the_landmarks(head, clip):
    tracked, identity, units = clip
    for weight, wanted, near in ((1e6, 1.0, 0.05), (1e-3, SHRINKAGE, 0.2)):
        read = ReadSettings(weight=weight, smoothness=0.0)
        fitted = fit_towards(head, tracked, units, FACE, read, identity=identity)
        assert strength(head, fitted.expression, units) == pytest.approx(wanted, abs=near)


def test_the_default_shows_more_than_the_plain_fit_and_meets_the_landmarks(head, clip):
    tracked, identity, units = clip
    plain = fit_head(head, tracked, FACE, identity=identity)
    fitted = fit_towards(head, tracked, units, FACE, ReadSettings(), identity=identity)
    assert strength(head, fitted.expression, units) > 0.75
    assert strength(head, plain.expression, units) < 0.5
    assert np.array_equal(fitted.identity, identity)
    assert fitted.reprojection_error.mean() < 2 * plain.reprojection_error.mean()


def test_smoothing_calms_what_jumps(head, clip):
    tracked, identity, units = clip
    noisy = (units + np.random.default_rng(0).normal(0, 0.1, units.shape)).clip(0, 1)
    rough, calm = (
        fit_towards(
            head, tracked, noisy.astype(np.float32), FACE, replace(ReadSettings(), smoothness=s),
            identity=identity,
        ).expression
        for s in (0.0, 500.0)
    )  # fmt: skip
    assert np.abs(np.diff(calm, axis=0)).mean() < 0.5 * np.abs(np.diff(rough, axis=0)).mean()


def test_the_tongue_is_taken_as_read(head, clip):
    tracked, identity, units = clip
    tongue = units.copy()
    tongue[:, head.expression_names.index("tongueOut")] = 0.3
    fitted = fit_towards(head, tracked, tongue, FACE, ReadSettings(), identity=identity)
    assert np.allclose(fitted.expression[:, head.expression_names.index("tongueOut")], 0.3)
