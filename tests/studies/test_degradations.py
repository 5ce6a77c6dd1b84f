"""Planted degradations: what is planted, the table's arithmetic, verdicts on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from studies.degradations import (
    BLURS,
    FLAT,
    FROZEN,
    HALF,
    IDLE,
    NONE,
    NOT_IDLE,
    OTHER,
    PARTS,
    SHIFTED,
    SHIFTS,
    PlantedClip,
    blurred,
    degradation_table,
    later_sound,
    metric_verdicts,
    score_degradations,
)

from spfem.corpus.protocol import Edit
from spfem.evaluation.emotion import clip_features, fit_emotions
from spfem.evaluation.frechet import BLENDSHAPES
from spfem.evaluation.scores import Instruments, ShownClip, Sound, sample_face
from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.settings import EMOTIONS
from tests.evaluation.made_up import make_real, make_scores, make_track

NAMES = (
    NONE,
    *(f"blur {s:g} px" for s in BLURS),
    FLAT,
    FROZEN,
    *PARTS,
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
                metric: value
                + (-1 if HIGHER_IS_BETTER[metric] else 1)
                * random.normal(0.5 if name == HALF else 1, 0.1)
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
    planted = 1 - 0.5 * (single.degradation == HALF)
    assert (single.worse_by - planted).abs().max() < 0.1
    assert ((single.ci_low > planted - 0.2) & (single.ci_high < planted + 0.2)).all()
    assert (table[table.degradation == NONE].worse_by == 0).all()
    distances = table[(table.metric == "fad") & (table.backbone == BLENDSHAPES)]
    assert (distances.worse_by[distances.degradation != NONE] > 10).all()
    verdicts = metric_verdicts(table)
    assert verdicts.holds.all()
    assert set(verdicts.metric[verdicts.degradation == IDLE]) == set(NOT_IDLE)


def test_a_metric_that_praises_doing_nothing_is_named(scores):
    table = degradation_table(scores, make_real(), resamples=50, confidence=0.95)
    idle = (table.metric == "expression_gain") & (table.degradation == FLAT)
    columns = ["worse_by", "ci_low", "ci_high"]
    table.loc[idle, columns] = 0.4, 0.3, 0.5  # less than half of the way loses
    verdicts = metric_verdicts(table).set_index(["metric", "degradation"]).holds
    assert verdicts["expression_gain", FLAT]
    assert not verdicts["expression_gain", IDLE]


@pytest.fixture(scope="module")
def planted_scores():
    """Every degradation of a made-up clip, measured for real."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (6, 128, 128, 3), dtype=np.uint8)
    happy = EMOTIONS.index("happy")
    source = ShownClip(frames, make_track())
    truth = ShownClip(frames, make_track(seed=1, emotion=happy))
    other = ShownClip(frames[::-1], make_track(seed=2, emotion=5))
    sample = sample_face(source, actor="A1", emotion="neutral", identity_frames=1)
    edit = Edit("intra", "A1/neutral/1", "A1/happy/3", "happy", "A1")
    sound = Sound(np.zeros(99, np.float32), 25)
    clip = PlantedClip(edit, truth, source, sample, sound, truth, other)
    features = [clip_features(make_track(seed=s, emotion=s % 7).expression) for s in range(21)]
    classifier = fit_emotions(np.stack(features), [EMOTIONS[s % 7] for s in range(21)])
    return {n: s.scores for n, s in score_degradations(clip, Instruments(classifier)).items()}


def test_new_metrics_notice_what_they_are_for_and_reward_no_idleness(planted_scores):
    gain, leakage, detail = (
        {name: scores[metric] for name, scores in planted_scores.items()}
        for metric in ("expression_gain", "emotion_leakage", "detail_kept")
    )
    assert (gain[NONE], leakage[NONE], detail[NONE]) == (1, 0, 1)
    assert gain[FLAT] == pytest.approx(0)
    assert [gain[name] for name in PARTS] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert gain[OTHER] < 0.2
    assert leakage[FLAT] == pytest.approx(1)
    assert [leakage[name] for name in PARTS] == pytest.approx([0.5, 0], abs=0.1)
    soft = [detail[f"blur {deviation:g} px"] for deviation in BLURS]
    assert 0.6 > soft[0] > soft[1] > soft[2]
    assert gain["blur 4 px"] == 1  # not its purpose: the track is that of the sharp clip
