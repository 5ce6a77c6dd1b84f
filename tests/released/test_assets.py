from __future__ import annotations

import pytest
import torch

from spfem.errors import AssetError, CheckpointError
from spfem.released.deca import read_networks
from spfem.released.flame_files import FLAME_FILES, check_file, load_deca

NAMES = [file.name for file in FLAME_FILES.values()]


@pytest.mark.parametrize("name", NAMES)
def test_good_files_have_no_fault(deca_folder, name):
    assert check_file(deca_folder / name) == ""


@pytest.mark.parametrize("name", NAMES)
def test_half_a_file_is_found_out(deca_folder, tmp_path, name):
    whole = deca_folder / name
    half = tmp_path / name
    with whole.open("rb") as source, half.open("wb") as target:
        target.write(source.read(min(whole.stat().st_size, 60_000_000) // 2))
    reason = check_file(half)
    assert str(half) in reason
    assert "\n" not in reason


def test_a_long_enough_file_of_something_else_is_found_out(tmp_path):
    path = tmp_path / "deca_model.tar"
    with path.open("wb") as file:
        file.truncate(220_000_000)  # sparse: takes no room
    assert "no PyTorch checkpoint" in check_file(path)


def test_missing_and_unknown_files_are_named(tmp_path):
    assert "flame.is.tue.mpg.de" in check_file(tmp_path / "generic_model.pkl")
    with pytest.raises(AssetError, match=r"model\.bin is no file of FLAME or DECA"):
        check_file(tmp_path / "model.bin")


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
        ("E_flame", deca.networks.coarse_encoder),
        ("E_detail", deca.networks.detail_encoder),
        ("D_detail", deca.networks.detail_decoder),
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
    with pytest.raises(CheckpointError, match=r"\(E_flame\) lacks 322 entries"):
        read_networks(tmp_path / "deca_model.tar")
