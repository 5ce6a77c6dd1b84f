"""The geometry of one actor: head, cloth and hair as one mesh, posed for each frame.

Hair is a shell over the scalp, and for long styles a curtain hanging from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.head.model import SKIN, TONGUE, UPPER_TEETH, HeadModel
from spfem.studio.cast import Actor, Appearance, smooth
from spfem.studio.kernels import HAIR, NECK

AXIS_DEPTH = -0.03  # z of the vertical axis about which azimuths turn, head units
PART = -0.075  # rest x of the parting
FACE_SHARE = 0.56  # of the frame's height, hairline to chin
CHIN_AT = 0.84  # of the frame's height
SKIRT_LENGTH = 0.6  # of the cloth below the shoulders, head units
SHOULDER_FOLLOW = 0.35  # of the head's shift that the shoulders make
_AZIMUTH = np.radians([0, 22, 40, 54, 66, 76, 84, 95, 112, 135, 180])
_LINE = np.array(
    [-0.345, -0.345, -0.300, -0.225, -0.110, -0.010, -0.060, -0.165, -0.03, 0.15, 0.20]
)
_RECEDED = np.array([-0.06, -0.16, -0.19, -0.12, -0.02, 0, 0, 0, 0, 0, 0])
_FRINGE = np.array([0.115, 0.110, 0.085, 0.05, 0.01, 0, 0, 0, 0, 0, 0])


@dataclass(frozen=True)
class _Style:
    thickness: float  # head units
    roughness: float  # of the outline, relative to the thickness
    curtain: float | None = None  # y at which hanging hair ends
    fringe: bool = False
    ball: bool = False  # a bun
    parted: bool = False


_STYLES = {
    "short": _Style(0.028, 0.25),
    "parted": _Style(0.055, 0.15, parted=True),
    "curly": _Style(0.075, 0.20),
    "afro": _Style(0.150, 0.12),
    "long": _Style(0.050, 0.10, curtain=0.80, parted=True),
    "bob": _Style(0.055, 0.08, curtain=0.27, parted=True),
    "fringe": _Style(0.050, 0.08, curtain=0.80, fringe=True),
    "curls": _Style(0.080, 0.16, curtain=0.42),
    "bun": _Style(0.022, 0.10, ball=True),
}


def hairline_distance(rest: np.ndarray, appearance: Appearance) -> np.ndarray:
    """Signed distance (V,) of rest places (V, 3) inside the hairline, head units."""
    line = _LINE + appearance.recession * _RECEDED
    style = _STYLES.get(appearance.hair_style)
    if style is not None and style.fringe:
        line = line + _FRINGE
    generator = np.random.default_rng([appearance.seed, 5])
    swept = 0.0 * rest[:, 0]
    if style is not None and style.parted:
        swept = -0.06 * np.exp(-(((rest[:, 0] - PART) / 0.07) ** 2))
        swept = swept + 0.05 * np.exp(-(((np.abs(rest[:, 0]) - 0.24) / 0.06) ** 2))
        swept = swept * (rest[:, 2] < -0.1)
    phase = generator.uniform(0, 6, 3)
    # From the front around the vertical axis, 0 to pi, left and right alike.
    azimuth = np.arctan2(np.abs(rest[:, 0]), -(rest[:, 2] - AXIS_DEPTH))
    wave = 0.008 * np.sin(azimuth * 9 + phase[0] + np.sign(rest[:, 0]))
    distance = np.interp(azimuth, _AZIMUTH, line) + swept + wave - rest[:, 1]
    ear = (np.abs(rest[:, 0]) > 0.285) & (rest[:, 1] > -0.165) & (rest[:, 1] < 0.1)
    ear &= (rest[:, 2] > -0.12) & (rest[:, 2] < 0.10)
    return np.where(ear, -0.05, distance)


def _vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, triangles[:, k], np.cross(b - a, c - a))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class Hair:
    """Hair of one person at rest."""

    points: np.ndarray  # (N, 3) places, head units
    rest: np.ndarray  # (N, 4) rest places for shading and distance inside the hairline
    triangles: np.ndarray  # (M, 3) indices into `points`
    follow: np.ndarray  # (N,) how much a point follows the head's rotation


def _shell(head: HeadModel, points: np.ndarray, appearance: Appearance, style: _Style) -> Hair:
    skin = head.triangles[head.region == SKIN]
    distance = hairline_distance(head.mean, appearance)
    kept = skin[(distance[skin] > -0.03).all(1) & (head.mean[skin][..., 1] < 0.3).all(1)]
    used, corners = np.unique(kept, return_inverse=True)
    triangles = corners.reshape(kept.shape)
    normals = _vertex_normals(points, skin)[used]
    rest, inside = head.mean[used], distance[used]
    generator = np.random.default_rng([appearance.seed, 6])
    bumps = generator.normal(size=len(used)).clip(-1.5, 1.5) * style.roughness
    groove = 0.30 if style.parted else 0.0
    lift = 1 - groove * np.exp(-(((rest[:, 0] - PART) / 0.03) ** 2))
    above = smooth(-0.15, -0.50, rest[:, 1])
    amount = style.thickness * (0.62 + 0.38 * above) * lift * (1 + bumps)
    if style.thickness > 0.06:
        amount = amount * (1 - 0.8 * smooth(-0.12, 0.12, rest[:, 1]))  # trimmed at the nape
    amount = amount * smooth(-0.005, 0.075, inside) + 0.004 * smooth(-0.02, 0.0, inside) - 0.002
    return Hair(
        points[used] + normals * amount[:, None],
        np.column_stack([rest, inside]),
        triangles,
        np.ones(len(used)),
    )


def _grid_triangles(rows: int, columns: int) -> np.ndarray:
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
    return np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    )


def _curtain(
    head: HeadModel, points: np.ndarray, appearance: Appearance, style: _Style, end: float
) -> Hair:
    """Hanging hair: an elliptic wall around sides and back, open at the face."""
    generator = np.random.default_rng([appearance.seed, 8])
    skull = (head.mean[:, 1] > -0.40) & (head.mean[:, 1] < -0.18)  # above the ears
    ears = np.abs(
        points[(np.abs(head.mean[:, 1]) < 0.2) & (np.abs(head.mean[:, 0]) > 0.3), 0]
    ).max()
    half = max(np.abs(points[skull, 0]).max() + style.thickness * 0.95, ears + 0.012)
    back = points[skull, 2].max() + style.thickness * 0.9 - AXIS_DEPTH
    rows, columns = 28, 56
    y = np.linspace(-0.47, end, rows)[:, None]
    open_angle = np.radians(np.interp(y, [-0.47, -0.25, 0.05, 0.3, 0.8], [44, 54, 64, 66, 54]))
    t = np.linspace(0, 1, columns)[None]
    azimuth = open_angle + t * (2 * np.pi - 2 * open_angle)
    dome = np.sqrt(np.clip(1 - (np.clip(-0.22 - y, 0, None) / 0.42) ** 2, 0.0, 1))
    phase = generator.uniform(0, 6, 4)
    waves = 0.018 * np.sin(azimuth * 11 + 5 * y + phase[0]) * smooth(-0.2, 0.3, y)
    waves = waves + 0.012 * np.sin(y * 13 + azimuth * 3 + phase[1]) * smooth(-0.1, 0.2, y)
    if end < 0.4:
        shape = 1 + 0.10 * smooth(-0.2, 0.1, y) - 0.26 * smooth(end - 0.16, end + 0.02, y) ** 2
    else:
        shape = 1 + 0.07 * smooth(-0.2, 0.05, y) - 0.10 * smooth(0.1, 0.45, y)
    radius = dome * shape + waves
    front = np.where(np.cos(azimuth) > 0, half, back)  # the front half is rounder than the back
    x = half * radius * np.sin(azimuth)
    z = AXIS_DEPTH - front * radius * np.cos(azimuth)
    place = np.stack([x, np.broadcast_to(y, x.shape), z], -1).reshape(-1, 3)
    rest = np.column_stack([place, np.full(len(place), 0.2)])
    follow = np.broadcast_to(1 - 0.75 * smooth(0.1, 0.6, y), x.shape).ravel()
    return Hair(place, rest, _grid_triangles(rows, columns), follow)


def _bun(points: np.ndarray, head: HeadModel) -> Hair:
    """A knot of hair behind the crown."""
    crown = points[head.mean[:, 1].argmin()]
    rows, columns = 14, 24
    v, u = np.meshgrid(
        np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij"
    )
    ball = np.stack([np.sin(v) * np.cos(u), -np.cos(v), np.sin(v) * np.sin(u)], -1).reshape(-1, 3)
    ball = ball * np.array([0.125, 0.105, 0.12]) * (1 + 0.04 * np.sin(9 * u + 5 * v)).reshape(-1, 1)
    place = ball + np.array([0.0, crown[1] - 0.035, crown[2] + 0.12])
    rest = np.column_stack([ball * 2.0, np.full(len(place), 0.2)])
    return Hair(place, rest, _grid_triangles(rows, columns)[:, ::-1], np.ones(len(place)))


def grow_hair(head: HeadModel, points: np.ndarray, appearance: Appearance) -> list[Hair]:
    """Parts of the hair on a neutral head with vertices (V, 3); none for bald and shaved styles."""
    style = _STYLES.get(appearance.hair_style)
    if style is None:
        return []
    parts = [_shell(head, points, appearance, style)]
    if style.curtain is not None:
        parts.append(_curtain(head, points, appearance, style, style.curtain))
    if style.ball:
        parts.append(_bun(points, head))
    return parts


@dataclass(frozen=True)
class Person:
    """An actor's mesh."""

    head: HeadModel  # the head model
    actor: Actor  # who it is
    triangles: np.ndarray  # (F, 3) of head, cloth and hair
    material: np.ndarray  # (F,) region of the head model, or `HAIR`
    # (V + N, 4) rest place and distance inside the hairline, see `spfem.studio.kernels`
    rest: np.ndarray
    extra: np.ndarray  # (N, 3) cloth and hair at rest, head units
    follow: np.ndarray  # (V + N,) how much a vertex follows the head
    centre: np.ndarray  # (2,) head point, units, that neutral frames show at `anchor` of the frame
    units_per_frame: float  # frame height in head units

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
    for hair in grow_hair(head, neutral, actor.appearance):
        triangles.append(hair.triangles + len(head.mean) + sum(len(part) for part in extra))
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
