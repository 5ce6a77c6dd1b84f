"""Fréchet distances of edits: features, frames behind them, draws that two methods share."""

import numpy as np
import pytest

from spfem.evaluation.frechet import frechet_distance, frechet_means, real_floor
from spfem.settings import EMOTIONS, EvaluationSettings
from tests.evaluation.made_up import make_real, make_sample, make_scores

SETTINGS = EvaluationSettings(resamples=20, frechet_resamples=5)


def scores_of(method):
    return [s for s in make_scores() if s.method == method and s.edit.setting == "intra"]


def test_values_are_those_of_the_pooled_frames():
    scores, real = scores_of("ned"), make_real()
    means = frechet_means(scores, real, "blendshapes-51", SETTINGS, 0)
    assert list(means) == list(EMOTIONS)
    made = np.concatenate([s.sample.blendshapes for s in scores if s.edit.emotion == "sad"])
    wanted = np.concatenate([s.blendshapes for s in real if s.emotion == "sad"])
    assert means["sad"].value == pytest.approx(frechet_distance(made, wanted))
    assert means["sad"].draws.shape == (6,)  # and all clips once
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
