from __future__ import annotations

import pytest
import torch

from spfem.correlation.crossmodal.encoders import (
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


def test_image_encoder_is_a_resnet18():
    encoder = ImageEncoder(PAPER)
    # The ImageNet network has 11,689,512, 513,000 of them in its 1000 classes.
    assert parameter_count(encoder) == 11_689_512 - 513_000 + 512 * 128 + 128
    assert encoder.encode(torch.zeros(2, 3, 64, 64)).shape == (2, 512, 2, 2)
    assert all(name.startswith("model.") for name in encoder.state_dict())


def test_widths_double_where_the_settings_say():
    encoder = ExpressionEncoder(NARROW)
    widths = [layer[0].out_channels for layer in encoder.convs]
    assert widths == [16] * 3 + [32] * 4 + [64] * 4 + [128] * 3


@pytest.mark.parametrize(
    ("kind", "length"),
    [(AudioEncoder, 640), (AudioEncoder, 1), (ExpressionEncoder, 52), (ExpressionEncoder, 7)],
)
def test_any_length_is_embedded(kind, length):
    assert kind(NARROW)(torch.randn(3, 1, length)).shape == (3, 32)


def test_images_are_normalised_from_the_common_range():
    encoder = ImageEncoder(NARROW).eval()
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    pixels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    expected = encoder.model((pixels / 255 - mean) / deviation)
    torch.testing.assert_close(encoder.encode(pixels / 127.5 - 1), expected)


def test_only_encoder_features_go_through_the_linear_layer():
    encoder = ExpressionEncoder(NARROW)
    fused = torch.randn(2, 32, 5)
    torch.testing.assert_close(encoder.project(fused), fused.mean(dim=2).tanh())
    features = torch.randn(2, 128, 5)
    torch.testing.assert_close(encoder.project(features), encoder.fc(features.mean(dim=2)).tanh())
    with pytest.raises(ShapeError, match="128 or 32 channels"):
        encoder.project(torch.randn(2, 64, 5))


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


def test_released_behaviours_are_switched_on_alone_or_together():
    def on(compat):
        settings = CrossModalSettings(compat=compat)
        return {b for b in settings.RELEASED_BEHAVIOURS if settings.released(b)}

    assert on("paper") == set()
    assert on("gate_per_epoch+false_negatives") == {"gate_per_epoch", "false_negatives"}
    assert on("upstream") == set(CrossModalSettings.RELEASED_BEHAVIOURS)
    with pytest.raises(SettingsError, match="no released behaviour"):
        CrossModalSettings().released("speed")


def test_a_frame_of_sound_has_533_samples_in_the_paper():
    assert PAPER.frame_samples == 533
