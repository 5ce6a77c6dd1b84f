from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from spfem.errors import CheckpointError
from spfem.released.segment import FaceSegmenter, load_segmenter

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


def test_missing_files_and_pickles_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_segmenter(tmp_path / NAME)
    torch.save(nn.Linear(2, 2), tmp_path / NAME)
    with pytest.raises(CheckpointError, match="could run code"):
        load_segmenter(tmp_path / NAME)
