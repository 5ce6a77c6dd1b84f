"""Planted light on planted normals."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.edit.moving.skin import RATIOS, NormalFinder, fit_light, harmonics, shading_ratio

LIGHT = np.array([120.0, 20, -15, -40, 4, -6, 3, 5, -4])


def _facing_normals(count, seed=0):
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals[:, 2] = -np.abs(normals[:, 2]) - 0.3
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_normals_are_those_of_a_loop():
    random = np.random.default_rng(0)
    points, triangles = random.normal(size=(2, 7, 3)), random.integers(0, 7, (9, 3))
    triangles[:, 1], triangles[:, 2] = (triangles[:, 0] + 1) % 7, (triangles[:, 0] + 3) % 7
    wanted = np.zeros_like(points)
    for frame in range(2):
        for a, b, c in triangles:
            first, second, third = points[frame, [a, b, c]]
            for vertex in (a, b, c):
                wanted[frame, vertex] += np.cross(second - first, third - first)
    length = np.linalg.norm(wanted, axis=-1, keepdims=True)
    wanted = np.divide(wanted, length, out=np.zeros_like(wanted), where=length > 0)
    np.testing.assert_allclose(NormalFinder(triangles, 7)(points), wanted, atol=1e-9)


def test_planted_light_is_recovered():
    normals = _facing_normals(4000)
    bright = harmonics(normals) @ LIGHT
    found = harmonics(normals) @ fit_light(normals, bright)
    assert np.abs(found - bright).max() < 0.1 * np.ptp(bright)  # the ridge holds back a little
    assert np.abs(found - bright).mean() < 0.02 * np.ptp(bright)


def test_the_ratio_is_one_where_nothing_turns_and_else_that_of_the_light():
    before, after = _facing_normals(300, 1), _facing_normals(300, 2)
    assert (shading_ratio(LIGHT, before, before) == 1).all()
    wanted = (harmonics(after) @ LIGHT) / (harmonics(before) @ LIGHT)
    np.testing.assert_allclose(
        shading_ratio(LIGHT, before, after), np.clip(wanted, *RATIOS), rtol=1e-5
    )


@pytest.mark.parametrize("light", [np.zeros(9), -LIGHT])
def test_without_light_there_is_no_ratio_to_trust(light):
    ratio = shading_ratio(light, _facing_normals(50, 1), _facing_normals(50, 2))
    assert np.isfinite(ratio).all()
    assert (ratio >= RATIOS[0]).all()
    assert (ratio <= RATIOS[1]).all()
