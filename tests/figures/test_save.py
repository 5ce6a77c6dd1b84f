from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from spfem.plots import PNG_DPI, WIDTH, _compact, new_figure, save_figure
from tests.figures.pictures import make_face


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
