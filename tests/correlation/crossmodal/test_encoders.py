from __future__ import annotations

import pytest
import torch

from spfem.correlation.encoders import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    AudioEncoder,
    ExpressionEncoder,
    ImageEncoder,
)
from spfem.errors import SettingsError, ShapeError
from spfem.settings import CrossModalSettings

PAPER = CrossModalSettings()
NARROW = CrossModalSettings(width=16, image_width=16, embedding=32)


def parameter_count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("kind", "length", "places"), [(AudioEncoder, 533, 5), (ExpressionEncoder, 51, 4)]
)
def test_sequence_encoders_have_the_published_size(kind, length, places):
    encoder = kind(PAPER)
    assert parameter_count(encoder) == 2_923_200
    sequences = torch.randn(2, 1, length)
    assert encoder.encode(sequences).shape == (2, 512, places)
    embedding = encoder(sequences)
    assert embedding.shape == (2, 128)
    assert embedding.abs().max() < 1
    torch.testing.assert_close(embedding, encoder.project(encoder.encode(sequences)))


def test_images_are_normalised_from_the_common_range():
    encoder = ImageEncoder(NARROW).eval()
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    pixels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    expected = encoder.model((pixels / 255 - mean) / deviation)
    torch.testing.assert_close(encoder.encode(pixels / 127.5 - 1), expected)


def test_wrong_inputs_are_named():
    with pytest.raises(ShapeError, match="AudioEncoder takes"):
        AudioEncoder(NARROW)(torch.randn(2, 533))
    with pytest.raises(ShapeError, match="int64"):
        ExpressionEncoder(NARROW)(torch.ones(2, 1, 51, dtype=torch.int64))
    with pytest.raises(ShapeError, match="ImageEncoder takes"):
        ImageEncoder(NARROW)(torch.randn(2, 32, 32, 3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "l1"},
        {"consistency": "kl"},
        {"heads": 3},
        {"frames": 0},
        {"fps": 0},
        {"temperature": 0.0},
        {"compat": "accumulated_gradients+no_such"},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        CrossModalSettings(**wrong)
