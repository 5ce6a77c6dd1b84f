"""FLAME: from coefficients and joint rotations to vertices, by linear blend skinning."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from spfem.flame.model_file import FlameModel

ROTATION_EPS = 1e-8  # added to each entry inside the norm, which has no gradient at zero


def rotation_matrices(vectors: Tensor) -> Tensor:
    """Rotations (..., 3, 3) of axis-angle vectors (..., 3) in radians, by Rodrigues' formula.

    Differentiable everywhere, zero included.
    """
    angle = (vectors + ROTATION_EPS).norm(dim=-1, keepdim=True)
    x, y, z = (vectors / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    angle = angle[..., None]
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return identity + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


class FlameDecoder(nn.Module):
    """FLAME with the 100 identity and 50 expression coefficients that DECA predicts.

    Args:
        model: arrays of the user's file.

    Source: spec `face_pipeline.md` 2.3. Neck and eyes stay at rest, as in DECA.
    """

    template: Tensor
    basis: Tensor
    pose_basis: Tensor
    joint_regressor: Tensor
    weights: Tensor

    def __init__(self, model: FlameModel) -> None:
        super().__init__()
        basis = np.concatenate([model.shape_basis, model.expression_basis])
        buffers = {
            "template": model.template,
            "basis": basis.reshape(len(basis), -1),
            "pose_basis": model.pose_basis.reshape(len(model.pose_basis), -1),
            "joint_regressor": model.joint_regressor,
            "weights": model.weights,
        }
        for name, array in buffers.items():
            self.register_buffer(name, torch.from_numpy(np.array(array)))
        self.parents = model.parents

    def forward(self, shape: Tensor, expression: Tensor, pose: Tensor) -> Tensor:
        """Vertices (B, V, 3) in metres; differentiable.

        Args:
            shape: (B, 100).
            expression: (B, 50).
            pose: (B, 6) axis-angle of the head and of the jaw, radians.
        """
        moved = torch.cat([shape, expression], 1) @ self.basis
        resting = self.template + moved.unflatten(1, (-1, 3))
        joints = torch.einsum("jv,bvc->bjc", self.joint_regressor, resting)
        head, jaw = pose.split(3, 1)
        still = torch.zeros_like(head)
        rotations = rotation_matrices(torch.stack([head, still, jaw, still, still], 1))
        bent = rotations[:, 1:] - torch.eye(3, dtype=pose.dtype, device=pose.device)
        corrected = resting + (bent.flatten(1) @ self.pose_basis).unflatten(1, (-1, 3))
        turn, shift = self._chain(rotations, joints)
        blended_turn = torch.einsum("vj,bjrc->bvrc", self.weights, turn)
        blended_shift = torch.einsum("vj,bjr->bvr", self.weights, shift)
        return (blended_turn @ corrected[..., None])[..., 0] + blended_shift

    def _chain(self, rotations: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (B, J, 3, 3) and shift (B, J, 3) of what hangs on each joint."""
        turns, places = [rotations[:, 0]], [joints[:, 0]]
        for joint, above in list(enumerate(self.parents))[1:]:
            bone = joints[:, joint] - joints[:, above]
            places.append(places[above] + (turns[above] @ bone[..., None])[..., 0])
            turns.append(turns[above] @ rotations[:, joint])
        turn = torch.stack(turns, 1)
        shift = torch.stack(places, 1) - (turn @ joints[..., None])[..., 0]
        return turn, shift
