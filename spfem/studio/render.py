"""Draws people: whole clips of actors, and plain portraits of the head model."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import warp as wp

from spfem.head.model import HeadModel, load_head_model
from spfem.head.raster import start_warp
from spfem.settings import CorpusSettings
from spfem.studio.cast import CLOTHES, Actor, Appearance, hair_tones, linear
from spfem.studio.kernels import draw, find_normals, find_visible
from spfem.studio.materials import PersonLook
from spfem.studio.mesh import Person, make_person, rotation_matrices
from spfem.studio.motion import Motion
from spfem.studio.paint import HALF, SIDE, paint_face

CHUNK_FRAMES = 32  # frames a launch, which bounds memory
CHART_DENSITY = 1.6  # texels of the chart per frame pixel


_STRANDS = {  # strand frequency, stretch along the strand, shine
    "curly": (26.0, 1.3, 0.35),
    "curls": (26.0, 1.0, 0.45),
    "afro": (42.0, 1.5, 0.12),
    "long": (34.0, 0.10, 1.0),
    "fringe": (34.0, 0.10, 1.0),
    "bob": (34.0, 0.10, 1.1),
    "bun": (30.0, 0.35, 0.9),
    "parted": (32.0, 0.30, 0.8),
}


def person_look(appearance: Appearance) -> PersonLook:
    """The kernel's numbers for `appearance`."""
    look = PersonLook()
    dark, bright = hair_tones(appearance)
    look.skin = linear(appearance.skin).tolist()
    look.iris = linear(appearance.iris).tolist()
    lash = 0.5 * dark + 0.35 * (1 - appearance.lash) * linear(appearance.skin)
    look.lash = lash.tolist()
    look.hair, look.hair_light = dark.tolist(), bright.tolist()
    look.cloth = linear(appearance.cloth).tolist()
    look.cloth_second = linear(appearance.cloth_second).tolist()
    look.wall = (linear(appearance.wall) * 0.45).tolist()
    look.wall_light = (linear(appearance.wall) * 1.25).tolist()
    key = np.array([-0.46 if appearance.light_from_left else 0.46, -0.50, -0.74])
    look.key_light = (key / np.linalg.norm(key)).tolist()
    look.scalp_density = {"bald": 0.0, "shaved": 0.62}.get(appearance.hair_style, 0.92)
    frequency, stretch, shine = _STRANDS.get(appearance.hair_style, (38.0, 0.5, 0.5))
    look.strand_frequency, look.strand_stretch, look.hair_shine = frequency, stretch, 0.5 * shine
    look.part = -0.075 if appearance.hair_style in ("parted", "long", "bob") else 9.0
    look.neckline, look.neckline_slope = appearance.neckline, 0.30
    look.cloth_pattern = CLOTHES.index(appearance.clothes)
    look.oil = appearance.oil
    look.teeth = linear((0.93, 0.89, 0.81)).tolist()
    look.eye_white = linear((0.90, 0.87, 0.85)).tolist()
    look.grain, look.seed = 3.0, appearance.seed
    return look


class Canvas:
    """The unchanging arrays by which one person is drawn at one size.

    Args:
        triangles: (F, 3) int32.
        material: (F,) int32, a region of the head model or `kernels.HAIR`.
        rest: (V, 4) place on the mean head and signed distance inside the hairline.
        appearance: colours.
        size: side of the square frames, pixels.
        scale: pixels per head unit, which sets the chart's resolution.
        samples: per pixel side.
    """

    def __init__(
        self,
        triangles: np.ndarray,
        material: np.ndarray,
        rest: np.ndarray,
        appearance: Appearance,
        size: int,
        scale: float,
        samples: int = 2,
    ):
        start_warp()
        self.size, self.samples, self.device = size, samples, "cpu"
        side = int(np.clip(2 * HALF * scale * CHART_DENSITY, 64, SIDE))
        chart = cv2.resize(paint_face(appearance), (side, side), interpolation=cv2.INTER_AREA)
        self.look = person_look(appearance)
        order = np.argsort(triangles.ravel(), kind="stable")
        first = np.zeros(len(rest) + 1, np.int32)
        np.cumsum(np.bincount(triangles.ravel(), minlength=len(rest)), out=first[1:])

        def put(values: np.ndarray, kind: type) -> wp.array:
            return wp.array(values, dtype=kind, device=self.device)

        self.triangles = put(triangles.astype(np.int32), wp.int32)
        self.material = put(material.astype(np.int32), wp.int32)
        self.rest = put(rest.astype(np.float32), wp.vec4)
        self.first = put(first, wp.int32)
        self.faces = put((order // 3).astype(np.int32), wp.int32)
        self.chart = put(chart, wp.vec4)
        self._put = put

    def draw(self, points: np.ndarray) -> np.ndarray:
        """Frames uint8 (T, size, size, 3) RGB of vertices (T, V, 3) in pixels, z inwards."""
        frames, vertices = points.shape[:2]
        side = self.size * self.samples
        at = self._put(np.ascontiguousarray(points, np.float32), wp.vec3)
        normals = wp.empty((frames, vertices), dtype=wp.vec3, device=self.device)
        nothing = wp.uint64(0xFFFFFFFFFFFFFFFF)
        nearest = wp.full((frames, side, side), nothing, dtype=wp.uint64, device=self.device)
        image = wp.empty((frames, self.size, self.size, 3), dtype=wp.uint8, device=self.device)

        def launch(kernel: wp.Kernel, size: tuple[int, ...], *inputs: object) -> None:
            wp.launch(kernel, dim=size, inputs=inputs, device=self.device)

        mesh = self.triangles, self.material, self.rest
        launch(find_normals, (frames, vertices), at, mesh[0], self.first, self.faces, normals)
        launch(find_visible, (frames, len(self.triangles)), at, *mesh, self.samples, nearest)
        pixels = frames, self.size, self.size
        shown = nearest, at, normals, *mesh, self.chart, self.look, self.samples, image
        launch(draw, pixels, *shown)
        return image.numpy()


@lru_cache(maxsize=2)
def person_of(actor: Actor) -> Person:
    """The actor's mesh, kept while clips of the same actor follow each other."""
    return make_person(load_head_model(), actor)


@lru_cache(maxsize=2)
def _canvas_of(actor: Actor, frame_size: int, samples: int) -> Canvas:
    person = person_of(actor)
    return Canvas(
        person.triangles,
        person.material,
        person.rest,
        actor.appearance,
        frame_size,
        frame_size / person.units_per_frame,
        samples,
    )


def render_clip(actor: Actor, motion: Motion, settings: CorpusSettings) -> np.ndarray:
    """Draw all frames of a clip; the same arguments give the same bytes on one processor type.

    Returns:
        uint8 (T, size, size, 3) RGB with the settings' `frame_size`.
    """
    person = person_of(actor)
    canvas = _canvas_of(actor, settings.frame_size, settings.supersampling)
    rotation = rotation_matrices(motion.rotation)
    scale, translation = person.camera(settings.frame_size, motion.scale, motion.translation)
    chunks = []
    for start in range(0, len(scale), CHUNK_FRAMES):
        part = slice(start, start + CHUNK_FRAMES)
        points = person.points(
            motion.face_units[part],
            rotation[part],
            scale[part],
            translation[part],
            settings.frame_size,
        )
        chunks.append(canvas.draw(points))
    return np.concatenate(chunks)


def portrait(
    head: HeadModel,
    identity: np.ndarray,
    expression: np.ndarray,
    size: int,
    appearance: Appearance | None = None,
) -> np.ndarray:
    """Draw a bald head from the front, the mean head's chin and crown inside the frame.

    Pixels are `portrait_points` of the vertices.

    Args:
        head: the head model.
        identity: (I,) coefficients.
        expression: (E,) face units.
        size: side of the image, pixels.
        appearance: colours; the default person if None.

    Returns:
        uint8 (size, size, 3) RGB.
    """
    rest = np.column_stack([head.mean, np.full(len(head.mean), -1.0)])
    canvas = Canvas(head.triangles, head.region, rest, appearance or Appearance(), size, 0.8 * size)
    points = portrait_points(head.vertices(identity, expression), size)
    return canvas.draw(points[None])[0]


def portrait_points(vertices: np.ndarray, size: int) -> np.ndarray:
    """Places (..., V, 3) in pixels at which `portrait` draws vertices (..., V, 3)."""
    return vertices * (0.8 * size) + np.array([0.5 * size, 0.53 * size, 0.0])
