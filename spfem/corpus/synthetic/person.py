"""The geometry of one actor: head and hair as one mesh, posed for each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.corpus.synthetic.actors import Actor
from spfem.corpus.synthetic.hair import grow_hair, hairline_distance
from spfem.corpus.synthetic.shading import HAIR, NECK
from spfem.head.model import SKIN, TONGUE, UPPER_TEETH, HeadModel

FACE_SHARE = 0.56  # of the frame's height, hairline to chin
CHIN_AT = 0.84  # of the frame's height
SKIRT_LENGTH = 0.6  # of the cloth below the shoulders, head units
SHOULDER_FOLLOW = 0.35  # of the head's shift that the shoulders make


@dataclass(frozen=True)
class Person:
    """An actor's mesh.

    Attributes:
        head: the head model.
        actor: who it is.
        triangles: (F, 3) of head, cloth and hair.
        material: (F,) region of the head model, or `HAIR`.
        rest: (V + N, 4) rest place and distance inside the hairline, see `shading`.
        extra: (N, 3) cloth and hair at rest, head units.
        follow: (V + N,) how much a vertex follows the head.
        centre: (2,) head point, units, that neutral frames show at `anchor` of the frame.
        units_per_frame: frame height in head units.
    """

    head: HeadModel
    actor: Actor
    triangles: np.ndarray
    material: np.ndarray
    rest: np.ndarray
    extra: np.ndarray
    follow: np.ndarray
    centre: np.ndarray
    units_per_frame: float

    def camera(
        self, frame_size: int, scale: np.ndarray, translation: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Camera of a head that sways by `translation` (T, 2), units, at relative `scale` (T,).

        Returns:
            Scale (T,) in pixels per head unit and translation (T, 2) in pixels.
        """
        pixels = frame_size / self.units_per_frame
        shift = 0.5 * frame_size + (translation - self.centre * scale[:, None]) * pixels
        return pixels * scale, shift

    def points(
        self,
        face_units: np.ndarray,
        rotation: np.ndarray,
        scale: np.ndarray,
        translation: np.ndarray,
        frame_size: int,
    ) -> np.ndarray:
        """Vertices (T, V + N, 3) in pixels.

        The head follows the scaled orthographic camera exactly; shoulders and hanging hair stay
        behind. Teeth and tongue are moved where the morph targets leave them hidden or in the way.

        Args:
            face_units: (T, E) in [0, 1].
            rotation: (T, 3, 3) of the head.
            scale: (T,) pixels per head unit.
            translation: (T, 2) pixels.
            frame_size: side of the frame, pixels.
        """
        frames = len(face_units)
        vertices = self.head.vertices(self.actor.identity, face_units)
        self._correct_mouth(vertices, face_units[:, 0])
        extra = np.broadcast_to(self.extra, (frames, *self.extra.shape))
        still = np.concatenate([vertices, extra], axis=1)
        turn = (rotation * scale[:, None, None]).astype(np.float32)
        moved = still @ turn.transpose(0, 2, 1)
        moved[..., :2] += translation[:, None].astype(np.float32)
        base_scale, base = self.camera(frame_size, np.ones(1), np.zeros((1, 2)))
        loose = self.follow < 1
        still = still[:, loose] * np.float32(base_scale[0])
        still[..., :2] += (base + SHOULDER_FOLLOW * (translation - base))[:, None]
        weight = self.follow[None, loose, None]
        moved[:, loose] = weight * moved[:, loose] + (1 - weight) * still
        return moved

    def _correct_mouth(self, vertices: np.ndarray, jaw_open: np.ndarray) -> None:
        region, triangles = self.head.region, self.head.triangles
        teeth = np.unique(triangles[region == UPPER_TEETH])
        tongue = np.unique(triangles[region == TONGUE])
        vertices[:, teeth] += np.array([0, 0.014, 0.004], np.float32)
        down = jaw_open[:, None, None] * np.array([0, 0.035, 0.07], np.float32)
        vertices[:, tongue] += np.array([0, 0.012, 0.02], np.float32) + down


def rotation_matrices(rotation: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) of axis-angle vectors (T, 3), radians."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(rotation).as_matrix()


def _skirt(head: HeadModel, neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cloth hanging from the cut edge of the shoulders, so that no edge enters the frame.

    Returns:
        Points (S, 3), rest places (S, 4) and triangles (K, 3) into head vertices followed by
        these points.
    """
    edges = np.concatenate([head.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    _, index, count = np.unique(np.sort(edges, 1), axis=0, return_index=True, return_counts=True)
    border = edges[index[count == 1]]
    border = border[(head.mean[border][..., 1] > 0.45).all(1)]
    used, ends = np.unique(border, return_inverse=True)
    ends = ends.reshape(border.shape) + len(head.mean)
    drop = np.array([0.0, SKIRT_LENGTH, 0.0])
    triangles = np.concatenate(
        [np.column_stack([border[:, ::-1], ends[:, 0]]), np.column_stack([border[:, 1], ends])]
    )
    rest = np.column_stack([head.mean[used] + drop, np.full(len(used), -1.0)])
    return neutral[used] + drop, rest, triangles


def make_person(head: HeadModel, actor: Actor) -> Person:
    """Build the mesh of `actor` and frame it: crown near the top, collar at the bottom."""
    neutral = head.vertices(actor.identity, np.zeros(len(head.expression_names), np.float32))
    inside = hairline_distance(head.mean, actor.appearance)
    if actor.appearance.hair_style == "bald":
        inside = np.minimum(inside, -0.05)
    skirt, skirt_rest, skirt_triangles = _skirt(head, neutral)
    triangles = [head.triangles, skirt_triangles]
    below = (head.mean[head.triangles][..., 1] > 0.36).any(1) & (head.region == SKIN)
    material = [np.where(below, int(NECK), head.region), np.full(len(skirt_triangles), int(NECK))]
    extra, extra_rest = [skirt], [skirt_rest]
    follow = [head.head_weight, np.zeros(len(skirt))]
    hair = grow_hair(head, neutral, actor.appearance)
    if hair is not None:
        triangles.append(hair.triangles + len(head.mean) + len(skirt))
        material.append(np.full(len(hair.triangles), int(HAIR)))
        extra.append(hair.points)
        extra_rest.append(hair.rest)
        follow.append(hair.follow)
    face = (head.mean[:, 2] < -0.2) & (np.abs(head.mean[:, 1]) < 0.345)
    low, high = neutral[face, 1].min(), neutral[face, 1].max()
    top = float(np.concatenate([neutral, *extra])[:, 1].min())
    units = max(float(high - low) / FACE_SHARE, (float(high) - top) / (CHIN_AT - 0.02))
    return Person(
        head,
        actor,
        np.concatenate(triangles).astype(np.int32),
        np.concatenate(material).astype(np.int32),
        np.concatenate([np.column_stack([head.mean, inside]), *extra_rest]).astype(np.float32),
        np.concatenate(extra).astype(np.float32),
        np.concatenate(follow).astype(np.float32),
        np.array([0.0, high - (CHIN_AT - 0.5) * units]),
        units,
    )
