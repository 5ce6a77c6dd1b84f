"""FSGAN's segmenter and its masks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from spfem.errors import CheckpointError, FaceNotFoundError, ShapeError
from spfem.released.segment import FaceSegmenter, load_segmenter, segment_faces
from spfem.renderer.blend import soft_erosion


class RedIsFace(nn.Module):
    """Stands for a trained network: scores red pixels as face, blue ones as hair."""

    def __init__(self):
        super().__init__()
        self.final = nn.Conv2d(1, 3, 1)

    def forward(self, pictures):
        red, blue = pictures[:, :1], pictures[:, 2:]
        return torch.cat([torch.full_like(red, 0.5), red, blue], dim=1)


def crop(*squares, colour=0):
    picture = np.zeros((96, 96, 3), np.uint8)
    for row, column, side in squares:
        picture[row : row + side, column : column + side, colour] = 255
    return picture


def test_the_largest_eroded_piece_of_the_face_is_kept():
    (mask,) = segment_faces(RedIsFace(), [crop((10, 10, 20), (40, 40, 50))])
    alone = np.zeros((96, 96), np.float32)
    alone[40:90, 40:90] = 1
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(mask > 0, soft_erosion(alone, 21, 0.6)[1])
    assert (mask[40:90, 65] > 0).sum() == 48  # one pixel less at each straight edge


def test_frames_without_a_face_have_the_mask_before_or_the_first():
    shown, other = crop((40, 40, 50)), crop((5, 5, 40))
    empty, hair = crop(), crop((40, 40, 50), colour=2)
    masks = segment_faces(RedIsFace(), [empty, shown, hair, other, empty])
    assert masks.shape == (5, 96, 96)
    assert masks.dtype == np.uint8
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[2], masks[1])
    np.testing.assert_array_equal(masks[4], masks[3])
    assert (masks[3] != masks[1]).any()
    with pytest.raises(FaceNotFoundError, match="any of 2 crops"):
        segment_faces(RedIsFace(), [empty, hair])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FaceSegmenter()


def test_paper_size(network):
    assert sum(parameter.numel() for parameter in network.parameters()) == 28_950_851


@torch.inference_mode()
def test_statistics_are_those_of_each_picture_whatever_the_batch_and_the_mode(network):
    pictures = torch.rand(2, 3, 32, 48)
    together = network.eval()(pictures)
    assert together.shape == pictures.shape
    for number in (0, 1):
        alone = network.train()(pictures[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone, atol=1e-5, rtol=1e-5)
    stored = network.state_dict()["center.conv1.1.running_mean"]
    assert not stored.any()


def test_wrong_sizes_are_named(network):
    with pytest.raises(ShapeError, match="multiples of 16"):
        network(torch.rand(1, 3, 40, 32))
    with pytest.raises(ShapeError, match="not both 16"):
        network(torch.rand(1, 3, 16, 16))
    with pytest.raises(ShapeError, match="give"):
        network(torch.rand(3, 32, 32))


NAME = "lfw_figaro_unet_256_2_0_segmentation_v1.pth"


def cheap_state():
    """The released entries, of true shapes, one value each: a file of a few kilobytes."""
    with torch.device("meta"):
        entries = FaceSegmenter().state_dict()
    return {
        name: torch.tensor(0.01 * (index % 7)).to(value.dtype).expand(value.shape)
        for index, (name, value) in enumerate(entries.items())
    }


@pytest.fixture
def file(tmp_path):
    def write(state):
        torch.save({"epoch": 3, "state_dict": state, "optimizer": {}}, tmp_path / NAME)
        return tmp_path / NAME

    return write


def test_the_network_holds_what_the_file_holds(file):
    state = cheap_state()
    network = load_segmenter(file(state))
    assert len(state) == 96
    assert all(torch.equal(v, state[n]) for n, v in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_layout_is_the_released_one(parity_folder):
    keys = json.loads((parity_folder / "state_keys.json").read_text())["unet"]
    assert {name: list(value.shape) for name, value in cheap_state().items()} == keys


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("final.bias"), r"lacks 1 entries \(final.bias\)"),
        (lambda s: s.update(x=torch.zeros(1)), r"surplus 1 entries \(x\)"),
        (lambda s: s.update({"final.bias": torch.zeros(19)}), r"\(19,\) instead of \(3,\)"),
        (lambda s: s.update({"final.bias": torch.full((3,), torch.inf)}), "not finite"),
    ],
)
def test_other_files_are_refused_by_name(file, change, message):
    state = cheap_state()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        load_segmenter(file(state))
