"""Heads drawn by the corpus' renderer, with the codes that they were drawn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from spfem.face.camera import rotation_matrix
from spfem.face.fit import HeadTrack
from spfem.head import load_head_model
from spfem.studio.cast import Appearance
from spfem.studio.render import Canvas

SIZE = 128


@dataclass(frozen=True)
class DrawnClip:
    """Frames and their exact codes.

    Attributes:
        frames: (T, H, W, 3) uint8.
        track: of the frames, as a tracker without error would give.
    """

    frames: np.ndarray
    track: HeadTrack


@lru_cache
def _canvas(size: int, scale: float) -> Canvas:
    head = load_head_model()
    rest = np.column_stack([head.mean, np.full(len(head.mean), -1.0)])
    return Canvas(head.triangles, head.region, rest, Appearance(), size, scale)


def units(count: int, **values: float | list[float]) -> np.ndarray:
    """Face units (T, E), named without their side, 0 where not named."""
    names = load_head_model().expression_names
    expression = np.zeros((count, len(names)), np.float32)
    for name, value in values.items():
        sides = [side for side in (name, f"{name}Left", f"{name}Right") if side in names]
        assert sides, name
        for side in sides:
            expression[:, names.index(side)] = value
    return expression


def draw_clip(
    expression: np.ndarray,
    *,
    turn: tuple[float, float, float] = (0, 0, 0),
    centre: tuple[float, float] = (0.5, 0.53),
    scale: float = 0.8,
    size: int = SIZE,
) -> DrawnClip:
    """Draw a bald head with face units (T, E).

    Args:
        expression: face units.
        turn: axis-angle, radians.
        centre: of the head, per side of the frame.
        scale: head unit per side of the frame.
        size: side of the frame, pixels.
    """
    head = load_head_model()
    count, unit = len(expression), scale * size
    identity = np.zeros(len(head.identity_basis), np.float32)
    rotation = np.tile(np.float32(turn), (count, 1))
    place = np.array([centre[0] * size, centre[1] * size])
    camera = rotation_matrix(torch.from_numpy(rotation[:1]))[0].numpy().T * unit
    points = head.vertices(identity, expression) @ camera + np.append(place, 0)
    track = HeadTrack(
        landmarks=head.landmarks(points).astype(np.float32),
        blendshapes=np.zeros((count, 51), np.float32),
        found=np.ones(count, bool),
        frame_size=(size, size),
        identity=identity,
        expression=expression,
        rotation=rotation,
        scale=np.full(count, unit, np.float32),
        translation=np.tile(place.astype(np.float32), (count, 1)),
        reprojection_error=np.zeros(count, np.float32),
        fps=25.0,
        align=np.tile(np.eye(2, 3, dtype=np.float32), (count, 1, 1)),
    )
    return DrawnClip(_canvas(size, unit).draw(points.astype(np.float32)), track)


def speaking(count: int = 5, **words) -> DrawnClip:
    """A head whose mouth opens from closed to wide."""
    return draw_clip(units(count, jawOpen=np.linspace(0, 0.4, count)), **words)


def lose(clip: DrawnClip, frames: list[int]) -> DrawnClip:
    """The same, the face not found in some frames."""
    found = clip.track.found.copy()
    found[frames] = False
    return replace(clip, track=replace(clip.track, found=found))
