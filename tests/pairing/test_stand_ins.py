"""What stands in for the truth on recordings: kinds of sound, and our alignment's own clock."""

from fractions import Fraction

import numpy as np
import pytest

from spfem.corpus.clips import Clip, Corpus
from spfem.pairing import pairs as stand_ins
from spfem.pairing.pairs import Pair, PairIndex, clocks_of_pairs, kinds_of_sound, voiced_frames
from spfem.settings import PairingSettings

RATE, FPS, FRAME = 16000, 25, 640
NEUTRAL, HAPPY = "A/neutral/level_1/001", "A/happy/level_3/001"


def tone(hertz: float, frames: int, loudness: float = 0.5) -> np.ndarray:
    return loudness * np.sin(2 * np.pi * hertz * np.arange(frames * FRAME) / RATE)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Neutral: silence 5, low 10, high 10, silence 5; happy says the low tone twice as long."""
    quiet = np.random.default_rng(0).normal(0, 1e-4, 5 * FRAME)
    sounds = {
        "neutral": np.concatenate([quiet, tone(300, 10), tone(3000, 10), quiet]),
        "happy": np.concatenate([quiet, tone(300, 20), tone(3000, 10), quiet]),
    }
    clips = (
        Clip(tmp_path, "A", "neutral", 1, "001", "A-001"),
        Clip(tmp_path, "A", "happy", 3, "001", "A-001"),
    )
    monkeypatch.setattr(stand_ins, "read_audio", lambda path, rate: sounds[path.parent.parent.name])
    return Corpus(tmp_path, "made up", Fraction(FPS), clips, {"A": "train"}, "x")


@pytest.fixture
def pairs():
    source = [*range(5), *np.repeat(np.arange(5, 15), 2), *range(15, 30)]
    path = np.column_stack([source, np.arange(40)]).astype(np.int32)
    return PairIndex((Pair(NEUTRAL, HAPPY, path, 1.0, True),), {"A": "train"}, "x")


FRAMES = {NEUTRAL: 30, HAPPY: 40}


def test_frames_with_a_voice():
    sound = np.concatenate([tone(300, 4), tone(300, 3, 0.001), tone(300, 2, 0.1)])
    assert voiced_frames(sound, FRAME).tolist() == [True] * 4 + [False] * 3 + [True] * 2
    assert not voiced_frames(np.zeros(FRAME * 3), FRAME).any()
    assert voiced_frames(sound[: FRAME // 2], FRAME).shape == (1,)


def test_equal_clock_values_are_the_moments_that_the_path_brings_together(corpus, pairs):
    clocks = clocks_of_pairs(corpus, pairs, FRAMES, PairingSettings())
    neutral, happy = clocks[NEUTRAL], clocks[HAPPY]
    assert neutral.tolist() == [0] * 5 + list(range(1, 21)) + [20] * 5
    assert happy.tolist() == neutral[pairs.pairs[0].path[:, 0]].tolist()
    assert (np.diff(happy) >= 0).all()


def test_the_same_sound_is_of_one_kind_in_both_clips(corpus, pairs):
    kinds = kinds_of_sound(corpus, pairs, FRAMES, PairingSettings())
    assert {key: len(values) for key, values in kinds.items()} == FRAMES
    # Frames at the edges of a tone hold both sounds.
    low = np.concatenate([kinds[NEUTRAL][7:13], kinds[HAPPY][8:22]])
    high = np.concatenate([kinds[NEUTRAL][17:23], kinds[HAPPY][28:32]])
    assert not set(low) & set(high)
