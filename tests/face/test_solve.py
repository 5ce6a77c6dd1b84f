from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import lsq_linear, minimize

from spfem.face.camera import bounded_least_squares, smooth_over_time


def _problem(frames=3, units=6, seed=0):
    random = np.random.default_rng(seed)
    factor = random.normal(size=(frames, 12, units))
    target = random.normal(size=(frames, 12)) * 2
    normal = torch.from_numpy(factor.transpose(0, 2, 1) @ factor)
    right = torch.from_numpy(np.einsum("tnu,tn->tu", factor, target))
    return factor, target, normal, right


def test_agrees_with_an_active_set_solver():
    factor, target, normal, right = _problem()
    found = bounded_least_squares(
        normal, right, torch.zeros(3, 6, dtype=torch.float64), torch.zeros(6), 800
    )
    for frame in range(3):
        wanted = lsq_linear(factor[frame], target[frame], (0, 1)).x
        assert np.allclose(found[frame], wanted, atol=1e-5)


def test_agrees_with_a_general_solver_when_smooth():
    _, _, normal, right = _problem(seed=1)
    strength = torch.full((6,), 3.0, dtype=torch.float64)
    found = bounded_least_squares(
        normal, right, torch.zeros(3, 6, dtype=torch.float64), strength, 800
    )

    def loss(flat):
        x = flat.reshape(3, 6)
        data = 0.5 * np.einsum("tu,tuv,tv->", x, normal.numpy(), x) - (right.numpy() * x).sum()
        return data + 0.5 * 3.0 * (np.diff(x, axis=0) ** 2).sum()

    wanted = minimize(loss, np.full(18, 0.5), bounds=[(0, 1)] * 18, options={"ftol": 1e-14})
    assert loss(found.numpy().ravel()) <= wanted.fun + 1e-6


def test_smoothing_is_the_dense_solution():
    values = torch.randn(7, 2, dtype=torch.float64)
    difference = np.diff(np.eye(7), axis=0)
    wanted = np.linalg.solve(np.eye(7) + 2.5 * difference.T @ difference, values.numpy())
    assert np.allclose(smooth_over_time(values, 2.5), wanted)
