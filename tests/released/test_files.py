from __future__ import annotations

import pytest
import torch

from spfem.checkpoints import read_released
from spfem.errors import CheckpointError


@pytest.fixture
def several(tmp_path):
    """A file of three networks beside other things, one of them saved from DataParallel."""
    content = {
        "one": {"heads.0.weight": torch.zeros(4, 3), "heads.2.weight": torch.zeros(4, 3)},
        "two": {"module.bias": torch.ones(2)},
        "three": {"bias": torch.ones(2)},
        "step": 7,
        "options": {"rate": 0.1},
    }
    torch.save(content, tmp_path / "several.pth")
    return tmp_path / "several.pth"


def test_wanted_networks_are_taken_and_the_rest_is_left_out_unread(several):
    file = read_released(several, ["one"], ["two", "four"])
    assert set(file.tensors) == {"one.heads.0.weight", "one.heads.2.weight", "two.bias"}
    assert file.dropped == ("three", "step", "options")
    assert file.provenance("x") == {
        "imported_from": "several.pth",
        "digest": file.digest,
        "kind": "x",
        "dropped": ["three", "step", "options"],
    }


def test_a_wanted_network_that_is_not_there_is_named(several):
    with pytest.raises(CheckpointError, match="lacks the networks four; it holds one, options, "):
        read_released(several, ["one", "four"])
    with pytest.raises(CheckpointError, match=r"entry 'options\.rate' is a float"):
        read_released(several, ["one", "options"])


def test_sizes_are_read_from_shapes(several):
    file = read_released(several, ["one"])
    assert file.size("one.heads.0.weight") == 4
    assert file.size("one.heads.0.weight", axis=1) == 3
    assert file.count(r"one\.heads\.(\d+)\..+") == 3
    assert file.count(r"nothing\.(\d+)") == 0
    assert set(file.below("one.").tensors) == {"heads.0.weight", "heads.2.weight"}
    for name, axis in (("one.heads.1.weight", 0), ("one.heads.0.weight", 2)):
        with pytest.raises(CheckpointError, match=f"no entry {name}, from which sizes"):
            file.size(name, axis)
