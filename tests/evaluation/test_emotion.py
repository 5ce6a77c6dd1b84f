from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.evaluation.emotion import clip_features, fit_emotions, name_unseen_actors
from spfem.settings import EMOTIONS


def made_up_clips(noise):
    random = np.random.default_rng(0)
    features, emotions, actors = [], [], []
    for actor in "ABC":
        manner = random.uniform(0, 0.1, 52)
        for index, emotion in enumerate(EMOTIONS):
            for _ in range(3):
                codes = manner + random.uniform(0, 0.1, (20, 52))
                codes[:, 3 * index] += 0.5 + noise * random.normal()
                features.append(clip_features(codes))
                emotions.append(emotion)
                actors.append(actor)
    return np.stack(features), emotions, actors


def test_planted_emotions_of_unseen_actors_are_named():
    features, emotions, actors = made_up_clips(noise=0.05)
    named = name_unseen_actors(features, emotions, actors)
    assert np.mean(np.asarray(named) == emotions) == 1.0


def test_probabilities_cover_all_emotions_even_unlearned_ones():
    features, emotions, _ = made_up_clips(noise=0.0)
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
    with pytest.raises(ShapeError, match="two actors"):
        name_unseen_actors(np.zeros((2, 4)), ["sad", "happy"], ["A", "A"])
