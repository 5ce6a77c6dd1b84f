"""Settings: bad values are refused by name, scales are what they say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import pytest

from spfem.errors import SettingsError
from spfem.methods import BASES, METHODS
from spfem.scales import SCALES, load_scale
from spfem.settings import (
    EMOTIONS,
    CorpusSettings,
    CrossModalSettings,
    LipSyncSettings,
    SpatialSettings,
    TemporalSettings,
)


def test_emotions_are_the_seven_in_published_order():
    assert EMOTIONS == ("neutral", "angry", "disgusted", "fear", "happy", "sad", "surprised")


@pytest.mark.parametrize("name", SCALES)
def test_scales_are_frozen_and_named(name):
    scale = load_scale(name)
    assert scale.name == name
    with pytest.raises(FrozenInstanceError):
        scale.name = "other"
    parts = [getattr(scale, item.name) for item in fields(scale)]
    assert all(part.__dataclass_params__.frozen for part in parts if is_dataclass(part))


def test_paper_has_the_published_sizes():
    scale = load_scale("paper")
    assert scale.spatial.image_size == 224
    assert scale.spatial.blocks == (3, 4, 14, 3)
    assert scale.spatial.centres == (32, 16, 8, 4)
    assert (scale.renderer.width, scale.renderer.image_size) == (64, 256)


def test_unknown_scale_is_an_error_that_lists_the_known_ones():
    with pytest.raises(SettingsError, match="smoke, demo, full, paper"):
        load_scale("big")


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (CorpusSettings, {"counterparts": "none"}, "'edited'; found counterparts='none'"),
        (SpatialSettings, {"widths": ()}, "one entry a level; found widths="),
        (SpatialSettings, {"widths": (4, 4, 4, 6)}, r"multiples of 4 .*; found widths="),
        (SpatialSettings, {"centres": (2, 2, 2, 1)}, "centres are at least 2"),
        (SpatialSettings, {"speech_moments": 0}, "found speech_moments=0"),
        (
            SpatialSettings,
            {"speech_weight": 1.0, "batch_size": 6},
            "multiple of speech_moments; found batch_size=6, speech_moments=4",
        ),
        (SpatialSettings, {"compat": "paper+x"}, "out of scalar_weight, .*compat='paper.x'"),
        (TemporalSettings, {"formulation": "cm", "adaptive": True}, "no released arithmetic"),
        (TemporalSettings, {"window_frames": 1}, "found window_frames=1"),
        (TemporalSettings, {"places": (2, 2)}, r"places are 4, .* found places=\(2, 2\)"),
        (CrossModalSettings, {"mode": "l1"}, "'cosine'; found mode='l1'"),
        (CrossModalSettings, {"heads": 3}, "multiple of heads; found embedding=128, heads=3"),
        (CrossModalSettings, {"fps": 0}, "found sample_rate=16000, fps=0"),
        (CrossModalSettings, {"temperature": 0.0}, "above 0; found temperature=0.0"),
        (LipSyncSettings, {"crop_size": 12}, "multiple of 8; found crop_size=12"),
        (LipSyncSettings, {"clips": 1, "moments": 1}, "2 or more; found clips=1, moments=1"),
    ],
)
def test_values_of_which_nothing_can_be_made_are_refused_by_name(kind, values, message):
    kind()
    with pytest.raises(SettingsError, match=message):
        kind(**values)


def test_released_behaviours_are_switched_on_alone_together_and_all():
    assert not SpatialSettings().released("scalar_weight")
    some = SpatialSettings(compat="scalar_weight+weight_gradient")
    assert some.released("scalar_weight")
    assert not some.released("wrapping_region")
    assert SpatialSettings(compat="upstream").released("wrapping_region")
    with pytest.raises(SettingsError, match="'misspelt' is no released behaviour"):
        some.released("misspelt")


@pytest.mark.parametrize("name", SCALES)
def test_every_edit_comes_round_on_both_bases(name):
    scale = load_scale(name)
    assert scale.evaluation.edit_share <= len(scale.seeds_of("moved"))
    assert scale.ned_base.edit_share <= len(scale.seeds_of("ned"))
    for base in BASES:
        for method in scale.methods_of(base):
            assert base in METHODS[method].bases
        assert scale.methods_of(base)[0] == "ned"  # what all others are compared with


def test_seeds_take_the_metrics_in_turn():
    scale = replace(load_scale("full"), metric_seeds=(0, 1, 2))
    assert [scale.metric_seed(seed) for seed in range(5)] == [0, 1, 2, 0, 1]
