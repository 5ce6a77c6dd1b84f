"""Which emotion a clip shows: a plain classifier on the clip's tracked expression codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from spfem.errors import ShapeError
from spfem.settings import EMOTIONS

BACKBONE = "tracked-codes"
PERCENTILES = (10.0, 50.0, 90.0)
STRENGTH = 30.0  # inverse of the regularisation


def clip_features(expression: np.ndarray, found: np.ndarray | None = None) -> np.ndarray:
    """Mean, deviation and percentiles (5 E,) float64 of each code over a clip.

    Args:
        expression: (T, E) codes.
        found: (T,) bool, frames that show a face; default all.

    Raises:
        ShapeError: if no frame is left.
    """
    codes = np.asarray(expression, np.float64)
    codes = codes if found is None else codes[np.asarray(found, bool)]
    if codes.ndim != 2 or not len(codes):
        raise ShapeError(
            f"expression must be (T, E) with a frame that shows a face; got {codes.shape}"
        )
    return np.concatenate([codes.mean(0), codes.std(0), *np.percentile(codes, PERCENTILES, axis=0)])


@dataclass(frozen=True)
class EmotionClassifier:
    """Logistic regression on `clip_features`. Made by `fit_emotions`."""

    model: Any

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Probability (N, 7) of each of `EMOTIONS` for features (N, 5 E)."""
        table = np.zeros((len(features), len(EMOTIONS)))
        table[:, self.model.classes_] = self.model.predict_proba(features)
        return table

    def name(self, features: np.ndarray) -> list[str]:
        """Most probable emotion of each row of features (N, 5 E)."""
        return [EMOTIONS[index] for index in self.probabilities(features).argmax(axis=1)]


def fit_emotions(features: np.ndarray, emotions: Sequence[str]) -> EmotionClassifier:
    """Learn to name emotions from features (N, 5 E) and N names of `EMOTIONS`.

    Codes share one range, so features are not standardised: that would blow up the noise of
    units that no emotion uses.

    Raises:
        ShapeError: if rows and names differ in number or fewer than two emotions occur.
    """
    if len(features) != len(emotions) or len(set(emotions)) < 2:
        raise ShapeError(
            f"a classifier needs one emotion a row and at least two emotions; got "
            f"{len(features)} rows and {len(emotions)} names of {len(set(emotions))} emotions"
        )
    labels = [EMOTIONS.index(emotion) for emotion in emotions]
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    return EmotionClassifier(model.fit(np.asarray(features), labels))


def name_unseen_actors(
    features: np.ndarray, emotions: Sequence[str], actors: Sequence[str]
) -> list[str]:
    """Emotion of each of N clips as named by a classifier that never saw its actor.

    Raises:
        ShapeError: if there are fewer than two actors.
    """
    if len(set(actors)) < 2:
        raise ShapeError("naming emotions of unseen actors needs at least two actors")
    emotion_array, actor_array = np.asarray(emotions), np.asarray(actors)
    named = np.empty(len(emotion_array), dtype=object)
    for actor in sorted(set(actors)):
        left_out = actor_array == actor
        classifier = fit_emotions(features[~left_out], emotion_array[~left_out].tolist())
        named[left_out] = classifier.name(features[left_out])
    return named.tolist()
