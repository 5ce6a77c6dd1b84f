"""Conditions, sequences and crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spfem.errors import ShapeError
from spfem.renderer.data import (
    crop_around,
    draw_sequences,
    jitter_conditions,
    stack_conditions,
    to_network,
    to_pictures,
)
from tests.renderer.planted import SETTINGS, planted_clip


def images(value, channels=3):
    return np.full((2, 4, 4, channels), value, np.uint8)


def test_refuses_images_that_do_not_fit():
    with pytest.raises(ShapeError, match="'eye'"):
        stack_conditions(images(1), images(2), images(3)[:1], images(4, 1)[..., 0])
    with pytest.raises(ShapeError, match="'shape'"):
        stack_conditions(images(1), images(2).astype(np.float32), images(3), images(4, 1)[..., 0])


def test_pictures_survive_the_way_to_the_network_within_a_grey_level():
    pictures = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    back = to_pictures(to_network(pictures) * 2 - 1)
    assert np.abs(back.astype(int) - pictures).max() <= 1


@given(st.integers(1, 30), st.integers(2, 12), st.integers(0, 99))
def test_sequences_are_consecutive_frames_with_their_lead(length, frames, seed):
    clip = planted_clip(0, 1)
    number = np.arange(length, dtype=np.uint8)
    marked = type(clip)(
        np.broadcast_to(number[:, None, None, None], (length, 32, 32, 10)).copy(),
        np.broadcast_to(number[:, None, None, None], (length, 32, 32, 3)).copy(),
        np.stack([number, number], 1).astype(np.float32),
    )
    drawn = draw_sequences([marked], frames, SETTINGS, np.random.default_rng(seed))
    faces = drawn.faces[:, :, 0, 0, 0].astype(int)
    conditions = drawn.conditions[:, :, 0, 0, 0].astype(int)
    assert np.array_equal(drawn.mouth_centres[..., 0], faces)
    assert np.array_equal(conditions[:, 2:], faces)
    assert set(np.diff(conditions, axis=1).ravel()) <= {0, 1}
    for row, lead in zip(faces, conditions[:, :2], strict=True):
        assert lead.tolist() == [max(row[0] - 2, 0), max(row[0] - 1, 0)]
        assert row.tolist() == np.minimum(row[0] + np.arange(frames), length - 1).tolist()
    assert drawn.edited_conditions is None


def test_jitter_moves_images_a_little_and_never_the_mask():
    conditions = to_network(planted_clip(0, 2).conditions)[None]
    moved = jitter_conditions(conditions, 0.05, torch.Generator().manual_seed(0))
    assert torch.equal(moved[:, :, -1], conditions[:, :, -1])
    difference = (moved - conditions)[:, :, :-1].abs()
    assert 0 < float(difference.mean()) < 0.15
    frames = (moved - conditions).abs().mean(dim=(0, 3, 4))
    assert not torch.equal(frames[0], frames[1])
    assert jitter_conditions(conditions, 0.0, torch.Generator()) is conditions


@given(st.integers(-50, 80), st.integers(-50, 80), st.sampled_from([2, 8, 20]))
def test_crop_equals_a_clamped_slice(x, y, size):
    image = torch.arange(2 * 20 * 30.0).reshape(1, 2, 20, 30)
    half = size // 2
    column = min(max(x, half), 30 - half) - half
    row = min(max(y, half), 20 - half) - half
    crop = crop_around(image, torch.tensor([[x, y]]), size)
    assert torch.equal(crop, image[:, :, row : row + size, column : column + size])


def test_refuses_crops_that_do_not_fit():
    image = torch.zeros(1, 1, 8, 8)
    for size in (10, 3):
        with pytest.raises(ShapeError, match="even and fit"):
            crop_around(image, torch.zeros(1, 2), size)
    with pytest.raises(ShapeError, match="centres"):
        crop_around(image, torch.zeros(2, 2), 4)
