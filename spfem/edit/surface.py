"""The face's surface in a clip: where its mesh lies, how it is lit, and what is before it.

The mesh is held to the tracked landmarks; light and usual look come from frames of the clip.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from spfem.face.camera import rotation_matrix
from spfem.face.conditions import aligned_vertices
from spfem.face.fit import HeadTrack
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
from spfem.face.mesh import face_mesh
from spfem.head.model import EYE, SKIN, HeadModel
from spfem.head.raster import rasterise
from spfem.renderer.moved import MovedRenderer
from spfem.settings import LEFT_EYE as LEFT_LAYER
from spfem.settings import MOUTH as MOUTH_LAYER
from spfem.settings import RIGHT_EYE as RIGHT_LAYER
from spfem.settings import SKIN_LAYER, MovedSettings

PARTED_JAW = 0.6  # jaw opening that parts the lips and shows the mouth
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
ROUNDS = 5  # of reweighting
LEAST_BRIGHTNESS = 20.0  # grey levels, which keep ratios meaningful in deep shade
RATIOS = (0.75, 1.3)  # beyond which the mesh is trusted no more
FACING = -0.3  # z of a normal that looks towards the camera enough
NEIGHBOURHOOD = 0.06  # head units; what hides the face is at least this large
LEAST_DEVIATION = 35.0  # grey levels that skin may differ by
DEVIATIONS = 5.0  # of a place's own spread in the clip
FIRST, WHOLLY = 0.12, 0.35  # share of a neighbourhood that differs, from which it stays
FRAMES = 24  # looked at, evenly spread
INNER = 0.02  # head units inside the face's outline, where skin is skin


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
        parted = head.mean + PARTED_JAW * head.expression_basis[0]
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
        self.basis = torch.from_numpy(mesh.expression_basis).flatten(1)
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

    def renderer(self) -> MovedRenderer:
        """What moves the pixels of a frame along this mesh."""
        return MovedRenderer(
            torch.from_numpy(self.mesh.triangles),
            torch.from_numpy(self.layers),
            torch.from_numpy(self.mesh.region),
            torch.from_numpy(self.upper),
            rasterise,
            self.settings,
        )

    def marks(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """Landmarks (T, 478, 3) of the model in head units, not posed."""
        return (
            self.mark_mean
            + np.tensordot(identity, self.mark_identity, 1)
            + np.tensordot(expression, self.mark_expression, 1)
        ).astype(np.float32)

    def corrections(self, track: HeadTrack) -> np.ndarray:
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
        self, track: HeadTrack, expression: np.ndarray, corrections: np.ndarray
    ) -> torch.Tensor:
        """Vertices (T, U, 3) in frame pixels of face units (T, E), shifted by `corrections`."""
        upright = np.tile(np.eye(2, 3, dtype=np.float32), (len(expression), 1, 1))
        points = aligned_vertices(self.mesh, replace(track, align=upright), expression)
        points[..., :2] += torch.from_numpy(corrections)
        return points

    def shifts(self, track: HeadTrack, change: torch.Tensor) -> torch.Tensor:
        """What a change of face units (T, E) does to `vertices`: (T, U, 3) frame pixels.

        Exactly 0 where nothing changes; differentiable.
        """
        camera = rotation_matrix(torch.from_numpy(track.rotation))
        camera = camera * torch.from_numpy(track.scale)[:, None, None]
        moved = (change @ self.basis).unflatten(1, (-1, 3))
        return moved @ camera.to(moved.dtype).mT


def place_of(index: int, frames: np.ndarray) -> int | None:
    """Where frame `index` stands among sorted frames (K,); None where it is not one of them."""
    place = int(np.searchsorted(frames, index))
    return place if place < len(frames) and frames[place] == index else None


class NormalFinder:
    """Finds the normals of a mesh's vertices.

    Args:
        triangles: (G, 3).
        vertices: U, how many the mesh has.
    """

    def __init__(self, triangles: np.ndarray, vertices: int):
        self.triangles = triangles
        faces = np.repeat(np.arange(len(triangles)), 3)
        ones = np.ones(triangles.size, np.float32)
        self.touching = csr_array(
            (ones, (triangles.ravel(), faces)), shape=(vertices, len(triangles))
        )

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Unit normals (B, U, 3), area-weighted, of vertices (B, U, 3); 0 off the triangles."""
        first, second, third = (points[:, self.triangles[:, corner]] for corner in range(3))
        flat = np.cross(second - first, third - first)  # (B, G, 3)
        total = self.touching @ flat.transpose(1, 0, 2).reshape(flat.shape[1], -1)
        normals = total.reshape(-1, len(points), 3).transpose(1, 0, 2)
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)


def harmonics(normals: np.ndarray) -> np.ndarray:
    """The nine polynomials (..., 9) of second order of unit normals (..., 3).

    They hold all but about one percent of what a distant light does to a matte surface
    (Ramamoorthi and Hanrahan 2001).
    """
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)


def fit_light(normals: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Nine coefficients that give the brightness (N,) of places with normals (N, 3).

    Robust, since brows, lips and beard are no light: the sum of absolute differences is minimised
    by reweighting. A small ridge keeps directions that no place faces at zero; without places
    all are zero, with which `shading_ratio` is 1.
    """
    if not len(normals):
        return np.zeros(9)
    rows = harmonics(normals)
    ridge = 1e-3 * len(rows) * np.diag([0.0] + [1.0] * 8)
    weight = np.ones(len(rows))
    light = np.zeros(9)
    for _ in range(ROUNDS):
        system = (rows * weight[:, None]).T @ rows + ridge
        light = np.linalg.solve(system, (rows * weight[:, None]).T @ brightness)
        miss = np.abs(brightness - rows @ light)
        weight = 1 / np.maximum(miss, np.median(miss) + 1e-6)
        weight /= weight.max()
    return light


def shading_ratio(light: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Brightness after per brightness before (...,), for normals (..., 3) before and after."""
    bright = np.maximum(harmonics(after) @ light, LEAST_BRIGHTNESS)
    ratio = bright / np.maximum(harmonics(before) @ light, LEAST_BRIGHTNESS)
    return np.clip(ratio, *RATIOS).astype(np.float32)


def neighbourhoods(places: np.ndarray) -> csr_array:
    """Weights (U, U) that average over the vertices (U, 3) near each one."""
    pairs = KDTree(places).query_pairs(NEIGHBOURHOOD, output_type="ndarray")
    own = np.arange(len(places))
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], own])
    columns = np.concatenate([pairs[:, 1], pairs[:, 0], own])
    counts = np.bincount(rows, minlength=len(places))
    return csr_array((1 / counts[rows], (rows, columns)), shape=(len(places),) * 2)


class SkinAppearance:
    """What each place of the skin usually looks like in a clip.

    Args:
        colours: (K, U, 3) of the skin's vertices in some frames.
        near: see `neighbourhoods`.
    """

    def __init__(self, colours: np.ndarray, near: csr_array):
        self.near = near
        self.usual = np.median(colours, axis=0)
        even = self._even(colours)
        self.usual = np.median(even, axis=0)
        spread = np.median(np.abs(even - self.usual).max(-1), axis=0)
        self.allowed = LEAST_DEVIATION + DEVIATIONS * spread

    def hidden(self, colours: np.ndarray) -> np.ndarray:
        """How far (B, U), 0 to 1, something else is seen in place of the skin.

        A single place may be a wrinkle or a highlight; only whole neighbourhoods count.

        Args:
            colours: (B, U, 3) of the skin's vertices.
        """
        differs = np.abs(self._even(colours) - self.usual).max(-1) > self.allowed
        share = (self.near @ differs.T.astype(np.float32)).T
        step = np.clip((share - FIRST) / (WHOLLY - FIRST), 0, 1)
        return (step * step * (3 - 2 * step)).astype(np.float32)

    def _even(self, colours: np.ndarray) -> np.ndarray:
        """Colours as bright as usual, frame by frame: light and exposure hide nothing."""
        ratio = self.usual.sum(-1) / np.maximum(colours.sum(-1), 1)
        return colours * np.clip(np.median(ratio, axis=1), 0.5, 2)[:, None, None]


class SkinGatherer:
    """Collects the colours of the skin while the clip's frames pass by.

    Args:
        mesh: of the face.
        track: of the clip.
        usable: (N,) frames that show the face.
    """

    def __init__(self, mesh: AnchoredMesh, track: HeadTrack, usable: np.ndarray):
        self.mesh = mesh
        spread = np.unique(np.linspace(0, len(usable) - 1, FRAMES).round().astype(int))
        self.frames = usable[spread]
        part = track.take_frames(self.frames)
        self.points = mesh.vertices(part, part.expression, mesh.corrections(part)).numpy()
        inner = mesh.mesh
        triangles = inner.triangles[inner.region == SKIN]
        self.normals = NormalFinder(triangles, len(inner.mean))
        on_skin = np.zeros(len(inner.mean), bool)
        on_skin[triangles] = True
        self.vertices = np.flatnonzero(on_skin & (inner.extent > INNER))
        self.colours = np.zeros((len(self.frames), len(self.vertices), 3), np.float32)
        self.light = np.zeros(9)
        self.appearance: SkinAppearance | None = None

    def offer(self, index: int, frame: np.ndarray) -> None:
        """Take what is needed of frame `index` (H, W, 3)."""
        place = place_of(index, self.frames)
        if place is not None:
            self.colours[place] = colours_at(frame, self.points[place, self.vertices])

    def finish(self) -> None:
        """Work out the light and the usual look of the skin."""
        normals = self.normals(self.points)[:, self.vertices]
        facing = normals[..., 2] < FACING
        self.light = fit_light(normals[facing], self.colours.mean(-1)[facing])
        near = neighbourhoods(self.mesh.mesh.mean[self.vertices])
        self.appearance = SkinAppearance(self.colours, near)

    def surface(
        self, frames: list[np.ndarray], source: np.ndarray, edited: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Shading and what is held, each (B, U); see `spfem.renderer.moved.Surface`.

        Args:
            frames: B frames (H, W, 3).
            source: (B, U, 3) vertices in frame pixels.
            edited: (B, U, 3) likewise.
        """
        shading = np.ones(source.shape[:2], np.float32)
        held = np.zeros(source.shape[:2], np.float32)
        chosen = self.vertices
        before, after = (self.normals(points)[:, chosen] for points in (source, edited))
        shading[:, chosen] = shading_ratio(self.light, before, after)
        if self.appearance is not None:
            seen = map(colours_at, frames, source[:, chosen])
            held[:, chosen] = self.appearance.hidden(np.stack(list(seen)))
        return shading, held


def colours_at(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Colours (N, 3) float32 of a frame (H, W, 3) at places (N, 2 or 3) in its pixels."""
    maps = points[None, :, :2].astype(np.float32) - 0.5
    return cv2.remap(
        frame, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )[0].astype(np.float32)
