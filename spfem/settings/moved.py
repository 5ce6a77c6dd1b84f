"""Defaults of the renderer that moves pixels."""

from __future__ import annotations

from dataclasses import dataclass

SKIN_LAYER, MOUTH, RIGHT_EYE, LEFT_EYE = -1, 0, 1, 2
"""Layers of the mesh: the skin and the inside of its three openings."""


@dataclass(frozen=True)
class MovedSettings:
    """How far pixels may move, and what shows the inside of mouth and eyes.

    Lengths are in head units (230 mm, about a head's height) unless said otherwise.
    """

    field_size: int = 128  # samples across the window on which the displacement is found, at most
    opening_samples: int = 2  # per pixel side, on the edges of mouth and eyes
    reach: float = 0.30  # outside the face, where the displacement has faded to zero
    least_reach: float = 0.02
    reach_per_shift: float = 3.0  # the fade's length per shift, so that nothing folds
    hidden_depth: float = 0.02  # behind the nearest surface of the source, where it is not seen
    rim: float = 0.010  # of an opening, which moves with its edge, against double edges
    unseen_margin: float = 0.005  # beyond what the source shows, where a donor begins
    least_area: float = 0.65  # of an eye: source area per edited area, below which a donor begins
    largest_stretch: float = 1.5  # of the mouth's inside, edited height per shown height
    least_height: float = 0.004  # of a mouth, below which it counts as closed
    landmark_reach: float = 0.022  # of a landmark's residual on the mesh
    iris_reach: float = 0.03
    largest_residual: float = 0.04  # of a landmark; beyond it the tracker erred
    donors: int = 32  # frames kept to show the inside of mouth and eyes
    donor_switch: float = 0.02  # cost of taking another donor
    cross_fade_seconds: float = 0.16  # of two donors
