from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.correlation.asccl import normalise_channels
from spfem.correlation.frames import (
    ClipPair,
    FramePairs,
    draw_moments,
    moment_contrast,
    speech_loss,
    too_near,
)
from spfem.errors import SettingsError, ShapeError
from tests.correlation.planted import SMALL, planted_pairs


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
    drawn = draw_moments(frames, 8, 4, np.random.default_rng(0))
    assert drawn.numbers.shape == (2, 4, 2)
    assert (drawn.numbers[..., 0] // 5 == np.arange(4)).all()
    assert (drawn.numbers.sum(axis=2) == length - 1).all()
    assert (drawn.neutral[:, 0, 0, 0] == drawn.numbers[..., 0].ravel()).all()
    assert (drawn.emotion[:, 0, 0, 0] == drawn.numbers[..., 1].ravel()).all()
    again = draw_moments(frames, 8, 4, np.random.default_rng(0))
    assert (again.numbers == drawn.numbers).all()


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
