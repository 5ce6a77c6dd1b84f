"""What the clip tells about the skin: the light on it, and how it looks where nothing hides it."""

from __future__ import annotations

import cv2
import numpy as np

from spfem.edit.moving.anchoring import AnchoredMesh, TrackedCodes, take_codes
from spfem.edit.moving.gather import place_of
from spfem.edit.moving.light import FACING, NormalFinder, fit_light, shading_ratio
from spfem.edit.moving.occlusion import SkinAppearance, neighbourhoods
from spfem.head.model import SKIN

FRAMES = 24  # looked at, evenly spread
INNER = 0.02  # head units inside the face's outline, where skin is skin


class SkinGatherer:
    """Collects the colours of the skin while the clip's frames pass by.

    Args:
        mesh: of the face.
        track: of the clip.
        usable: (N,) frames that show the face.
    """

    def __init__(self, mesh: AnchoredMesh, track: TrackedCodes, usable: np.ndarray):
        self.mesh = mesh
        spread = np.unique(np.linspace(0, len(usable) - 1, FRAMES).round().astype(int))
        self.frames = usable[spread]
        part = take_codes(track, self.frames)
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
        before = self.normals(source)
        after = self.normals(edited)
        shading = np.ones(source.shape[:2], np.float32)
        held = np.zeros(source.shape[:2], np.float32)
        chosen = self.vertices
        shading[:, chosen] = shading_ratio(self.light, before[:, chosen], after[:, chosen])
        if self.appearance is not None:
            colours = [
                colours_at(frame, points)
                for frame, points in zip(frames, source[:, chosen], strict=True)
            ]
            held[:, chosen] = self.appearance.hidden(np.stack(colours))
        return shading, held


def colours_at(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Colours (N, 3) float32 of a frame (H, W, 3) at places (N, 2 or 3) in its pixels."""
    maps = points[None, :, :2].astype(np.float32) - 0.5
    return cv2.remap(
        frame, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )[0].astype(np.float32)
