"""Linear solvers of the fit: smoothing over time, and least squares within bounds."""

from __future__ import annotations

import torch
from torch import Tensor


def smooth_over_time(values: Tensor, strength: float) -> Tensor:
    """The (T, ...) series nearest to `values` with small steps between frames.

    Minimises |x - values|^2 + strength * sum |x[t] - x[t - 1]|^2 (Whittaker's smoother).
    """
    frames = len(values)
    if strength <= 0 or frames < 2:
        return values
    difference = torch.diff(torch.eye(frames, device=values.device, dtype=values.dtype), dim=0)
    system = strength * difference.mT @ difference
    system.diagonal().add_(1)
    flat = values.reshape(frames, -1)
    return torch.cholesky_solve(flat, torch.linalg.cholesky(system)).view_as(values)


def bounded_least_squares(
    normal: Tensor, right: Tensor, start: Tensor, smoothness: Tensor, iterations: int = 60
) -> Tensor:
    """Coefficients in [0, 1] of all frames at once, by accelerated projected gradient steps.

    Minimises, over x (T, E) with 0 <= x <= 1,
    sum_t (x_t' N_t x_t / 2 - r_t' x_t) + sum_t smoothness' (x_t - x_(t-1))^2 / 2.

    Args:
        normal: N, (T, E, E) symmetric, not negative.
        right: r, (T, E).
        start: (T, E) starting values.
        smoothness: (E,) not negative.
        iterations: steps; each costs T E^2 multiplications.
    """
    bound = normal.abs().sum(-1) + 4 * smoothness  # row sums: a majorising diagonal
    step = 1 / bound.clamp(min=1e-12)
    current = start.clamp(0, 1)
    ahead, momentum = current, 1.0
    for _ in range(iterations):
        slope = (normal @ ahead[..., None])[..., 0] - right
        if len(ahead) > 1:
            change = torch.diff(ahead, dim=0) * smoothness
            slope[1:] += change
            slope[:-1] -= change
        following = (ahead - step * slope).clamp(0, 1)
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = following + (momentum - 1) / next_momentum * (following - current)
        current, momentum = following, next_momentum
    return current
