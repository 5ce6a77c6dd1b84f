"""dlib's network in torch: dlib's values, its gradient, files that are not whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from spfem.errors import AssetError, ShapeError
from spfem.face.descriptor import embed_chips
from spfem.face.identity_network import (
    BLOCKS,
    COORDINATES,
    find_identity_weights,
    load_identity_features,
)


def make_chips(count, *, smooth=9, seed=0):
    """Pictures of soft spots, and of pure noise last."""
    random = np.random.default_rng(seed)
    chips = [
        cv2.resize(
            random.integers(0, 256, (smooth, smooth, 3), dtype=np.uint8),
            (150, 150),
            interpolation=cv2.INTER_CUBIC,
        )
        for _ in range(count - 1)
    ]
    return np.stack([*chips, random.integers(0, 256, (150, 150, 3), dtype=np.uint8)])


@pytest.fixture(scope="module")
def network():
    return load_identity_features()


def as_images(chips):
    return torch.from_numpy(chips).permute(0, 3, 1, 2) / 127.5 - 1


def test_descriptors_are_those_of_dlib(network):
    dlib = pytest.importorskip("dlib")
    chips = make_chips(4)
    model = dlib.face_recognition_model_v1(str(find_identity_weights()))
    theirs = np.array(model.compute_face_descriptor(list(chips), 0))
    assert np.ptp(theirs, axis=0).max() > 0.1  # the pictures differ, for dlib too
    np.testing.assert_allclose(network(as_images(chips)).numpy(), theirs, atol=2e-6)
    np.testing.assert_allclose(embed_chips(chips, batch_size=3), theirs, atol=2e-6)
    assert embed_chips(chips[:0]).shape == (0, COORDINATES)


def test_gradient_is_the_slope_and_the_weights_are_frozen(network):
    images = as_images(make_chips(1)).double().requires_grad_()
    exact = load_identity_features().double()
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).double()
    exact(images).square().sum().backward()
    step = 1e-8  # few kinks of the network lie within
    with torch.no_grad():
        ends = [exact(images + sign * step * direction).square().sum() for sign in (1, -1)]
    slope = float(ends[0] - ends[1]) / (2 * step)
    assert float((images.grad * direction).sum()) == pytest.approx(slope, rel=1e-4)
    assert not network.training
    assert not any(each.requires_grad for each in network.parameters())


def test_maps_have_the_channels_and_sides_of_dlib(network):
    maps = network.feature_maps(as_images(make_chips(2)))
    assert [each.shape[1] for each in maps] == [widths[-1] for widths in BLOCKS]
    assert [each.shape[2] for each in maps] == [35, 17, 8, 4, 2]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda content: content[: len(content) // 2], "within a tensor"),
        (lambda content: content[:-80], "within a tensor"),
        (lambda content: content + bytes(500), "after the last layer"),
        (lambda content: content[:3000] + content[3001:], "damaged"),
        (lambda content: content.replace(b"con_4", b"con_9", 1), "con_9 at byte"),
        (lambda content: content.replace(b"\x01\x04fc_2\x01\x80", b"\x01\x04fc_2\x01\x81"), "129"),
        (lambda content: content[:2000] + b"\xff" * 8 + content[2008:], "not finite"),
        (lambda content: b"", "no network"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, harm, message):
    path = tmp_path / "weights.dat"
    path.write_bytes(harm(find_identity_weights().read_bytes()))
    with pytest.raises(AssetError, match=message) as caught:
        load_identity_features(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_other_sizes_are_refused(tmp_path, network):
    with pytest.raises(AssetError, match="cannot be read"):
        load_identity_features(tmp_path / "none.dat")
    with pytest.raises(ShapeError, match="150, 150"):
        network(torch.zeros(1, 3, 112, 112))
    with pytest.raises(ShapeError, match="150, 150"):
        embed_chips(np.zeros((1, 112, 112, 3), np.uint8))
