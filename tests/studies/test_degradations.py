"""Planted degradations: what is planted, the table's arithmetic, verdicts on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from studies.degradations import (
    BLURS,
    FLAT,
    FROZEN,
    NONE,
    OTHER,
    SHIFTED,
    SHIFTS,
    blurred,
    degradation_table,
    later_sound,
    metric_verdicts,
)

from spfem.evaluation.frechet import BLENDSHAPES
from spfem.evaluation.scores import ShownClip, Sound
from spfem.evaluation.tables import HIGHER_IS_BETTER
from tests.evaluation.made_up import make_real, make_scores, make_track

NAMES = (
    NONE,
    *(f"blur {s:g} px" for s in BLURS),
    FLAT,
    FROZEN,
    OTHER,
    *map(SHIFTED.format, SHIFTS),
)


def test_sound_comes_later_by_whole_frames():
    sound = Sound(np.arange(1, 6401, dtype=np.float32), 25)
    late = later_sound(sound, 3)
    assert len(late.samples) == 6400
    assert (late.samples[:1920] == 0).all()
    assert np.array_equal(late.samples[1920:], sound.samples[:4480])


def test_blur_takes_detail_and_leaves_the_track():
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    clip = ShownClip(frames, make_track(3))
    soft = blurred(clip, 2.0)
    assert soft.frames.std() < 0.3 * frames.std()
    assert soft.track is clip.track


@pytest.fixture(scope="module")
def scores():
    """Each degradation worsens every metric of single clips by 1 (and clip by clip by noise)."""
    random = np.random.default_rng(0)
    clips = []
    for score in make_scores(methods=("truth",), seeds=(0,)):
        first = {name: float(random.normal()) for name in score.scores}
        by_name = {NONE: replace(score, scores=first)}
        for name in NAMES[1:]:
            worse = {
                metric: value + (-1 if HIGHER_IS_BETTER[metric] else 1) * random.normal(1, 0.1)
                for metric, value in first.items()
            }
            far = replace(score.sample, embeddings=-score.sample.embeddings,
                          blendshapes=score.sample.blendshapes + 1)  # fmt: skip
            by_name[name] = replace(score, scores=worse, sample=far)
        clips.append(by_name)
    return clips


def test_planted_losses_come_out_with_their_sign(scores):
    table = degradation_table(scores, make_real(), resamples=50, confidence=0.95)
    single = table[(table.metric != "fad") & (table.degradation != NONE)]
    assert (single.worse_by - 1).abs().max() < 0.1
    assert ((single.ci_low > 0.8) & (single.ci_high < 1.2)).all()
    assert (table[table.degradation == NONE].worse_by == 0).all()
    distances = table[(table.metric == "fad") & (table.backbone == BLENDSHAPES)]
    assert (distances.worse_by[distances.degradation != NONE] > 10).all()
    assert metric_verdicts(table).holds.all()
