from __future__ import annotations

import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pytest

from spfem.evaluation.scores import METHODS
from spfem.plots import LOOKS, METHOD_LOOKS, SIMILARITY_COLOURS, look_of, new_figure, title_of


def lightness(colour):
    return np.dot(matplotlib.colors.to_rgb(colour), (0.2126, 0.7152, 0.0722))


def test_methods_are_told_apart_in_grey():
    greys = sorted(lightness(look.colour) for look in METHOD_LOOKS.values())
    assert np.diff(greys).min() > 0.04
    assert len({(look.marker, look.hatch) for look in LOOKS}) == len(LOOKS)


def test_every_row_of_the_results_has_its_own_look():
    assert tuple(METHOD_LOOKS) == METHODS
    for part in zip(*METHOD_LOOKS.values(), strict=True):  # colours, markers, lines, hatches
        assert len(set(part)) == len(METHODS)


def test_methods_are_told_apart_with_a_missing_cone():
    # Viénot, Brettel and Mollon (1999): linear colour as seen without L or without M cones.
    views = {
        "protan": ((0.1124, 0.8876, 0.0), (0.1124, 0.8876, 0.0), (0.004, -0.004, 1.0)),
        "deutan": ((0.2928, 0.7072, 0.0), (0.2928, 0.7072, 0.0), (-0.0223, 0.0223, 1.0)),
    }
    colours = np.array([matplotlib.colors.to_rgb(look.colour) for look in METHOD_LOOKS.values()])
    for matrix in views.values():
        seen = np.clip((colours**2.2) @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        gaps = np.linalg.norm(seen[:, None] - seen[None], axis=2)
        assert gaps[~np.eye(len(gaps), dtype=bool)].min() > 0.08


def test_titles_are_those_of_the_methods():
    assert title_of("ned+stccl_vd") == "NED + STCCL-VD"
    assert title_of("truth") == "truth"


def test_similarity_colours_rise_in_lightness():
    colours = matplotlib.colormaps[SIMILARITY_COLOURS](np.linspace(0, 1, 50))[:, :3]
    assert (np.diff([lightness(colour) for colour in colours]) > 0).all()


def test_figures_leave_no_state():
    figure, axes = new_figure(2, 3, sharey=True)
    assert axes.shape == (2, 3)
    assert figure.get_figwidth() == pytest.approx(7.2)
    assert plt.get_fignums() == []


def test_looks_of_methods_are_fixed():
    assert look_of("ned", 5) == METHOD_LOOKS["ned"]
    assert look_of("before", 7) == LOOKS[1]
