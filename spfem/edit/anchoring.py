"""The face mesh of a clip, held to the tracked landmarks, for what moves pixels with it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from scipy.sparse import csr_array

from spfem.face.camera import rotation_matrix
from spfem.face.conditions import HeadCodes, aligned_vertices
from spfem.face.landmarks import (
    FACE_OVAL,
    INNER_LIPS,
    LEFT_EYE,
    LEFT_IRIS,
    LEFT_MOUTH_CORNER,
    RIGHT_EYE,
    RIGHT_IRIS,
    RIGHT_MOUTH_CORNER,
)
from spfem.face.mesh import CHART_JAW, face_mesh
from spfem.head.model import EYE, SKIN, HeadModel
from spfem.settings import LEFT_EYE as LEFT_LAYER
from spfem.settings import MOUTH as MOUTH_LAYER
from spfem.settings import RIGHT_EYE as RIGHT_LAYER
from spfem.settings import SKIN_LAYER, MovedSettings

if TYPE_CHECKING:
    from spfem.face.clip_track import ClipTrack
    from spfem.face.track import FaceTrack

RIM_WIDTH = 0.025  # head units around the edge of an opening, whose vertices bound its box
LEAST_EVIDENCE = 0.3  # landmarks' weight below which a vertex keeps its fitted place
EDGES = {MOUTH_LAYER: INNER_LIPS, RIGHT_LAYER: RIGHT_EYE, LEFT_LAYER: LEFT_EYE}
"""Landmarks on the edge of each opening."""
MARKS = {
    MOUTH_LAYER: INNER_LIPS,
    RIGHT_LAYER: (*RIGHT_EYE, *RIGHT_IRIS),
    LEFT_LAYER: (*LEFT_EYE, *LEFT_IRIS),
}
"""Landmarks that tell what an opening looks like."""


@dataclass(frozen=True)
class AnchoredCodes:
    """Codes and landmarks of T frames.

    Attributes:
        identity: (I,).
        expression: (T, E).
        rotation: (T, 3) axis-angle, radians.
        scale: (T,) frame pixels per head unit.
        translation: (T, 2) frame pixels.
        landmarks: (T, 478, 3) frame pixels.
        found: (T,) bool.
    """

    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    landmarks: np.ndarray
    found: np.ndarray


TrackedCodes: TypeAlias = "AnchoredCodes | ClipTrack | FaceTrack"


def take_codes(track: TrackedCodes, frames: np.ndarray) -> AnchoredCodes:
    """The codes of some frames (N,) of a track."""
    names = [field.name for field in fields(AnchoredCodes) if field.name != "identity"]
    return AnchoredCodes(track.identity, *(getattr(track, name)[frames] for name in names))


class AnchoredMesh:
    """The face mesh, its layers, and how landmarks pull it.

    Args:
        head: the model.
        settings: how far a landmark reaches.

    Attributes:
        mesh: the `FaceMesh`.
        layers: (G,) int64, layer of each triangle.
        rims: by layer, vertices of the skin around the opening.
        upper: (U,) bool, vertices above the corners of the mouth.
    """

    def __init__(self, head: HeadModel, settings: MovedSettings):
        self.settings = settings
        self.mesh = mesh = face_mesh(head)
        right = mesh.mean[mesh.triangles, 0].mean(1) < 0
        eyes = np.where(right, RIGHT_LAYER, LEFT_LAYER)
        inner = np.where(mesh.region == EYE, eyes, MOUTH_LAYER)
        self.layers = np.where(mesh.region == SKIN, SKIN_LAYER, inner).astype(np.int64)
        parted = head.mean + CHART_JAW * head.expression_basis[0]
        marks, places = head.landmarks(parted), parted[mesh.vertices]
        everything = np.arange(len(places))
        is_skin, is_eye = (
            np.isin(everything, mesh.triangles[mesh.region == part]) for part in (SKIN, EYE)
        )
        self.weights = csr_array(self._pull(marks, places, is_skin, is_eye & ~is_skin))
        corners = marks[[RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER], 1]
        self.upper = places[:, 1] < corners.mean()
        self.rims = {}
        for layer, edge in EDGES.items():
            gap = np.linalg.norm(places[:, None] - marks[list(edge)][None], axis=-1).min(1)
            self.rims[layer] = np.flatnonzero(is_skin & (gap < RIM_WIDTH))
        self.mark_mean = head.landmarks(head.mean).astype(np.float32)
        self.mark_identity = head.landmarks(head.identity_basis).astype(np.float32)
        self.mark_expression = head.landmarks(head.expression_basis).astype(np.float32)

    def _pull(
        self, marks: np.ndarray, places: np.ndarray, is_skin: np.ndarray, is_eye: np.ndarray
    ) -> np.ndarray:
        """Weights (U, 478): a vertex follows landmarks near it; the outline is no fixed place."""
        iris = np.array(RIGHT_IRIS + LEFT_IRIS)
        on_skin = np.setdiff1d(np.arange(len(marks)), np.concatenate([FACE_OVAL, iris]))
        weights = np.zeros((len(places), len(marks)), np.float32)
        for chosen, vertices, reach in (
            (on_skin, is_skin, self.settings.landmark_reach),
            (iris, is_eye, self.settings.iris_reach),
        ):
            gap = ((places[vertices][:, None] - marks[chosen][None]) ** 2).sum(-1)
            near = np.exp(-0.5 * gap / reach**2)
            near[near < 1e-3] = 0  # too far to count, and most are
            weights[np.ix_(vertices, chosen)] = near / (near.sum(1, keepdims=True) + LEAST_EVIDENCE)
        return weights

    def marks(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """Landmarks (T, 478, 3) of the model in head units, not posed."""
        return (
            self.mark_mean
            + np.tensordot(identity, self.mark_identity, 1)
            + np.tensordot(expression, self.mark_expression, 1)
        ).astype(np.float32)

    def corrections(self, track: TrackedCodes) -> np.ndarray:
        """Shifts (T, U, 2) in frame pixels that bring the fitted mesh onto the tracked landmarks.

        A landmark counts for at most `largest_residual`; frames that were not found stay as fitted.
        """
        places = self.marks(track.identity, track.expression)
        turn = rotation_matrix(torch.from_numpy(track.rotation)).numpy()
        scale = track.scale[:, None, None]
        seen = np.einsum("tab,tlb->tla", turn[:, :2], places) * scale + track.translation[:, None]
        residual = track.landmarks[..., :2] - seen
        length = np.linalg.norm(residual, axis=-1, keepdims=True)
        most = self.settings.largest_residual * scale
        residual = residual * np.minimum(1, most / np.maximum(length, 1e-6))
        residual = (residual * track.found[:, None, None]).astype(np.float32)
        shifts = self.weights @ residual.transpose(1, 0, 2).reshape(residual.shape[1], -1)
        return shifts.reshape(-1, len(residual), 2).transpose(1, 0, 2)

    def vertices(
        self, track: TrackedCodes, expression: np.ndarray, corrections: np.ndarray
    ) -> torch.Tensor:
        """Vertices (T, U, 3) in frame pixels of face units (T, E), shifted by `corrections`."""
        upright = np.tile(np.eye(2, 3, dtype=np.float32), (len(expression), 1, 1))
        codes = HeadCodes(
            track.identity, expression, track.rotation, track.scale, track.translation, upright
        )
        points = aligned_vertices(self.mesh, codes, expression)
        points[..., :2] += torch.from_numpy(corrections)
        return points
