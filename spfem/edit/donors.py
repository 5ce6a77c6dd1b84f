"""Openings of the face: which frames show the inside of mouth and eyes for others, and what."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from spfem.edit.surface import AnchoredMesh, place_of
from spfem.face.fit import HeadTrack
from spfem.head.model import EYE, LOWER_TEETH, MOUTH_CAVITY, SKIN, TONGUE, UPPER_TEETH
from spfem.head.raster import rasterise
from spfem.renderer.openings import Donors
from spfem.renderer.warp import spline_coefficients

LESS_OPEN = 4.0  # cost of a donor that is less open, per head unit
OWN_FIRST = 1e-4  # advantage of the frame itself over a donor that is as good, head units
TURNED = 0.1  # cost of a donor whose head is turned otherwise, per radian
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


def opening_heights(shapes: np.ndarray, edge_count: int) -> np.ndarray:
    """How far openings (T, N, 2) are open, head units: mean height over the edge's width."""
    edge = shapes[:, :edge_count]
    following = np.roll(edge, -1, axis=1)
    area = 0.5 * np.abs(
        (edge[..., 0] * following[..., 1] - following[..., 0] * edge[..., 1]).sum(1)
    )
    return area / np.maximum(np.ptp(edge[..., 0], axis=1), 1e-6)


def choose_candidates(shapes: np.ndarray, usable: np.ndarray, count: int) -> np.ndarray:
    """At most `count` frames whose openings differ most: farthest points first, from the widest.

    Sorted indices among `usable` (U,), by shapes (T, N, 2) of every frame in head units.
    """
    if len(usable) <= count:
        return usable
    flat = shapes[usable].reshape(len(usable), -1)
    chosen = [int(np.argmax(np.ptp(shapes[usable, :, 1], axis=1)))]
    gap = np.linalg.norm(flat - flat[chosen[0]], axis=1)
    while len(chosen) < count and gap.max() > 0:  # equal frames show nothing more
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, np.linalg.norm(flat - flat[chosen[-1]], axis=1))
    return usable[np.sort(chosen)]


@dataclass(frozen=True)
class Openings:
    """One opening through a clip: as it is, as the edit wants it, and the frames that show it.

    Attributes:
        own: (T, N, 2) its landmarks in the clip, head units.
        wanted: (T, N, 2) its landmarks in the edit.
        turns: (T, 3) head rotations, radians.
        candidates: (K,) frames that may be donors.
        edge_count: how many of the N landmarks lie on the edge.
    """

    own: np.ndarray
    wanted: np.ndarray
    turns: np.ndarray
    candidates: np.ndarray
    edge_count: int


def donor_path(openings: Openings, switch: float, largest_stretch: float) -> np.ndarray:
    """For each frame what shows its opening (T,): a place in `candidates`, or K for the frame.

    Viterbi's path: looking like the edit against changing the donor.

    Args:
        openings: of the clip.
        switch: cost of a change, head units.
        largest_stretch: of the frame's own opening, up to which nothing else is looked for.
    """
    have, wanted = openings.own[openings.candidates], openings.wanted
    turns, count = openings.turns, openings.edge_count
    cost = np.sqrt(((wanted[:, None] - have[None]) ** 2).sum(-1).mean(-1))
    heights = opening_heights(wanted, count)
    cost += LESS_OPEN * np.maximum(heights[:, None] - opening_heights(have, count), 0)
    cost += TURNED * np.linalg.norm(turns[:, None] - turns[openings.candidates], axis=-1)
    # What the frame itself shows may be stretched; a donor of another shape would be as well.
    lacking = heights - largest_stretch * opening_heights(openings.own, count)
    itself = LESS_OPEN * np.maximum(lacking, 0) - OWN_FIRST
    return cheapest_path(np.concatenate([cost, itself[:, None]], 1), switch)


def stretches(openings: Openings, index: np.ndarray, largest: float, least: float) -> np.ndarray:
    """How far (T, 1 + J) the frame itself and its donors (T, J) are stretched; see `DonorChoice`.

    Stretching by a height ratio S is held to `largest`: slack = (1 - 1 / largest) / (1 - 1 / S).

    Args:
        openings: of the clip.
        index: (T, J) donors, places in `candidates`.
        largest: height ratio.
        least: height that a closed opening counts as, head units.
    """
    count = openings.edge_count
    own = opening_heights(openings.own, count)
    have = np.concatenate([own[:, None], own[openings.candidates[index]]], 1)
    ratio = (opening_heights(openings.wanted, count)[:, None] + least) / (have + least)
    over = np.maximum(1 - 1 / np.maximum(ratio, 1e-6), 1e-6)
    return np.where(ratio > largest, (1 - 1 / largest) / over, 1.0).astype(np.float32)


def cheapest_path(cost: np.ndarray, switch: float) -> np.ndarray:
    """Columns (T,) of costs (T, K) with the least sum, paying `switch` for each change."""
    total, back = cost[0].copy(), []
    for row in cost[1:]:
        best = int(total.argmin())
        stay = total <= total[best] + switch
        back.append(np.where(stay, np.arange(len(total)), best))
        total = np.where(stay, total, total[best] + switch) + row
    path = [int(total.argmin())]
    for step in back[::-1]:
        path.append(int(step[path[-1]]))
    return np.array(path[::-1])


def cross_fade(path: np.ndarray, own: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Two donors a frame (T, 2), and weights (T, 3) of the frame itself and of them, of sum 1.

    Args:
        path: (T,) donor of each frame, or `own` for the frame itself.
        own: the value that means the frame itself.
        frames: how many a change takes.
    """
    frames_of = np.eye(own + 1, dtype=np.float32)[path]
    width = 2 * (max(frames, 1) // 2) + 1
    reach = width // 2
    padded = np.pad(frames_of, ((reach, reach), (0, 0)), mode="edge")
    total = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    weights = (total[width:] - total[:-width]) / width
    itself, others = weights[:, own:], weights[:, :own]
    if own < 2:
        others = np.pad(others, ((0, 0), (0, 2 - own)))
    index = np.argsort(-others, axis=1, kind="stable")[:, :2]
    chosen = np.concatenate([itself, np.take_along_axis(others, index, 1)], 1)
    chosen /= chosen.sum(1, keepdims=True)
    return np.minimum(index, own - 1), chosen.astype(np.float32)


def cut_window(frame: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    """The window (height, width, 3) of a frame (H, W, 3) at x, y; its border is repeated beyond."""
    high, wide = frame.shape[:2]
    if x >= 0 and y >= 0 and x + width <= wide and y + height <= high:
        return frame[y : y + height, x : x + width]
    rows = np.clip(np.arange(y, y + height), 0, high - 1)
    columns = np.clip(np.arange(x, x + width), 0, wide - 1)
    return frame[rows[:, None], columns]


class OpeningGatherer:
    """Collects the donors of one opening while the clip's frames pass by.

    Args:
        mesh: of the face.
        track: of the clip.
        layer: of the opening.
        frames: (K,) sorted indices of the donors.
    """

    def __init__(self, mesh: AnchoredMesh, track: HeadTrack, layer: int, frames: np.ndarray):
        self.mesh, self.layer, self.frames = mesh, layer, frames
        part = track.take_frames(frames)
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
