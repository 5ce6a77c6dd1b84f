"""Series colours and colour maps as people see them who lack a cone."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import Colormap, to_rgb
from skimage.color import rgb2lab

from spfem.drawing import MATRIX_COLOURS
from spfem.interval_plots import WORSE_AND_BETTER
from spfem.plots import LOOKS, METHOD_LOOKS, SIMILARITY_COLOURS, STYLE, WEIGHT_COLOURS

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VIEWS = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
PALETTES = {"looks": LOOKS, "methods": tuple(METHOD_LOOKS.values())}
MAPS = (SIMILARITY_COLOURS, WEIGHT_COLOURS, MATRIX_COLOURS)
LEAST_DIFFERENCE = 12.0  # in CIELAB; 2.3 is just seen side by side, lines lie further apart


def _seen(colours, view):
    """CIELAB (N, 3) of colours (N, 3) in [0, 1]."""
    colours = np.asarray(colours, float)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ np.asarray(VIEWS[view]).T, 0, 1)
    back = np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return rgb2lab(back[None])[0]


def _map_of(name: str | Colormap) -> Colormap:
    return mpl.colormaps[name] if isinstance(name, str) else name


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("palette", PALETTES)
def test_series_stay_apart(palette, view):
    seen = _seen([to_rgb(look.colour) for look in PALETTES[palette]], view)
    gaps = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert gaps[~np.eye(len(gaps), dtype=bool)].min() > LEAST_DIFFERENCE


def test_the_bound_can_fail():
    red_and_green = [to_rgb("#c44e00"), to_rgb("#7a7a00")]
    first, second = _seen(red_and_green, "deuteranopia")
    wide, narrow = _seen(red_and_green, "all cones"), np.linalg.norm(first - second)
    assert narrow < LEAST_DIFFERENCE < np.linalg.norm(wide[0] - wide[1])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", MAPS)
def test_maps_rise_evenly_in_lightness(name, view):
    lightness = _seen(_map_of(name)(np.linspace(0, 1, 33))[:, :3], view)[:, 0]
    steps = np.diff(lightness)
    assert (steps > 0).all()
    if view == "all cones":
        assert steps.max() < 2.5 * np.median(steps)


@pytest.mark.parametrize("view", VIEWS)
def test_the_two_sides_of_a_difference_are_told_apart(view):
    seen = _seen(_map_of(WORSE_AND_BETTER)(np.linspace(0, 1, 33))[:, :3], view)
    assert (np.diff(seen[:17, 0]) > 0).all()
    assert (np.diff(seen[16:, 0]) < 0).all()
    assert np.linalg.norm(seen[0] - seen[-1]) > 30


@pytest.mark.parametrize("palette", PALETTES)
def test_series_differ_without_any_colour(palette):
    looks = PALETTES[palette]
    for part in ("marker", "line", "hatch"):
        assert len({getattr(look, part) for look in looks}) == len(looks)


def test_letters_of_the_style_can_be_read():
    sizes = [value for key, value in STYLE.items() if key.endswith(("size", "fontsize"))]
    assert sizes
    assert min(sizes) >= 7
