from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from spfem.explore import Selection
from spfem.explore.export import export_view, name_of, numbers_of
from tests.browser.made_up import make_explorer


@pytest.fixture(scope="module")
def explorer():
    return make_explorer()


def test_figure_and_numbers_carry_the_settings_that_make_them_again(explorer, tmp_path):
    explorer.choose(frame=3, row=2, column=5, threshold=0.1, temperature=0.2)
    view = explorer.view()
    png, pdf, numbers = explorer.export(tmp_path)
    with Image.open(png) as picture:
        settings = json.loads(picture.text["spfem-settings"])
        assert picture.text["Description"] == view.text
    assert Selection(**settings) == explorer.selection
    assert pdf.read_bytes().startswith(b"%PDF")
    assert b"mismatch_frames" in pdf.read_bytes()
    stored = json.loads(numbers.read_text("utf-8"))
    assert Selection(**stored["settings"]) == explorer.selection
    assert stored["shown"]["text"] == view.text
    found = np.array(stored["shown"]["matched"], float)
    assert np.allclose(found, view.matched, equal_nan=True, atol=1e-5)
    explorer.choose(frame=0, row=4, temperature=None)
    explorer.choose(**settings)
    assert np.array_equal(explorer.view().matched, view.matched, equal_nan=True)


def test_the_same_view_gives_the_same_bytes(explorer, tmp_path):
    view = explorer.view()
    first, second = (export_view(view, tmp_path / name) for name in "ab")
    assert [p.name for p in first] == [p.name for p in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))
    assert len(list((tmp_path / "a").iterdir())) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"frame": 1},
        {"mismatch_frames": 2},
        {"metric": "raw"},
        {"level": 1},
        {"row": 9},
        {"column": 9},
        {"temperature": 0.3},
        {"threshold": 0.5},
        {"show_weights": True},
        {"second_emotion": "sad"},
    ],
)
def test_another_selection_is_another_file(change):
    chosen = Selection("a corpus/x", "M001", "s1", "neutral", "happy", 0, 3, "spatial", 0, 2, 2)
    names = name_of(chosen), name_of(replace(chosen, **change))
    assert names[0] != names[1]
    assert all("/" not in name and " " not in name for name in names)


def test_numbers_of_a_metric_without_places_are_plain(explorer):
    view = explorer.view()
    blank = dict.fromkeys(("within", "matched", "mismatched", "weights"))
    sound = np.full(view.moments.shape, np.nan)
    without = replace(view, has_places=False, moments_of_sound=sound, **blank)
    numbers = numbers_of(without)
    json.dumps([numbers, asdict(without.selection)], allow_nan=False)
    assert numbers["matched_at_place"] is None
    assert numbers["moments_of_sound"][0][0] is None
