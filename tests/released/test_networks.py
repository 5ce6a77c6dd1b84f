"""Names, shapes and numbers of parameters of the released networks."""

from __future__ import annotations

import ast

import pytest
import torch

from spfem.released.deca import COARSE_OUTPUTS, DETAIL_OUTPUTS, DetailDecoder, FaceEncoder
from tests.conftest import ROOT

NETWORKS = {
    "E_flame": (lambda: FaceEncoder(COARSE_OUTPUTS), 25_848_108, 322),
    "E_detail": (lambda: FaceEncoder(DETAIL_OUTPUTS), 25_737_408, 322),
    "D_detail": (DetailDecoder, 1_773_345, 44),
}


def _build(name):
    with torch.device("meta"):
        return NETWORKS[name][0]()


@pytest.mark.parametrize("name", NETWORKS)
def test_number_of_parameters(name):
    network = _build(name)
    assert sum(p.numel() for p in network.parameters()) == NETWORKS[name][1]
    assert len(network.state_dict()) == NETWORKS[name][2]


@pytest.mark.parametrize("name", NETWORKS)
def test_names_shapes_and_types_are_the_released_ones(name):
    listed = ROOT.parent / "shared" / "spec" / "checkpoint_keys" / "keys_deca.txt"
    if not listed.exists():
        pytest.skip(f"no list of released entries at {listed}")
    rows = [line.split("\t") for line in listed.read_text().splitlines() if "\t" in line]
    wanted = {row[1]: (tuple(ast.literal_eval(row[2])), row[3]) for row in rows if row[0] == name}
    found = {
        key: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for key, tensor in _build(name).state_dict().items()
    }
    assert found == wanted


def test_a_displacement_never_exceeds_a_centimetre():
    network = DetailDecoder().eval()
    with torch.inference_mode():
        maps = network(torch.zeros(2, 3), torch.zeros(2, 50), 1e4 * torch.randn(2, 128))
    assert maps.shape == (2, 1, 256, 256)
    assert maps.abs().max() <= 0.01
