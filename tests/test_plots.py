"""The look of all figures as everybody sees it, and their files."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image, ImageFilter
from skimage.color import rgb2lab

from spfem.evaluation.scores import METHODS
from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.plots import (
    LOOKS,
    METHOD_LOOKS,
    METRIC_LABELS,
    PNG_DPI,
    STYLE,
    WIDTH,
    Check,
    _compact,
    list_checks,
    look_of,
    new_figure,
    save_figure,
    title_of,
)

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VIEWS = {
    "all cones": np.eye(3).ravel(),
    "protanopia": (0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882,
                   -0.048116, 1.051998),
    "deuteranopia": (0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820,
                     0.042940, 0.968881),
    "tritanopia": (1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733,
                   0.691367, 0.303900),
}  # fmt: skip
PALETTES = {"looks": LOOKS, "methods": tuple(METHOD_LOOKS.values())}
REDS_AND_GREENS_ALIKE = ("deuteranopia", "protanopia")  # so that the bound can fail
LEAST_DIFFERENCE = 12.0  # in CIELAB; 2.3 is just seen side by side, lines lie further apart


def least_gap(colours, view):
    """The least CIELAB difference between colours as seen with the cones of a view."""
    colours = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ np.reshape(VIEWS[view], (3, 3)).T, 0, 1)
    back = np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    seen = rgb2lab(back[None])[0]
    gaps = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    return gaps[~np.eye(len(gaps), dtype=bool)].min()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("palette", PALETTES)
def test_series_stay_apart(palette, view):
    looks = PALETTES[palette]
    assert least_gap([look.colour for look in looks], view) > LEAST_DIFFERENCE
    red_and_green = least_gap(["#c44e00", "#7a7a00"], view)
    assert (red_and_green < LEAST_DIFFERENCE) == (
        view in ("deuteranopia", "protanopia")
    )  # the bound can fail
    for part in ("marker", "line", "hatch"):  # and without any colour
        assert len({getattr(look, part) for look in looks}) == len(looks)


def test_methods_and_metrics_have_their_own_looks_and_labels():
    assert tuple(METHOD_LOOKS) == METHODS
    assert (look_of("ned", 5), look_of("before", 7)) == (METHOD_LOOKS["ned"], LOOKS[1])
    assert (title_of("ned+stccl_vd"), title_of("truth")) == ("NED + STCCL-VD", "truth")
    assert set(METRIC_LABELS) == set(HIGHER_IS_BETTER)
    for metric, better in HIGHER_IS_BETTER.items():
        assert ("↑" if better else "↓") in METRIC_LABELS[metric], metric
    assert min(value for key, value in STYLE.items() if key.endswith("size")) >= 7


def draw():
    figure, axes = new_figure(height=2)
    axes[0, 0].plot([0, 1], [0, 1])
    return figure


def test_files_are_whole_and_reproducible(tmp_path):
    data = pd.DataFrame({"x": [1 / 3]})
    first = save_figure(draw(), tmp_path / "a", "deep/plot", data)
    second = save_figure(draw(), tmp_path / "b", "deep/plot", data)
    assert [path.suffix for path in first] == [".pdf", ".png", ".csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert pd.read_csv(first[2]).x[0] == 1 / 3
    assert len(list((tmp_path / "a" / "deep").iterdir())) == 3
    pdf, plot = first[0].read_bytes(), Image.open(first[1])
    assert (b"/CIDFontType2" in pdf or b"/TrueType" in pdf, b"/Type3" in pdf) == (True, False)
    assert (plot.mode, plot.width) == ("P", round(PNG_DPI * WIDTH))
    assert plt.get_fignums() == []
    with pytest.raises(AttributeError):
        save_figure(object(), tmp_path / "c", "plot")  # type: ignore[arg-type]
    assert not list((tmp_path / "c").glob("*"))  # a failure leaves nothing behind


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


def test_failed_checks_are_shown_like_the_others():
    table = list_checks(Check("one", "1", True), Check("two", "3", False))
    assert table.values.tolist() == [["one", "1", "yes"], ["two", "3", "NO"]]
