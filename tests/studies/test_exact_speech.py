from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from studies.exact_speech import score_exact_speech, score_windows, what_is_said
from studies.window_similarity import WindowChoice

from spfem.correlation.frames import ClipPair, FramePairs, FrameWindows
from spfem.settings import EvaluationSettings

FRAMES = 24
DIAGONAL = np.repeat(np.arange(FRAMES), 2).reshape(-1, 2)
KEYS = ("A/neutral/001", "A/happy/001")


def made_frames(path=DIAGONAL):
    picture = np.zeros((FRAMES, 2, 2, 3), np.uint8)
    return FramePairs(dict.fromkeys(KEYS, picture), (ClipPair(*KEYS, path),))


def scored(speech, start, other, formulation, path=DIAGONAL, length=4):
    windows = FrameWindows(made_frames(path), length)
    clips = dict.fromkeys(KEYS, np.eye(speech.max() + 1)[speech])
    return score_windows(windows, [WindowChoice(0, start, other)], clips, formulation)[0]


def test_a_matrix_says_when_something_is_said_again_and_not_what():
    speech = np.resize([0, 1, 0, 2], FRAMES)
    speech[12:] = speech[12:] + 3  # other sounds, which come and go alike
    assert scored(speech, 0, 12, "cm") == pytest.approx([1, 1], abs=1e-5)
    vd = scored(speech, 0, 12, "vd")
    assert vd == pytest.approx([1, 0], abs=1e-5)


def test_a_matrix_tells_another_rhythm():
    speech = np.resize([0, 0, 1, 1, 2], FRAMES)
    same, other = scored(speech, 0, 1, "cm")
    assert same == pytest.approx(1, abs=1e-5)
    assert other < 0.5


def test_a_held_step_does_not_count():
    path = DIAGONAL.copy()
    path[2:, 0] -= 1  # the neutral clip stays on frame 1
    speech = np.resize([0, 1, 2, 3, 4], FRAMES)
    same, _ = scored(speech, 0, 8, "vd", path, length=3)
    assert same == pytest.approx(1, abs=1e-5)  # of two steps one is left


def test_long_windows_tell_more_and_differences_more_than_matrices():
    speech = np.random.default_rng(0).integers(0, 4, FRAMES)
    settings = EvaluationSettings(comparisons=20, resamples=20)
    visemes = dict.fromkeys(KEYS, speech)
    weights = dict.fromkeys(KEYS, np.eye(4)[speech])
    table = score_exact_speech(made_frames(), visemes, weights, settings, lengths=(3, 7))
    score = table.set_index(["frames", "formulation"]).speech_auc
    assert score[3, "cm"] < min(score[7, "cm"], score[3, "vd"])
    assert table.speech_auc.between(table.ci_low, table.ci_high).all()


def test_speech_is_the_truth_or_a_column_a_kind(tmp_path):
    np.savez(tmp_path / "truth.npz", viseme_weights=np.full((3, 2), 0.5))
    clips = [SimpleNamespace(key=key, truth=tmp_path / "truth.npz") for key in KEYS]
    visemes = {KEYS[0]: np.array([0, 2, 1])}
    exact = what_is_said(SimpleNamespace(has_truth=True, clips=clips), visemes)
    assert {key: values.tolist() for key, values in exact.items()} == {KEYS[0]: [[0.5, 0.5]] * 3}
    kinds = what_is_said(SimpleNamespace(has_truth=False, clips=clips), visemes)
    assert kinds[KEYS[0]].tolist() == np.eye(3)[[0, 2, 1]].tolist()
