from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.evaluation.emotion import (
    clip_features,
    emotion_leakage,
    fit_emotions,
)
from spfem.settings import EMOTIONS
from tests.evaluation.made_up import make_told_clips


def test_probabilities_cover_all_emotions_even_unlearned_ones():
    features, emotions, _ = make_told_clips(noise=0.0)
    rows = [i for i, e in enumerate(emotions) if e in ("happy", "sad")]
    classifier = fit_emotions(features[rows], [emotions[i] for i in rows])
    table = classifier.probabilities(features)
    assert table.shape == (63, 7)
    assert np.allclose(table.sum(1), 1)
    assert table[:, EMOTIONS.index("angry")].max() == 0


def test_bad_input_is_refused():
    with pytest.raises(ShapeError, match="shows a face"):
        clip_features(np.zeros((3, 52)), np.zeros(3, bool))
    with pytest.raises(ShapeError, match="two emotions"):
        fit_emotions(np.zeros((2, 4)), ["sad", "sad"])


def test_leakage_is_one_for_a_copy_and_nothing_for_the_truth():
    features, emotions, _ = make_told_clips(noise=0.05)
    classifier = fit_emotions(features[9:], emotions[9:])
    source, truth = (features[emotions.index(name)] for name in ("neutral", "sad"))
    known = {"shown": "neutral", "wanted": "sad"}

    def leakage(share, true=truth):
        return emotion_leakage(classifier, source + share * (truth - source), source, true, **known)

    # The log odds are linear in the features, so the share left is exact.
    assert [leakage(share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.75, 0.5, 0])
    assert leakage(1.5) == 0  # too far leaks nothing
    assert leakage(-0.5) == pytest.approx(1.5)
    # Without a truth the mean of the learned clips stands for it.
    rows = [f for f, name in zip(features[9:], emotions[9:], strict=True) if name == "sad"]
    assert leakage(0.0, None) == 1
    assert leakage(0.5, None) == pytest.approx(leakage(0.5, np.mean(rows, axis=0)))


def test_leakage_is_not_made_up_where_the_classifier_cannot_tell():
    features, emotions, _ = make_told_clips(noise=0.0)
    rows = [i for i, e in enumerate(emotions) if e in ("happy", "sad")]
    classifier = fit_emotions(features[rows], [emotions[i] for i in rows])
    one, two = features[rows[0]], features[rows[-1]]
    given = {"shown": "happy", "wanted": "sad"}
    assert np.isnan(emotion_leakage(classifier, one, one, one, **given))  # nothing to tell apart
    angry = {"shown": "happy", "wanted": "angry"}
    assert np.isnan(emotion_leakage(classifier, one, one, two, **angry))  # never learned
    assert np.isnan(emotion_leakage(classifier, one, one, None, **angry))
