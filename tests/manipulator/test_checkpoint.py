from __future__ import annotations

import pytest
import torch

from spfem.errors import CheckpointError
from spfem.manipulator import Manipulator, load_manipulator, save_manipulator


def test_round_trip(tmp_path, small, space):
    manipulator = Manipulator(small, space, emotions=8, seed=5)
    manipulator.measure_scale(torch.rand(30, 12))
    save_manipulator(tmp_path / "m.safetensors", manipulator)
    loaded = load_manipulator(tmp_path / "m.safetensors")
    assert loaded.settings == small
    assert loaded.space == space
    assert loaded.emotions == 8
    for name, value in manipulator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_missing_damaged_and_foreign_files(tmp_path, small, space):
    from safetensors.torch import load_file, save_file

    path = tmp_path / "m.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        load_manipulator(path)
    save_manipulator(path, Manipulator(small, space))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        load_manipulator(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="wanted 'manipulator'"):
        load_manipulator(path)
    path.write_bytes(whole)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    del tensors["generator.seq1.0.bias"]
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"lacks 1 entries \(generator.seq1.0.bias\)"):
        load_manipulator(path)


def test_same_seed_same_weights(small, space):
    first, second = Manipulator(small, space, seed=1), Manipulator(small, space, seed=1)
    other = Manipulator(small, space, seed=2)
    assert torch.equal(first.generator.seq1[0].weight, second.generator.seq1[0].weight)
    assert not torch.equal(first.generator.seq1[0].weight, other.generator.seq1[0].weight)
