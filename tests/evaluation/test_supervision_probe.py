from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from studies.probes import JAW, MOUTH, OTHERS, frame_by_frame, plant_wrong_mouths, recover_mouths

from spfem.correlation.frames import ClipPair, FramePairs
from spfem.correlation.similarity import Comparison
from spfem.face.mesh import ShapeRenderer
from spfem.head import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.settings import EvaluationSettings

LENGTH = 8
QUICK = EvaluationSettings(resamples=20)


@pytest.fixture(scope="module")
def planted():
    """A clip pair whose jaw opens over time; the emotional clip is one frame late."""
    random = np.random.default_rng(0)
    still = random.uniform(0, 0.2, 52)
    opening = np.linspace(0, 0.7, LENGTH)
    units = np.tile(still, (LENGTH, 1)).astype(np.float32)
    units[:, 0] = opening
    emotional = units.copy()
    emotional[1:, 0] = opening[:-1]
    identity = np.zeros(48, np.float32)
    faces = {
        "A/neutral/1/1": SimpleNamespace(expression=units, identity=identity),
        "A/happy/3/1": SimpleNamespace(expression=emotional, identity=identity),
    }
    empty = np.zeros((LENGTH, 1, 1, 3), np.uint8)
    path = np.stack([np.arange(LENGTH - 1), np.arange(1, LENGTH)], axis=1)
    pair = ClipPair("A/neutral/1/1", "A/happy/3/1", path)
    return faces, FramePairs(dict.fromkeys(faces, empty), (pair,))


@pytest.fixture(scope="module")
def renderer():
    return ShapeRenderer(load_head_model(), 32)


def likeness(generated, source):
    return (generated - source).square().mean()


def test_only_the_mouth_comes_from_another_moment(planted):
    mouths = plant_wrong_mouths(*planted, [Comparison(0, 3, 4, 7), Comparison(0, 0, 1, 6)])
    faces = planted[0]
    neutral, emotional = (faces[key].expression for key in ("A/neutral/1/1", "A/happy/3/1"))
    assert mouths.wrong.shape == (2, 1, 52)
    assert (mouths.source[:, 0] == neutral[[3, 0]]).all()
    assert (mouths.truth[:, 0] == emotional[[4, 1]]).all()
    assert (mouths.wrong[:, 0, MOUTH] == emotional[[7, 6]][:, MOUTH]).all()
    assert (mouths.wrong[..., OTHERS] == mouths.truth[..., OTHERS]).all()
    assert [FACE_UNIT_NAMES[column] for column in JAW] == ["jawOpen"]
    assert len(MOUTH) + len(OTHERS) == 52


def test_a_loss_that_knows_the_picture_closes_the_jaw_and_one_that_knows_nothing_does_not(
    planted, renderer
):
    mouths = plant_wrong_mouths(*planted, [Comparison(0, 1, 2, 7), Comparison(0, 0, 1, 7)])
    blind = frame_by_frame(lambda generated, source: 0 * generated.sum())
    table = recover_mouths(
        mouths, {"seeing": frame_by_frame(likeness), "blind": blind}, renderer, QUICK, steps=25
    ).set_index(["metric", "units"])
    assert table.loc[("seeing", "jaw_opening"), "ratio"] < 0.6
    assert table.loc[("blind", "jaw_opening"), "ratio"] == 1.0
    assert table.loc[("blind", "rest_of_face"), "after"] == 0.0
    row = table.loc[("seeing", "jaw_opening")]
    assert row.ci_low <= row.ratio <= row.ci_high
    assert row.after == pytest.approx(row.ratio * row.before)
