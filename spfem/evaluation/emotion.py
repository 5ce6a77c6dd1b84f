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
    """Logistic regression on `clip_features`. Made by `fit_emotions`.

    `typical` (7, 5 E) are the mean features of each of `EMOTIONS` that it learned, NaN of others.
    """

    model: Any
    typical: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Probability (N, 7) of each of `EMOTIONS` for features (N, 5 E)."""
        table = np.zeros((len(features), len(EMOTIONS)))
        table[:, self.model.classes_] = self.model.predict_proba(features)
        return table

    def margin(self, features: np.ndarray, emotion: str, other: str) -> float:
        """Log odds of one emotion against another for features (5 E,), linear in the features.

        NaN if one of them was not learned.
        """
        learned = list(self.model.classes_)
        places = [EMOTIONS.index(name) for name in (emotion, other)]
        if not set(places) <= set(learned):
            return float("nan")
        odds = self.model.predict_log_proba(features[None])[0]
        return float(odds[learned.index(places[0])] - odds[learned.index(places[1])])

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
    labels = np.array([EMOTIONS.index(emotion) for emotion in emotions])
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(np.asarray(features), labels)
    typical = np.full((len(EMOTIONS), features.shape[1]), np.nan)
    for label in model.classes_:
        typical[label] = features[labels == label].mean(axis=0)
    return EmotionClassifier(model, typical)


LEAST_MARGIN = 1.0  # log odds by which the source must differ from what was wanted


def emotion_leakage(
    classifier: EmotionClassifier,
    result: np.ndarray,
    source: np.ndarray,
    truth: np.ndarray | None,
    *,
    shown: str,
    wanted: str,
) -> float:
    """How much of the source's emotion is left in an edit: a copy has 1, the truth 0.

    The log odds of the source's emotion against the wanted one are taken of result, source and
    truth; leakage is where the result's lie on the way from the truth's to the source's. An edit
    that goes further than the truth leaks nothing: 0.

    Args:
        classifier: learned on other actors.
        result: features (5 E,) of the result.
        source: features (5 E,) of the unedited clip.
        truth: features (5 E,) of the true edit; None where it is not known: then the mean clip of
            the wanted emotion that the classifier learned from stands for it.
        shown: emotion of the source.
        wanted: emotion of the edit.

    Returns:
        0 or more; NaN where the classifier hardly tells the source from the truth, by less than
        `LEAST_MARGIN`, or never learned one of the emotions.
    """
    if truth is None:
        truth = classifier.typical[EMOTIONS.index(wanted)]
    if not np.isfinite(truth).all():
        return float("nan")
    left, whole, none = (classifier.margin(x, shown, wanted) for x in (result, source, truth))
    if not whole - none >= LEAST_MARGIN:
        return float("nan")
    return max(0.0, (left - none) / (whole - none))
