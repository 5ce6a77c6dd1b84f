from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from spfem.errors import SettingsError
from spfem.scales import SCALES, load_scale
from spfem.settings import EMOTIONS


def test_emotions_are_the_seven_in_published_order():
    assert EMOTIONS == ("neutral", "angry", "disgusted", "fear", "happy", "sad", "surprised")


@pytest.mark.parametrize("name", SCALES)
def test_scales_are_frozen_and_named(name):
    scale = load_scale(name)
    assert scale.name == name
    with pytest.raises(FrozenInstanceError):
        scale.name = "other"
    assert all(
        getattr(scale, item.name).__dataclass_params__.frozen
        for item in fields(scale)
        if is_dataclass(getattr(scale, item.name))
    )


def test_paper_has_the_published_sizes():
    scale = load_scale("paper")
    assert scale.spatial.image_size == 224
    assert scale.spatial.blocks == (3, 4, 14, 3)
    assert scale.spatial.centres == (32, 16, 8, 4)
    assert scale.renderer.width == 64
    assert scale.renderer.image_size == 256


def test_unknown_scale_is_an_error_that_lists_the_known_ones():
    with pytest.raises(SettingsError, match="smoke, demo, full, paper"):
        load_scale("big")
