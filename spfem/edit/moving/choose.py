"""Which frames of a clip show the inside of mouth and eyes for the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LESS_OPEN = 4.0  # cost of a donor that is less open, per head unit
OWN_FIRST = 1e-4  # advantage of the frame itself over a donor that is as good, head units
TURNED = 0.1  # cost of a donor whose head is turned otherwise, per radian


def opening_shapes(marks: np.ndarray, edge: tuple[int, ...]) -> np.ndarray:
    """Places (T, N, 2) of an opening's landmarks on a frontal head, from marks (T, 478, 3)."""
    return marks[:, list(edge), :2]


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

    Args:
        shapes: (T, N, 2) of every frame, head units.
        usable: (U,) indices of frames that may be taken.
        count: at most.

    Returns:
        Sorted indices.
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
    """Two donors a frame, and the weights of the frame itself and of them.

    Args:
        path: (T,) donor of each frame, or `own` for the frame itself.
        own: the value that means the frame itself.
        frames: how many a change takes.

    Returns:
        (T, 2) donors, and (T, 3) weights that sum to 1.
    """
    frames_of = np.zeros((len(path), own + 1), np.float32)
    frames_of[np.arange(len(path)), path] = 1
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
