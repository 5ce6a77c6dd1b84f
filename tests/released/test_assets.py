from __future__ import annotations

import re

import pytest
import torch

from spfem.errors import AssetError, CheckpointError, SpfemError
from spfem.released.deca import read_networks
from spfem.released.flame_files import FLAME_FILES, load_deca

FILES = FLAME_FILES.values()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_half_a_file_is_found_out(deca_folder, tmp_path, file):
    whole = deca_folder / file.name
    half = tmp_path / file.name
    with whole.open("rb") as source, half.open("wb") as target:
        target.write(source.read(min(whole.stat().st_size, 60_000_000) // 2))
    with pytest.raises(SpfemError, match=re.escape(str(half))):
        file.read(half)


def test_a_long_enough_file_of_something_else_is_found_out(tmp_path):
    path = tmp_path / "deca_model.tar"
    with path.open("wb") as file:
        file.truncate(220_000_000)  # sparse: takes no room
    with pytest.raises(CheckpointError, match="no PyTorch checkpoint"):
        read_networks(path)


def test_all_missing_files_are_named_at_once(tmp_path):
    with pytest.raises(AssetError) as caught:
        load_deca(tmp_path)
    for file in FLAME_FILES.values():
        assert file.name in str(caught.value)
        assert file.unlocks in str(caught.value)
        assert file.licence in str(caught.value)


def test_networks_are_frozen_and_as_stored(deca, deca_folder):
    stored = torch.load(deca_folder / "deca_model.tar", weights_only=True, mmap=True)
    for name, network in [
        ("E_flame", deca.networks.E_flame),
        ("E_detail", deca.networks.E_detail),
        ("D_detail", deca.networks.D_detail),
    ]:
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        last = list(stored[name])[-2]
        torch.testing.assert_close(network.state_dict()[last], stored[name][last])


def test_a_surplus_network_entry_is_an_error(deca_folder, tmp_path):
    stored = torch.load(deca_folder / "deca_model.tar", weights_only=True, mmap=True)
    small = {name: {} for name in ("E_flame", "E_detail", "D_detail")}
    small["D_detail"] = dict(stored["D_detail"]) | {"more": torch.zeros(1)}
    torch.save(small, tmp_path / "deca_model.tar")
    with pytest.raises(
        CheckpointError, match=r"lacks 644 entries .* surplus 1 entries \(D_detail.more\)"
    ):
        read_networks(tmp_path / "deca_model.tar")
