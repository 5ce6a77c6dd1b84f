"""Directions of change: planted emotions are named, small changes have none."""

from __future__ import annotations

import numpy as np
import pytest
from studies.audit import direction_cosine, label_direction, mean_scores, nearest_label, strength

from spfem.head.names import BLENDSHAPE_NAMES
from spfem.settings import EMOTIONS


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_the_apex_of_every_emotion_is_named(emotion):
    assert nearest_label(0.8 * label_direction(emotion)) == emotion


def test_a_smile_is_happy_and_not_sad():
    scores = np.zeros((4, 51))
    for side in ("Left", "Right"):
        scores[:, BLENDSHAPE_NAMES.index(f"mouthSmile{side}")] = 0.7
    change = mean_scores(scores, np.ones(4, bool))
    assert nearest_label(change) == "happy"
    assert direction_cosine(change, label_direction("happy")) > 0.5
    assert direction_cosine(change, label_direction("sad")) <= 0


def test_strength_is_the_share_of_the_way():
    wanted = label_direction("angry")
    assert strength(0.4 * wanted, wanted) == pytest.approx(0.4)
    assert direction_cosine(0.4 * wanted, wanted) == pytest.approx(1)
    assert direction_cosine(-0.4 * wanted, wanted) == pytest.approx(-1)
