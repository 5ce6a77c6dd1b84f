from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import InputError, ShapeError
from spfem.evaluation.emotion import clip_features, fit_emotions
from spfem.evaluation.protocol import Edit
from spfem.evaluation.scores import (
    load_sample,
    load_score,
    sample_face,
    save_sample,
    save_score,
    score_clip,
)
from spfem.settings import EMOTIONS
from tests.evaluation.made_up import make_track, without_face

EDIT = Edit("intra", "A1/neutral/level_1/003", "A1/happy/level_3/003", "happy", "A1")
HAPPY = EMOTIONS.index("happy")


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 255, (6, 128, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier():
    features = [clip_features(make_track(seed=s, emotion=s % 7).expression) for s in range(21)]
    return fit_emotions(np.stack(features), [EMOTIONS[s % 7] for s in range(21)])


@pytest.fixture(scope="module")
def source(frames):
    return sample_face(frames, make_track(), actor="A1", emotion="neutral", identity_frames=2)


def test_copy_scores_one_in_identity_and_misses_the_emotion(frames, source, classifier):
    truth = make_track(seed=9, emotion=HAPPY)
    score = score_clip(
        EDIT, "copy", frames, make_track(), source=source, truth=truth, classifier=classifier
    )
    assert score.scores["csim"] == pytest.approx(1.0)
    assert score.scores["identity_distance"] == 0.0
    assert score.scores["mouth_error"] < 1e-3
    assert (score.named_emotion, score.scores["emotion_accuracy"]) == ("neutral", 0.0)
    assert score.scores["expression_error"] > 0.02
    assert score.sample.blendshapes.shape == (6, 52)


def test_truth_hits(frames, source, classifier):
    truth = make_track(seed=9, emotion=HAPPY)
    score = score_clip(
        EDIT, "truth", frames, truth, source=source, truth=truth, classifier=classifier
    )
    assert score.scores["emotion_accuracy"] == 1.0
    assert score.scores["expression_error"] == 0.0
    assert score.scores["mouth_correlation"] == pytest.approx(1.0)


def test_without_a_face_nothing_is_made_up(frames, source, classifier):
    lost = without_face(make_track())
    score = score_clip(
        EDIT, "ned", frames, lost, source=source, truth=make_track(), classifier=classifier
    )
    assert np.isnan([score.scores[k] for k in ("csim", "mouth_error", "expression_error")]).all()
    assert (score.scores["emotion_accuracy"], score.scores["face_found"]) == (0.0, 0.0)
    assert score.sample.embeddings.shape == (0, 128)


def test_without_truth_the_rest_is_scored(frames, source, classifier):
    score = score_clip(
        EDIT, "ned", frames, make_track(), source=source, truth=None, classifier=classifier
    )
    assert np.isnan(score.scores["mouth_error"])
    assert score.scores["csim"] == pytest.approx(1.0)


def test_other_lengths_are_refused(frames, source, classifier):
    with pytest.raises(ShapeError, match="same moments"):
        score_clip(
            EDIT, "ned", frames, make_track(), source=source, truth=make_track(5),
            classifier=classifier,
        )  # fmt: skip


def test_samples_survive_the_disk(tmp_path, source):
    save_sample(tmp_path / "sample.npz", source)
    again = load_sample(tmp_path / "sample.npz")
    assert (again.actor, again.emotion) == ("A1", "neutral")
    assert np.array_equal(again.blendshapes, source.blendshapes)
    (tmp_path / "sample.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="no sample file"):
        load_sample(tmp_path / "sample.npz")


def test_scores_survive_the_disk(tmp_path, frames, source, classifier):
    score = score_clip(
        EDIT, "ned", frames, make_track(), source=source, truth=None, classifier=classifier, seed=2
    )
    save_score(tmp_path / "score.npz", score)
    again = load_score(tmp_path / "score.npz")
    assert (again.edit, again.method, again.seed) == (score.edit, "ned", 2)
    assert again.scores == pytest.approx(dict(score.scores), nan_ok=True)
    assert np.array_equal(again.sample.embeddings, score.sample.embeddings)
    assert [p.name for p in tmp_path.iterdir()] == ["score.npz"]
    (tmp_path / "score.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="not a score file"):
        load_score(tmp_path / "score.npz")
