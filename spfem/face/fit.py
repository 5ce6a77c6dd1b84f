"""Fits the head model to tracked landmarks: one identity a clip, pose and face units a frame."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.face.camera import (
    Pose,
    bounded_least_squares,
    pose_from_affine,
    project,
    refine_pose,
    rotation_matrix,
    rotation_vector,
    smooth_over_time,
)
from spfem.face.landmarks import EYE_CORNERS, FACE_OVAL, NOSE_BRIDGE, landmark_weights
from spfem.face.tracker import TrackedFace
from spfem.head.model import HeadModel
from spfem.head.names import BLENDSHAPE_NAMES
from spfem.settings import FaceSettings

LANDMARK_DEVIATION = 0.012  # head units: what an independent landmark may miss by
OUTLIER_FACTOR = 3.0  # of a frame's typical residual, beyond which a landmark counts less


@dataclass(frozen=True)
class FittedHead:
    """Codes of one clip; all arrays float32.

    Attributes:
        identity: (I,) coefficients with a unit-variance prior.
        expression: (T, E) face units in [0, 1].
        rotation: (T, 3) axis-angle, radians.
        scale: (T,) pixels per head unit.
        translation: (T, 2) pixels.
        reprojection_error: (T,) mean distance of the landmarks, pixels, without the outline.
    """

    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    reprojection_error: np.ndarray


@dataclass(frozen=True)
class HeadTrack(FittedHead, TrackedFace):
    """What was tracked and fitted of one clip of T frames, about 6.5 KB a frame.

    Attributes:
        fps: frames per second.
        align: (T, 2, 3) float32 frame pixels to aligned pixels.
    """

    fps: float
    align: np.ndarray

    def only(self, kind: type[Any]) -> Any:
        """The fields of a part of the track: `TrackedFace` or `FittedHead`."""
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})


class _LandmarkModel:
    """The head model at the landmarks: mean (L, 3) and bases (I, L, 3), (E, L, 3)."""

    def __init__(self, head: HeadModel):
        def at_landmarks(array: np.ndarray) -> Tensor:
            return torch.from_numpy(head.landmarks(array).astype(np.float32))

        self.mean = at_landmarks(head.mean)
        self.identity_basis = at_landmarks(head.identity_basis)
        self.expression_basis = at_landmarks(head.expression_basis)

    def places(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Landmark places (T, L, 3)."""
        return (
            self.mean
            + torch.tensordot(identity, self.identity_basis, 1)
            + torch.tensordot(expression, self.expression_basis, 1)
        )

    def residual(self, pose: Pose, pixels: Tensor, identity: Tensor, expression: Tensor) -> Tensor:
        """Seen minus fitted landmarks (T, L, 2), head units."""
        seen = project(self.places(identity, expression), pose)[..., :2]
        return (pixels - seen) / pose.scale[:, None, None]

    def tamed(self, pose: Pose, pixels: Tensor, identity: Tensor, expression: Tensor) -> Tensor:
        """Landmarks (T, L, 2) in pixels with outliers drawn in: least squares is Huber's fit then.

        Minimising the squared distance to these lowers Huber's loss (Huber and Dutter's modified
        residuals), with normal matrices that stay the same for all frames.
        """
        residual = self.residual(pose, pixels, identity, expression)
        excess = residual * (1 - _trust_of(residual))[..., None]
        return pixels - excess * pose.scale[:, None, None]


def fit_head(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    *,
    identity: np.ndarray | None = None,
) -> FittedHead:
    """Fit all frames of a clip by alternating regularised least squares.

    Each round refines the pose (Gauss-Newton, then smoothed over time), solves the identity
    (Gaussian prior) and solves the face units within [0, 1] (ridge, smooth over time, and drawn
    towards the tracker's own scores of the same names); landmarks that fit badly lose weight.
    Only x and y of the landmarks are used: the tracker's depth is a guess.

    Args:
        head: the model.
        tracked: landmarks and scores of T frames.
        settings: rounds and weights.
        identity: (I,) of the person where it is known, which is then kept; else it is solved.
    """
    model = _LandmarkModel(head)
    pixels = torch.from_numpy(tracked.landmarks[..., :2])
    weights = torch.from_numpy(landmark_weights())
    weights = weights / weights.mean()
    scores = torch.from_numpy(_scores_as_units(tracked.blendshapes, head))
    rigid = torch.zeros_like(weights)
    rigid[list(EYE_CORNERS + NOSE_BRIDGE + FACE_OVAL)] = 1
    pose = pose_from_affine(model.mean, pixels, rigid)
    known = None if identity is None else torch.from_numpy(identity)
    shape = torch.zeros(len(model.identity_basis)) if known is None else known
    expression = torch.zeros(len(pixels), len(model.expression_basis))
    trust = weights.expand(len(pixels), -1)
    share = 1 / len(weights)
    pull = settings.score_weight * scores.isfinite().float()
    ridge = share * (settings.expression_regularisation + pull)
    smoothness = torch.full_like(expression[0], settings.expression_smoothness * share)
    for _ in range(settings.fit_iterations):
        places = model.places(shape, expression)
        for _ in range(2):
            pose = refine_pose(pose, places, pixels, trust)
        pose = Pose(
            rotation_matrix(smooth_over_time(rotation_vector(pose.rotation), settings.smoothness)),
            smooth_over_time(pose.scale.log(), settings.smoothness).exp(),
            pose.translation,
        )
        if known is None:
            target = model.tamed(pose, pixels, shape, expression)
            residual = model.residual(pose, target, torch.zeros_like(shape), expression)
            basis = model.identity_basis
            normal, right = _normal_equations(basis, pose.rotation, residual, weights)
            prior = settings.identity_regularisation / len(weights)
            system = normal.mean(0) + prior * torch.eye(len(basis))
            shape = torch.linalg.solve(system, right.mean(0))
        target = model.tamed(pose, pixels, shape, expression)
        residual = model.residual(pose, target, shape, torch.zeros_like(expression))
        basis = model.expression_basis
        normal, right = _normal_equations(basis, pose.rotation, residual, weights)
        expression = bounded_least_squares(
            normal + torch.diag_embed(ridge),
            right + share * pull * scores.nan_to_num(),
            expression,
            smoothness,
        )
        residual = model.residual(pose, pixels, shape, expression)
        trust = weights * _trust_of(residual)
    inside = torch.ones_like(weights, dtype=torch.bool)
    inside[list(FACE_OVAL)] = False
    error = residual.norm(dim=-1)[:, inside].mean(1) * pose.scale
    pose_codes = (rotation_vector(pose.rotation), pose.scale, pose.translation)
    codes = (shape, expression, *pose_codes, error)
    return FittedHead(*(array.numpy().astype(np.float32) for array in codes))


def _scores_as_units(blendshapes: np.ndarray, head: HeadModel) -> np.ndarray:
    """Tracker scores (T, E) in the head's order; NaN where the tracker has no such score."""
    units = np.full((len(blendshapes), len(head.expression_names)), np.nan, np.float32)
    for column, name in enumerate(head.expression_names):
        if name in BLENDSHAPE_NAMES:
            units[:, column] = blendshapes[:, BLENDSHAPE_NAMES.index(name)]
    return units


def _trust_of(residual: Tensor) -> Tensor:
    """Weights (T, L) in (0, 1] of Huber's loss."""
    distance = residual.norm(dim=-1)
    limit = OUTLIER_FACTOR * distance.median(1, keepdim=True).values.clamp(min=1e-6)
    return (limit / distance.clamp(min=1e-9)).clamp(max=1)


def _normal_equations(
    basis: Tensor, rotation: Tensor, residual: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Per-frame normal matrix (T, K, K) and right side (T, K) of a basis (K, L, 3).

    The weights (L,) are those of all frames, so that the matrices are mixtures of nine.
    """
    share = weights / LANDMARK_DEVIATION**2 / len(weights)
    weighted = (basis * share[:, None]).movedim(2, 0)  # (3, K, L)
    nine = torch.einsum("akl,cml->ackm", weighted, basis.movedim(2, 0))
    seen = rotation[:, :2].mT @ rotation[:, :2]  # (T, 3, 3)
    normal = torch.tensordot(seen, nine, 2)
    backward = (residual @ rotation[:, :2]).flatten(1)  # (T, L * 3)
    return normal, backward @ weighted.movedim(0, 2).flatten(1).mT
