"""Fréchet distances against the matrix square root; those of edits, and of real clips."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from studies.result_notes import real_floor

from spfem.errors import ShapeError
from spfem.evaluation.estimates import Estimates
from spfem.evaluation.frechet import frechet_distance, frechet_distances
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import make_real, make_sample, make_scores


def slow_distance(a, b):
    first, second = np.cov(a.T, bias=True), np.cov(b.T, bias=True)
    root = scipy.linalg.sqrtm(first @ second)
    shift = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return shift + np.trace(first + second - 2 * root.real)


@pytest.mark.parametrize(("rows", "columns"), [(50, 4), (200, 20), (21, 20)])
def test_equals_the_matrix_square_root(rows, columns):
    random = np.random.default_rng(rows)
    mix = random.normal(size=(columns, columns))
    a, b = random.normal(size=(rows, columns)) @ mix, random.normal(size=(rows + 7, columns)) + 0.3
    assert frechet_distance(a, b) == pytest.approx(slow_distance(a, b), abs=1e-10, rel=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_symmetric_and_bounded_for_unit_features(seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(9, 16)) + random.normal(size=16), random.normal(size=(12, 16))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), abs=1e-10)
    assert 0 <= frechet_distance(a, b) <= 4


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 3)), np.zeros((4, 3)), "generated must be"),
        (np.zeros((4, 3)), np.zeros(3), "real must be"),
        (np.zeros((4, 3)), np.zeros((4, 2)), "differ in dimensions"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "not finite"),
    ],
)
def test_bad_sets_are_refused(a, b, message):
    with pytest.raises(ShapeError, match=message):
        frechet_distance(a, b)


@pytest.mark.parametrize("frames", [3, 10], ids=["fewer frames than dimensions", "more"])
def test_weighted_distances_are_those_of_repeated_clips(frames):
    random = np.random.default_rng(2)
    real = random.normal(size=(3 * frames, 8)) + 5
    clips = [random.normal(size=(frames, 8)) + random.normal(size=8) for _ in range(3)]
    clips.insert(1, np.zeros((0, 8)))  # without a face
    weights = np.array([[1, 1, 1, 1], [0, 1, 2, 1], [0, 9, 0, 0]])
    found = frechet_distances(clips, real, weights)
    assert found[0] == pytest.approx(frechet_distance(np.concatenate(clips), real))
    repeated = np.concatenate([clips[2], clips[2], clips[3]])
    assert found[1] == pytest.approx(frechet_distance(repeated, real))
    assert np.isnan(found[2])


SETTINGS = EvaluationSettings(resamples=20, frechet_resamples=5)


def scores_of(method):
    return [s for s in make_scores() if s.method == method and s.edit.setting == "intra"]


def test_values_are_those_of_the_pooled_frames():
    scores, real = scores_of("ned"), make_real()
    means = Estimates(real, SETTINGS).of(scores)["fad", "blendshapes-51"]
    assert list(means) == [*EMOTIONS, "average"]
    made = np.concatenate([s.sample.blendshapes for s in scores if s.edit.emotion == "sad"])
    wanted = np.concatenate([s.blendshapes for s in real if s.emotion == "sad"])
    assert means["sad"].estimate.value == pytest.approx(frechet_distance(made, wanted))
    assert means["sad"].estimate.draws.shape == (5,)
    assert means["sad"].clips == 6  # three actors, two sources


def test_floor_of_real_clips_equals_its_definition():
    random = np.random.default_rng(0)
    real = [
        make_sample(random, actor, emotion, shift=0.1 * number)
        for actor in ("A1", "A2")
        for emotion in ("happy", "sad")
        for number in range(3)
    ]
    floor = real_floor(real)
    assert set(floor.backbone) == {"dlib-128", "blendshapes-51"}
    row = floor[(floor.backbone == "blendshapes-51") & (floor.emotion == "sad")].iloc[0]
    clips = {a: [s.blendshapes for s in real if (s.actor, s.emotion) == (a, "sad")]
             for a in ("A1", "A2")}  # fmt: skip
    wanted = []
    for left in range(3):
        others = [clips[a][k] for a in clips for k in range(3) if k != left]
        shown = [clips[a][left] for a in clips]
        wanted.append(frechet_distance(np.concatenate(shown), np.concatenate(others)))
    assert row.value == pytest.approx(np.mean(wanted))
    assert (row.low, row.high) == pytest.approx((min(wanted), max(wanted)))
    assert (row.generated_frames, row.real_frames) == (10, 20)
    average = floor[(floor.backbone == "blendshapes-51") & (floor.emotion == "average")]
    assert average.value.item() == pytest.approx(
        floor[(floor.backbone == "blendshapes-51") & (floor.emotion != "average")].value.mean()
    )
