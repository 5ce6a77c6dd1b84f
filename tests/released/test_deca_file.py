from __future__ import annotations

import pytest
import torch
from torch import nn

from spfem.errors import CheckpointError
from spfem.released.deca import (
    COARSE_OUTPUTS,
    DETAIL_OUTPUTS,
    NETWORKS,
    DetailDecoder,
    FaceEncoder,
    read_networks,
)


def cheap_networks():
    """The released entries, of true shapes, one value each: a file of some hundred kilobytes."""
    with torch.device("meta"):
        modules = FaceEncoder(COARSE_OUTPUTS), FaceEncoder(DETAIL_OUTPUTS), DetailDecoder()
    return {
        group: {
            name: torch.tensor(0.01 * (index % 7)).to(value.dtype).expand(value.shape)
            for index, (name, value) in enumerate(module.state_dict().items())
        }
        for group, module in zip(NETWORKS, modules, strict=True)
    }


@pytest.fixture
def file(tmp_path):
    def write(content):
        torch.save(content | {"opt": {"state": {}}, "global_step": 9}, tmp_path / "deca_model.tar")
        return tmp_path / "deca_model.tar"

    return write


def test_networks_hold_what_the_file_holds(file):
    content = cheap_networks()
    networks = read_networks(file(content))
    parts = networks.E_flame, networks.E_detail, networks.D_detail
    for group, part in zip(NETWORKS, parts, strict=True):
        own = part.state_dict()
        assert list(own) == list(content[group])
        assert all(torch.equal(own[name], value) for name, value in content[group].items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n["E_flame"].pop("layers.2.bias"), r"lacks 1 entries \(E_flame.layers.2.bias"),
        (lambda n: n["E_detail"].update(fc=torch.ones(1)), r"surplus 1 entries \(E_detail.fc"),
        (
            lambda n: n["E_flame"].update({"layers.2.bias": torch.ones(159)}),
            r"\(159,\) instead of \(236,\)",
        ),
        (lambda n: n.pop("D_detail"), "lacks the networks D_detail"),
        (lambda n: n.update(E_flame=nn.Linear(1, 1)), "could run code"),
    ],
)
def test_other_files_are_refused_by_name(file, change, message):
    content = cheap_networks()
    change(content)
    with pytest.raises(CheckpointError, match=message):
        read_networks(file(content))
