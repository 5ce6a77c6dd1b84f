"""Donors: what chosen frames of the clip show of one opening, made ready to be looked up.

The edges of the frame: windows beyond them, and what they cut off.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from spfem.edit.moving.anchoring import AnchoredMesh, TrackedCodes, take_codes
from spfem.head.model import EYE, LOWER_TEETH, MOUTH_CAVITY, SKIN, TONGUE, UPPER_TEETH
from spfem.head.raster import rasterise
from spfem.renderer.openings import Donors
from spfem.renderer.warp import spline_coefficients


def cut_window(frame: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    """The window (height, width, 3) of a frame (H, W, 3) at x, y; its border is repeated beyond."""
    high, wide = frame.shape[:2]
    if x >= 0 and y >= 0 and x + width <= wide and y + height <= high:
        return frame[y : y + height, x : x + width]
    rows = np.clip(np.arange(y, y + height), 0, high - 1)
    columns = np.clip(np.arange(x, x + width), 0, wide - 1)
    return frame[rows[:, None], columns]


def laid_back(frame: np.ndarray, window: np.ndarray, x: int, y: int) -> np.ndarray:
    """The frame (H, W, 3) with a window (h, w, 3) at x, y, which may lie partly outside."""
    high, wide = frame.shape[:2]
    height, width = window.shape[:2]
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + height, high), min(x + width, wide)
    if bottom <= top or right <= left:
        return frame
    made = frame.copy()
    made[top:bottom, left:right] = window[top - y : bottom - y, left - x : right - x]
    return made


def hold_at_edges(
    source: torch.Tensor, edited: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    """Edited vertices (B, U, 3) that bring nothing into the frame that lies beyond its edges.

    A shift away from an edge begins with nothing on it and grows to the whole within twice the
    largest one, so that nothing folds and no border pixel is drawn out.

    Args:
        source: (B, U, 3) vertices as fitted, frame pixels.
        edited: (B, U, 3) likewise.
        height: of the frame, pixels.
        width: of the frame, pixels.
    """
    shift = (edited - source)[..., :2]
    size = source.new_tensor([width, height])
    inward = torch.where(shift > 0, source[..., :2], size - source[..., :2])
    largest = shift.abs().amax(1, keepdim=True)
    share = (inward / (2 * largest).clamp(min=1e-6)).clamp(0, 1)
    held = torch.where(share < 1, source[..., :2] + shift * share, edited[..., :2])
    return torch.cat([held, edited[..., 2:]], -1)


PADDING = 0.03  # head units around the opening's rim
LEAST_PIXELS = 30  # of a region, from which its colour is believed
SKIN_BRIGHTNESS = 170.0  # of the face that the colours below belong to
UNSEEN = {
    EYE: (205, 195, 190),
    MOUTH_CAVITY: (52, 22, 22),
    TONGUE: (150, 78, 76),
    UPPER_TEETH: (196, 186, 172),
    LOWER_TEETH: (196, 186, 172),
}
"""Colour of each region where a clip never shows it."""


class OpeningGatherer:
    """Collects the donors of one opening while the clip's frames pass by.

    Args:
        mesh: of the face.
        track: of the clip.
        layer: of the opening.
        frames: (K,) sorted indices of the donors.
    """

    def __init__(self, mesh: AnchoredMesh, track: TrackedCodes, layer: int, frames: np.ndarray):
        self.mesh, self.layer, self.frames = mesh, layer, frames
        part = take_codes(track, frames)
        points = mesh.vertices(part, part.expression, mesh.corrections(part)).numpy()
        pad = PADDING * float(np.max(part.scale))
        rim = points[:, mesh.rims[layer], :2]
        self.low = np.floor(rim.min(1) - pad).astype(int)
        size = np.ceil((rim.max(1) + pad - self.low).max(0)).astype(int)
        self.width, self.height = (int(side) for side in size)
        points[..., :2] -= self.low[:, None]
        self.points, self.units = points, part.scale
        self.pictures = np.zeros((len(frames), self.height, self.width, 3), np.uint8)

    def offer(self, index: int, frame: np.ndarray) -> None:
        """Take what is needed of frame `index` (H, W, 3)."""
        place = place_of(index, self.frames)
        if place is not None:
            x, y = self.low[place]
            self.pictures[place] = cut_window(frame, x, y, self.width, self.height)

    def finish(self) -> Donors:
        """Work out where each donor shows the opening."""
        triangles = torch.from_numpy(self.mesh.mesh.triangles)
        points = torch.from_numpy(self.points.astype(np.float32)).contiguous()
        raster = rasterise(points, triangles, self.height, self.width)
        face = raster.face.numpy()
        layers = np.where(face >= 0, self.mesh.layers[face], -2)
        regions = np.where(face >= 0, self.mesh.mesh.region[face], -1)
        shown = np.zeros(layers.shape, np.float32)
        cores = np.zeros(layers.shape, bool)
        settings = self.mesh.settings
        for place, (layer, unit) in enumerate(zip(layers, self.units, strict=True)):
            inside = (layer == self.layer).astype(np.uint8)
            cores[place] = cv2.distanceTransform(inside, cv2.DIST_L2, 3) > settings.rim * unit
            if cores[place].any():
                outside = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3)
                margin = max(settings.unseen_margin * unit, 1.0)
                shown[place] = np.clip(2 - outside / margin, 0, 1)
        return Donors(
            spline_coefficients(torch.from_numpy(self.pictures).permute(0, 3, 1, 2).float()),
            points,
            torch.from_numpy(shown)[:, None],
            torch.from_numpy(_palette(self.pictures, regions, layers, cores)),
        )


def place_of(index: int, frames: np.ndarray) -> int | None:
    """Where frame `index` stands among sorted frames (K,); None where it is not one of them."""
    place = int(np.searchsorted(frames, index))
    return place if place < len(frames) and frames[place] == index else None


def _palette(
    pictures: np.ndarray, regions: np.ndarray, layers: np.ndarray, cores: np.ndarray
) -> np.ndarray:
    """Colours (7, 3) of the mesh's regions: as the donors show them, else fixed ones.

    A fixed colour is as bright as the face. Of what is seen the brighter half counts, without the
    brightest, since the edges lie in shadow and wet places shine.
    """
    skin = pictures[layers == -1]
    bright = float(skin.mean()) if len(skin) else SKIN_BRIGHTNESS
    palette = np.zeros((7, 3), np.float32)
    palette[SKIN] = skin.mean(0) if len(skin) else 0
    for region, colour in UNSEEN.items():
        palette[region] = np.array(colour) * bright / SKIN_BRIGHTNESS
        seen = pictures[cores & (regions == region)].astype(np.float32)
        if len(seen) >= LEAST_PIXELS:
            order = np.argsort(seen.sum(1))
            part = order[int(0.55 * len(order)) : int(0.85 * len(order)) + 1]
            palette[region] = seen[part].mean(0)
    return np.clip(palette, 0, 255)
