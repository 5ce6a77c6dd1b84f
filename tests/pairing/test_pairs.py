"""Pairs of spoken sentences with planted truth, and what stands in for it on recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from studies.checks import alignment_error, pair_error

from spfem.corpus.clips import Clip, Corpus, save_corpus
from spfem.errors import ArtifactError, CorpusError, ShapeError
from spfem.media.audio import write_audio
from spfem.media.video import write_video
from spfem.pairing import pairs as stand_ins
from spfem.pairing.dtw import align_sequences, alignment_features
from spfem.pairing.pairs import Pair, PairIndex, clocks_of_pairs, kinds_of_sound, voiced_frames
from spfem.run.data import pair_corpus
from spfem.settings import EMOTIONS, PairingSettings
from spfem.studio.speech import actor_voice, speak, speech_clock, speech_style
from spfem.studio.words import SHARED, sentences_of

FPS = 25
SETTINGS = PairingSettings()


def recording(actor, emotion, index):
    voice = actor_voice(actor, female=bool(actor % 2))
    speech = speak(SHARED[index], voice, speech_style(emotion, 10 * actor + index))
    seconds = (np.arange(round(speech.seconds * FPS)) + 0.5) / FPS
    return speech, speech_clock(speech, seconds)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    clips = []
    for actor, name in enumerate(("M1", "W2")):
        for emotion in ("neutral", "happy", "sad"):
            for sentence in sentences_of(emotion, shared=2, own=1):
                level = 1 if emotion == "neutral" else 3
                clip = Clip(root, name, emotion, level, sentence.number, sentence.key)
                voice = actor_voice(actor, female=bool(actor))
                speech = speak(sentence.text, voice, speech_style(emotion, actor))
                count = round(speech.seconds * FPS)
                frames = np.zeros((count, 16, 16, 3), np.uint8)
                write_video(clip.video, frames, FPS, audio=speech.samples, sample_rate=16000)
                write_audio(clip.audio, speech.samples, 16000)
                clip.truth.parent.mkdir(parents=True, exist_ok=True)
                clock = speech_clock(speech, (np.arange(count) + 0.5) / FPS)
                np.savez(clip.truth, frame_of_reference=clock)
                clips.append(clip)
    return save_corpus(root, "tiny", FPS, clips, {"M1": "train", "W2": "target"}, "digest")


def test_pairs_of_a_corpus(corpus, tmp_path):
    index = pair_corpus(corpus, tmp_path / "pairs", SETTINGS)
    assert len(index.pairs) == 2 * 2 * 2  # actors, emotions, shared sentences
    assert all(pair.usable for pair in index.pairs)
    assert {pair.emotion for pair in index.select(role="target")} == {"happy", "sad"}
    assert {pair.actor for pair in index.select(role="target")} == {"W2"}
    errors = np.concatenate([pair_error(corpus, pair) for pair in index.pairs])
    assert np.median(errors) < 1.0
    released = json.loads((tmp_path / "pairs" / "aligned_path.json").read_text())
    source, target = released["M1"]["sad"]["002_002"]
    pair = index.select(actor="M1", emotion="sad")[1]
    assert pair.source == "M1/neutral/level_1/002"
    np.testing.assert_array_equal(pair.path, np.stack([source, target], axis=1))
    again = pair_corpus(corpus, tmp_path / "pairs", SETTINGS)
    assert again.digest == index.digest
    assert [p.normalised_cost for p in again.pairs] == [p.normalised_cost for p in index.pairs]


def test_damaged_index_and_corpus_without_pairs(corpus, tmp_path):
    pair_corpus(corpus, tmp_path / "a", SETTINGS)
    (tmp_path / "a" / "pairs.json").write_text("{")
    with pytest.raises(ArtifactError, match="damaged"):
        pair_corpus(corpus, tmp_path / "a", SETTINGS)
    alone = replace(corpus, clips=corpus.select(emotion="neutral"))
    with pytest.raises(CorpusError, match="pairing needs"):
        pair_corpus(alone, tmp_path / "b", SETTINGS)


def test_median_error_and_gate_over_all_emotions():
    errors, matched, mismatched = [], [], []
    for actor in range(3):
        neutral = [recording(actor, "neutral", index) for index in (0, 1)]
        features = [alignment_features(s.samples, FPS, SETTINGS) for s, _ in neutral]
        for emotion in EMOTIONS[1:]:
            speech, clock = recording(actor, emotion, 0)
            other = alignment_features(speech.samples, FPS, SETTINGS)
            result = align_sequences(features[0], other)
            inside = (result.path < (len(neutral[0][1]), len(clock))).all(1)
            errors.append(alignment_error(result.path[inside], neutral[0][1], clock))
            matched.append(result.normalised_cost)
            mismatched.append(align_sequences(features[1], other).normalised_cost)
    assert np.median(np.concatenate(errors)) < 0.6
    assert np.percentile(np.concatenate(errors), 90) < 1.2
    assert max(matched) < SETTINGS.maximum_cost < min(mismatched)


def test_error_of_planted_paths():
    clock = np.array([-1, -0.5, 0.2, 0.8, 1.4, 2.1, 2.9, 3.0, 3.6])  # three phonemes
    slow = np.interp(np.arange(17) / 2, np.arange(9), clock)
    exact = np.stack([np.arange(9), 2 * np.arange(9)], axis=1)
    errors = alignment_error(exact, clock, slow)
    assert errors.shape == (5,)  # silences left out
    np.testing.assert_allclose(errors, 0, atol=1e-12)
    shifted = np.minimum(exact + np.array([0, 2]), 16)
    np.testing.assert_allclose(alignment_error(shifted, clock, slow), 2)
    with pytest.raises(ShapeError, match="different sentences"):
        alignment_error(exact, clock, np.append(slow, 4.2))
    with pytest.raises(ShapeError, match="frames"):
        alignment_error(exact + 1, clock, slow)


RATE, FRAME = 16000, 640
NEUTRAL, HAPPY = "A/neutral/level_1/001", "A/happy/level_3/001"


def tone(hertz: float, frames: int, loudness: float = 0.5) -> np.ndarray:
    return loudness * np.sin(2 * np.pi * hertz * np.arange(frames * FRAME) / RATE)


@pytest.fixture
def toned(tmp_path, monkeypatch):
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


def test_equal_clock_values_are_the_moments_that_the_path_brings_together(toned, pairs):
    clocks = clocks_of_pairs(toned, pairs, FRAMES, SETTINGS)
    neutral, happy = clocks[NEUTRAL], clocks[HAPPY]
    assert neutral.tolist() == [0] * 5 + list(range(1, 21)) + [20] * 5
    assert happy.tolist() == neutral[pairs.pairs[0].path[:, 0]].tolist()
    assert (np.diff(happy) >= 0).all()


def test_the_same_sound_is_of_one_kind_in_both_clips(toned, pairs):
    kinds = kinds_of_sound(toned, pairs, FRAMES, SETTINGS)
    assert {key: len(values) for key, values in kinds.items()} == FRAMES
    # Frames at the edges of a tone hold both sounds.
    low = np.concatenate([kinds[NEUTRAL][7:13], kinds[HAPPY][8:22]])
    high = np.concatenate([kinds[NEUTRAL][17:23], kinds[HAPPY][28:32]])
    assert not set(low) & set(high)
