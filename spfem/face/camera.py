"""The scaled orthographic camera: pixel = scale * (rotation @ place)[:2] + translation.

And the linear solvers of the fit: smoothing over time, and least squares within bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Pose:
    """Head pose of T frames.

    Attributes:
        rotation: (T, 3, 3) from head axes to image axes.
        scale: (T,) pixels per head unit.
        translation: (T, 2) pixels, where the head's origin is seen.
    """

    rotation: Tensor
    scale: Tensor
    translation: Tensor

    @classmethod
    def of(cls, rotation: np.ndarray, scale: np.ndarray, translation: np.ndarray) -> Pose:
        """The pose of codes: rotation (T, 3) axis-angle, scale (T,), translation (T, 2)."""
        turn = rotation_matrix(torch.from_numpy(rotation))
        return cls(turn, torch.from_numpy(scale), torch.from_numpy(translation))


def rotation_matrix(vector: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3) in radians; differentiable.

    Example:
        >>> rotation_matrix(torch.tensor([0.0, 0.0, torch.pi / 2])).round(decimals=4)[0].abs()
        tensor([0., 1., 0.])
    """
    zero = torch.zeros_like(vector[..., 0])
    x, y, z = vector.unbind(-1)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return torch.linalg.matrix_exp(skew)


def rotation_vector(matrix: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3) of rotations (..., 3, 3) below 180 degrees."""
    skew = matrix - matrix.mT
    sine = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)
    length = sine.norm(dim=-1, keepdim=True)  # 2 sin(angle)
    cosine = matrix.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True) - 1  # 2 cos(angle)
    angle = torch.atan2(length, cosine)
    return sine * torch.where(length > 1e-6, angle / length.clamp(min=1e-12), 0.5)


def project(points: Tensor, pose: Pose) -> Tensor:
    """Pixels (T, N, 3) of places (N, 3) or (T, N, 3); the third entry is depth in pixels."""
    turned = points @ pose.rotation.mT * pose.scale[:, None, None]
    return turned + torch.nn.functional.pad(pose.translation, (0, 1))[:, None]


def pose_from_affine(places: Tensor, pixels: Tensor, weights: Tensor) -> Pose:
    """Pose of places (N, 3) seen at pixels (T, N, 2), weighted (N,), by a weighted affine fit.

    The fit is made orthogonal; it needs no starting value.
    """
    share = weights / weights.sum()
    centre = share @ places
    offset = (pixels * share[:, None]).sum(1)
    flat = places - centre
    normal = flat.mT @ (flat * share[:, None])
    mixed = flat.mT @ ((pixels - offset[:, None]) * share[:, None])  # (T, 3, 2)
    affine = torch.linalg.solve(normal, mixed).mT  # (T, 2, 3)
    left, size, right = torch.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    rotation = torch.cat([rows, torch.linalg.cross(rows[:, 0], rows[:, 1])[:, None]], 1)
    scale = size.mean(-1)
    return Pose(rotation, scale, offset - scale[:, None] * (rows @ centre))


def refine_pose(pose: Pose, places: Tensor, pixels: Tensor, weights: Tensor) -> Pose:
    """One Gauss-Newton step of each frame's six pose parameters.

    Places (T, N, 3) are in head units, pixels (T, N, 2) where they are seen, weights (T, N) not
    negative.
    """
    turned = places @ pose.rotation.mT * pose.scale[:, None, None]
    residual = pixels - turned[..., :2] - pose.translation[:, None]
    x, y, z = turned.unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    across = torch.stack([zero, z, -y, x, one, zero], -1)
    down = torch.stack([-z, zero, x, y, zero, one], -1)
    jacobian = torch.cat([across, down], 1)  # (T, 2N, 6): turn 3, log scale, shift 2
    weighted = jacobian * torch.cat([weights, weights], 1)[..., None]
    normal = weighted.mT @ jacobian
    right = weighted.mT @ torch.cat([residual[..., 0], residual[..., 1]], 1)[..., None]
    damping = 1e-6 * normal.diagonal(dim1=-2, dim2=-1)
    step = torch.linalg.solve(normal + torch.diag_embed(damping), right)[..., 0]
    return Pose(
        rotation_matrix(step[:, :3]) @ pose.rotation,
        pose.scale * step[:, 3].clamp(-0.5, 0.5).exp(),
        pose.translation + step[:, 4:],
    )


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
    sum_t (x_t' N_t x_t / 2 - r_t' x_t) + sum_t smoothness' (x_t - x_(t-1))^2 / 2, for N = `normal`
    (T, E, E) symmetric and not negative, r = `right` (T, E), and smoothness (E,).
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
