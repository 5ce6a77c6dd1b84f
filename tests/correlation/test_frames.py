from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spfem.correlation.asccl import normalise_channels
from spfem.correlation.frames import (
    ClipPair,
    FramePairs,
    FrameWindows,
    collect_frame_pairs,
    draw_moments,
    held_steps,
    moment_contrast,
    speech_loss,
    too_near,
    window_starts,
)
from spfem.errors import CorpusError, SettingsError, ShapeError
from tests.correlation.planted import SMALL, planted_pairs


def numbered(frames):
    """Frames whose pixels hold the frame number."""
    return np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def track(frames, lost=()):
    found = np.ones(frames, bool)
    found[list(lost)] = False
    return SimpleNamespace(faces=numbered(frames), found=found)


def aligned(source, target, path, usable=True):
    return SimpleNamespace(source=source, target=target, path=np.array(path), usable=usable)


def test_drawn_frames_lie_on_the_path_and_depend_on_the_seed_only():
    path = np.array([[0, 0], [1, 0], [1, 1], [2, 4]])
    pairs = FramePairs({"A/n": numbered(3), "A/h": numbered(5)}, (ClipPair("A/n", "A/h", path),))
    neutral, emotion = pairs.draw(200, np.random.default_rng(0))
    assert neutral.shape == (200, 2, 2, 3)
    drawn = np.unique(np.stack([neutral[:, 0, 0, 0], emotion[:, 0, 0, 0]], axis=1), axis=0)
    assert np.array_equal(drawn, path)
    again = pairs.draw(200, np.random.default_rng(0))
    assert np.array_equal(again[0], neutral)


def test_collecting_keeps_the_actors_the_usable_and_the_found():
    tracks = {"A/n": track(3, lost=[1]), "A/h": track(3), "A/x": track(3), "B/n": track(3)}
    pairs = [
        aligned("A/n", "A/h", [[0, 0], [1, 1], [2, 2]]),
        aligned("A/n", "A/x", [[0, 0]], usable=False),
        aligned("B/n", "B/missing", [[0, 0]]),
    ]
    collected = collect_frame_pairs(tracks, pairs, {"A"})
    assert set(collected.faces) == {"A/n", "A/h"}
    assert collected.pairs[0].path.tolist() == [[0, 0], [2, 2]]
    assert collected.pairs[0].actor == "A"


@pytest.mark.parametrize("path", [[[0, 5]], [[-1, 0]], [0, 1]])
def test_a_path_that_leaves_the_clips_is_refused(path):
    with pytest.raises(ShapeError):
        FramePairs(
            {"A/n": numbered(3), "A/h": numbered(5)}, (ClipPair("A/n", "A/h", np.array(path)),)
        )


PATH = np.array([[0, 0], [1, 0], [1, 1], [2, 2], [4, 3], [5, 4], [6, 4]])  # frame 3 was lost


def windows(length, path=PATH):
    pair = ClipPair("A/n", "A/h", path)
    return FrameWindows(FramePairs({"A/n": numbered(9), "A/h": numbered(9)}, (pair,)), length)


def test_windows_are_consecutive_and_the_last_one_is_used():
    starts = window_starts(ClipPair("A/n", "A/h", PATH), 3)
    assert starts.tolist() == [0, 1, 4]
    assert window_starts(ClipPair("A/n", "A/h", PATH), 4).tolist() == [0]
    assert window_starts(ClipPair("A/n", "A/h", PATH[:1]), 2).tolist() == []
    straight = np.stack([np.arange(6)] * 2, axis=1)
    assert window_starts(ClipPair("A/n", "A/h", straight), 5).tolist() == [0, 1]


def test_drawn_windows_lie_on_the_path_and_depend_on_the_seed_only():
    drawn = windows(3).draw_windows(60, np.random.default_rng(0))
    assert drawn.neutral.shape == drawn.emotion.shape == (60, 3, 2, 2, 3)
    seen = np.stack([drawn.neutral[..., 0, 0, 0], drawn.emotion[..., 0, 0, 0]], axis=2)
    wanted = np.stack([PATH[start : start + 3] for start in (0, 1, 4)])
    assert np.array_equal(np.unique(seen, axis=0), wanted)
    assert np.array_equal(drawn.held, np.diff(seen.astype(int), axis=1) == 0)
    again = windows(3).draw_windows(60, np.random.default_rng(0))
    assert np.array_equal(again.emotion, drawn.emotion)
    assert not np.array_equal(
        windows(3).draw_windows(60, np.random.default_rng(1)).emotion, drawn.emotion
    )


def test_held_steps_are_told_apart_by_branch():
    assert held_steps(PATH[:3]).tolist() == [[False, True], [True, False]]


def test_no_window_at_all_is_an_error():
    with pytest.raises(CorpusError, match="5 consecutive path steps"):
        windows(5)


def descriptors(groups=2, moments=3, channels=4, rows=5, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return normalise_channels(torch.randn(groups * moments, channels, rows, dtype=dtype))


FAR = torch.tensor([[[0, 0], [10, 12], [20, 24]], [[3, 3], [4, 13], [30, 31]]])


def test_contrast_equals_a_literal_sum():
    query, key = descriptors(seed=0), descriptors(seed=1)
    found = moment_contrast(query, key, FAR, temperature=0.3, gap_frames=3)
    assert found.shape == (6,)
    for group in range(2):
        for m in range(3):
            entropies = []
            for by_key in (False, True):
                total = 0.0
                for n in range(3):
                    near = (FAR[group, m] - FAR[group, n]).abs().min() < 3
                    if near and n != m:
                        continue
                    a, b = (n, m) if by_key else (m, n)
                    cosines = (query[3 * group + a] * key[3 * group + b]).sum(dim=0)
                    total += math.exp(float(cosines.mean()) / 0.3)
                own = (query[3 * group + m] * key[3 * group + m]).sum(dim=0).mean() / 0.3
                entropies.append(math.log(total) - float(own))
            assert found[3 * group + m].item() == pytest.approx(np.mean(entropies))


def test_independent_descriptors_do_not_beat_chance():
    query, key = (descriptors(8, 4, 16, 64, seed) for seed in (0, 1))
    numbers = (torch.arange(4) * 10)[None, :, None].expand(8, 4, 2)
    rows = moment_contrast(query, key, numbers, temperature=0.1, gap_frames=3)
    assert math.log(4) <= rows.mean().item() < 1.2 * math.log(4)


def test_gradient_reaches_the_query_only_and_is_exact():
    query, key = descriptors(rows=2).requires_grad_(), descriptors(rows=2, seed=1).requires_grad_()

    def loss(q, k):
        return speech_loss([(q, k), (2 * q, k)], FAR, temperature=0.3, gap_frames=3)

    loss(query, key).backward()
    assert key.grad is None
    assert torch.autograd.gradcheck(lambda q: loss(q, key.detach()), (query,))


def test_moments_come_from_equal_parts_of_one_path():
    length = 20
    faces = {
        key: np.arange(length, dtype=np.uint8)[:, None, None, None]
        * np.ones((1, 2, 2, 3), np.uint8)
        for key in ("A/neutral/1/1", "A/happy/3/1")
    }
    path = np.stack([np.arange(length), np.arange(length)[::-1]], axis=1)
    frames = FramePairs(faces, (ClipPair("A/neutral/1/1", "A/happy/3/1", path),))
    neutral, emotion, numbers = draw_moments(frames, 8, 4, np.random.default_rng(0))
    assert numbers.shape == (2, 4, 2)
    assert (numbers[..., 0] // 5 == np.arange(4)).all()
    assert (numbers.sum(axis=2) == length - 1).all()
    assert (neutral[:, 0, 0, 0] == numbers[..., 0].ravel()).all()
    assert (emotion[:, 0, 0, 0] == numbers[..., 1].ravel()).all()
    assert (draw_moments(frames, 8, 4, np.random.default_rng(0))[2] == numbers).all()


def test_wrong_numbers_of_moments_are_refused():
    frames, _ = planted_pairs((0,))
    with pytest.raises(ShapeError, match="3 moments"):
        draw_moments(frames, 8, 3, np.random.default_rng(0))
    with pytest.raises(ShapeError, match="moments of numbers"):
        moment_contrast(descriptors(), descriptors(), FAR[:1], temperature=1.0, gap_frames=3)
    for wrong in ({"speech_moments": 3}, {"speech_weight": -1.0}, {"speech_temperature": 0.0}):
        with pytest.raises(SettingsError):
            replace(SMALL, **{"speech_weight": 1.0} | wrong)


def test_a_moment_is_near_if_either_clip_shows_it_within_the_gap():
    near = too_near(torch.tensor([[[0, 0], [2, 9], [9, 2], [3, 3]]]), 3)[0]
    assert near.tolist() == [
        [False, True, True, False],
        [True, False, False, True],
        [True, False, False, True],
        [False, True, True, False],
    ]
