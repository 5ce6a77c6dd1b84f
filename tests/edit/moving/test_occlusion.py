"""Planted patches on planted skin."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.edit.moving.skin import NEIGHBOURHOOD, SkinAppearance, neighbourhoods

FRAMES = 12


@pytest.fixture(scope="module")
def places():
    y, x = np.mgrid[0:0.6:0.02, 0:0.6:0.02]
    return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], 1)


@pytest.fixture(scope="module")
def skin(places):
    random = np.random.default_rng(0)
    tone = np.array([190.0, 150, 130]) + 20 * places[:, :1]
    return tone + random.normal(0, 3, (FRAMES, len(places), 3))


def _patch(places, colours, side):
    inside = (np.abs(places[:, :2] - 0.3) < side / 2).all(1)
    hidden = colours.copy()
    hidden[:, inside] = (40, 90, 40)
    return inside, hidden


def test_skin_hides_nothing_in_any_light(places, skin):
    usual = SkinAppearance(skin, neighbourhoods(places))
    assert not usual.hidden(skin).any()
    assert not usual.hidden(skin * 0.7).any()
    assert not usual.hidden(np.clip(skin * 1.3, 0, 255)).any()


def test_a_patch_is_found_where_it_is(places, skin):
    inside, hidden = _patch(places, skin[:2], 0.2)
    found = SkinAppearance(skin, neighbourhoods(places)).hidden(hidden)
    assert found.dtype == np.float32
    assert found[:, inside].min() > 0.15
    assert np.median(found[:, inside]) == 1
    away = (np.abs(places[:, :2] - 0.3) > 0.1 + NEIGHBOURHOOD).any(1)
    assert not found[:, away].any()


def test_a_hand_in_some_of_the_frames_learned_from_is_still_found(places, skin):
    inside, hidden = _patch(places, skin[:3], 0.2)
    mixed = np.concatenate([hidden, skin[3:]])
    usual = SkinAppearance(mixed, neighbourhoods(places))
    assert np.median(usual.hidden(hidden)[:, inside]) == 1
    assert not usual.hidden(skin[3:]).any()
