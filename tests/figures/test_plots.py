"""The look of all figures as everybody sees it, and their files."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import Colormap, to_rgb
from PIL import Image, ImageFilter
from skimage.color import rgb2lab

from spfem.drawing import MATRIX_COLOURS
from spfem.evaluation.results_schema import HIGHER_IS_BETTER
from spfem.evaluation.scores import METHODS
from spfem.interval_plots import WORSE_AND_BETTER
from spfem.plots import (
    LOOKS,
    METHOD_LOOKS,
    METRIC_LABELS,
    PNG_DPI,
    SIMILARITY_COLOURS,
    STYLE,
    WEIGHT_COLOURS,
    WIDTH,
    Check,
    _compact,
    list_checks,
    look_of,
    new_figure,
    save_figure,
    title_of,
)
from tests.figures.pictures import make_face

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


def test_methods_have_their_own_looks_that_differ_in_grey():
    assert tuple(METHOD_LOOKS) == METHODS
    greys = [
        np.dot(to_rgb(look.colour), (0.2126, 0.7152, 0.0722)) for look in METHOD_LOOKS.values()
    ]
    assert np.diff(sorted(greys)).min() > 0.04
    assert look_of("ned", 5) == METHOD_LOOKS["ned"]
    assert look_of("before", 7) == LOOKS[1]
    assert (title_of("ned+stccl_vd"), title_of("truth")) == ("NED + STCCL-VD", "truth")


def test_figures_leave_no_state():
    figure, axes = new_figure(2, 3, sharey=True)
    assert axes.shape == (2, 3)
    assert figure.get_figwidth() == pytest.approx(7.2)
    assert plt.get_fignums() == []


def test_every_metric_has_a_label_with_its_direction():
    assert set(METRIC_LABELS) == set(HIGHER_IS_BETTER)
    for metric, better in HIGHER_IS_BETTER.items():
        assert ("↑" if better else "↓") in METRIC_LABELS[metric], metric


def draw(with_face: bool):
    figure, axes = new_figure(height=2)
    axes[0, 0].plot([0, 1], [0, 1])
    if with_face:
        axes[0, 0].imshow(make_face())
    return figure


def test_files_are_whole_and_reproducible(tmp_path):
    data = pd.DataFrame({"x": [1 / 3]})
    first = save_figure(draw(False), tmp_path / "a", "deep/plot", data)
    second = save_figure(draw(False), tmp_path / "b", "deep/plot", data)
    assert [path.suffix for path in first] == [".pdf", ".png", ".csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert pd.read_csv(first[2]).x[0] == 1 / 3
    assert len(list((tmp_path / "a" / "deep").iterdir())) == 3


def test_fonts_are_embedded_as_type_42(tmp_path):
    pdf = save_figure(draw(False), tmp_path, "plot")[0].read_bytes()
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_plots_get_a_palette_that_changes_nothing_visible(tmp_path):
    plot = Image.open(save_figure(draw(False), tmp_path, "plot")[1])
    assert plot.mode == "P"
    assert plot.width == round(PNG_DPI * WIDTH)


def test_large_pictures_are_dithered_so_that_their_mean_colours_stay():
    random = np.random.default_rng(0)
    smooth = np.kron(random.integers(90, 170, (9, 9, 3)), np.ones((100, 100, 1))).astype(np.uint8)
    picture = Image.fromarray(smooth).filter(ImageFilter.GaussianBlur(20))
    small = _compact(picture)
    assert small.mode == "P"
    means = [
        np.asarray(image.convert("RGB").filter(ImageFilter.BoxBlur(6)), float)
        for image in (picture, small)
    ]
    assert np.abs(means[0] - means[1])[8:-8, 8:-8].mean() < 3
    assert _compact(picture.resize((300, 300))).mode == "RGB"


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(AttributeError):
        save_figure(object(), tmp_path, "plot")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_failed_checks_are_shown_like_the_others():
    table = list_checks(Check("one", "1", True), Check("two", "3", False))
    assert table.claim.tolist() == ["one", "two"]
    assert table.found.tolist() == ["1", "3"]
    assert table.holds.tolist() == ["yes", "NO"]
