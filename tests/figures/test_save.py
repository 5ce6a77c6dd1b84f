from __future__ import annotations

import pandas as pd
import pytest
from PIL import Image

from spfem.figures.save import save_figure
from spfem.figures.style import new_figure
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


def test_a_palette_is_used_for_plots_only(tmp_path):
    plot = Image.open(save_figure(draw(False), tmp_path, "plot")[1])
    assert plot.mode == "P"
    assert plot.width == 1080
    gradient, axes = new_figure(height=2)
    axes[0, 0].imshow(make_face(), alpha=0.5)
    axes[0, 0].imshow([[i * j for i in range(60)] for j in range(60)], alpha=0.5, cmap="hsv")
    assert Image.open(save_figure(gradient, tmp_path, "gradient")[1]).mode == "RGB"


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(AttributeError):
        save_figure(object(), tmp_path, "plot")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
