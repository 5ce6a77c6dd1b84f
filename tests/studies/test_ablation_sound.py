"""What retrieval finds, on planted moments."""

from __future__ import annotations

import numpy as np
import pytest
from studies.ablation_sound import _windows
from studies.probes import MOUTH

from spfem.corpus.clips import Clip
from spfem.correlation.retrieval import AudioBank, Nearest
from spfem.settings import EMOTIONS

FRAMES, LENGTH = 12, 3
SHIFT = 2  # the happy clip says everything so many frames later


@pytest.fixture
def spoken(tmp_path):
    """A sentence in two emotions with known moments, and a happy clip of another sentence."""
    clips = [
        Clip(tmp_path, "A", "neutral", 1, "001", "hello"),
        Clip(tmp_path, "A", "happy", 3, "001", "hello"),
        Clip(tmp_path, "A", "happy", 3, "002", "world"),
    ]
    for number, clip in enumerate(clips):
        clock = np.maximum(np.arange(FRAMES) - (SHIFT if number else 0), -1) / 2
        units = np.zeros((FRAMES, 52), np.float32)
        units[:, MOUTH] = np.maximum(clock, 0)[:, None] + (10 if number == 2 else 0)
        viseme = np.full(FRAMES, 9) if number == 2 else np.floor(clock).astype(int)
        clip.truth.parent.mkdir(parents=True, exist_ok=True)
        np.savez(clip.truth, frame_of_reference=clock, face_units=units, viseme=viseme)
    return {clip.key: clip for clip in clips}


def a_bank(clips, index):
    """Windows of all clips; `index` tells the happy windows that each neutral one retrieves."""
    starts = FRAMES - LENGTH + 1
    clip = np.repeat(np.arange(len(clips)), starts).astype(np.int32)
    emotion = np.where(clip == 0, 0, EMOTIONS.index("happy")).astype(np.int32)
    nearest = Nearest(np.array(index, np.int32), np.zeros((starts, len(index[0])), np.float32))
    first = np.tile(np.arange(starts), len(clips)).astype(np.int32)
    return AudioBank(
        "A", tuple(clips), LENGTH, clip, first, emotion, {"happy": nearest}, {}, 2.0, ""
    )


STARTS = FRAMES - LENGTH + 1


def columns(bank, clips, *, blind=False):
    return np.array([row for _, row in _windows(bank, clips, blind=blind)]).T


def test_the_exact_moment_is_right_has_its_viseme_and_its_mouth(spoken):
    index = [[min(start + SHIFT, STARTS - 1)] for start in range(STARTS)]
    covered, right, viseme, mouth = columns(a_bank(spoken, index), spoken)
    inside = np.arange(len(right)) < STARTS - SHIFT - 1
    assert (covered == 1).all()
    assert (right[inside] == 1).all()
    assert (viseme[inside] == 1).all()
    assert mouth[inside] == pytest.approx(0, abs=1e-6)


def test_another_sentence_is_never_right_and_half_of_the_pairs_count_half(spoken):
    wrong = STARTS  # the first window of the other sentence
    index = [[min(start + SHIFT, STARTS - 1), wrong] for start in range(STARTS)]
    _, right, viseme, mouth = columns(a_bank(spoken, index), spoken)
    inside = np.arange(len(right)) < STARTS - SHIFT - 1
    assert (right[inside] == 0.5).all()
    assert (viseme[inside] == 0.5).all()
    assert (mouth[inside] > 2).all()
