from __future__ import annotations

import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pytest

from spfem.figures.style import LOOKS, METHOD_LOOKS, SIMILARITY_COLOURS, look_of, new_figure


def lightness(colour):
    return np.dot(matplotlib.colors.to_rgb(colour), (0.2126, 0.7152, 0.0722))


def test_methods_are_told_apart_in_grey():
    greys = sorted(lightness(look.colour) for look in METHOD_LOOKS.values())
    assert np.diff(greys).min() > 0.04
    assert len({(look.marker, look.hatch) for look in LOOKS}) == len(LOOKS)


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
