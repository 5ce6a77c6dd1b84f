from __future__ import annotations

import pytest
import torch

from spfem.manipulator.networks import Discriminator, Generator, MappingNetwork, StyleEncoder

PAPER = {
    "generator": (lambda: Generator(51), 12_951_091),
    "style_encoder": (lambda: StyleEncoder(51), 990_672),
    "discriminator": (lambda: Discriminator(51), 990_087),
    "mapping_network": (lambda: MappingNetwork(), 45_040),
}


@pytest.mark.parametrize("name", PAPER)
def test_paper_sizes(name):
    make, count = PAPER[name]
    assert sum(parameter.numel() for parameter in make().parameters()) == count


@pytest.mark.parametrize("name", PAPER)
def test_keys_are_those_of_released_checkpoints(name, parity_folder):
    path = parity_folder.parent / "spec" / "checkpoint_keys" / "keys_manipulator.txt"
    if not path.exists():
        pytest.skip(f"no key list at {path}")
    lines = [line.split("\t") for line in path.read_text().splitlines() if "\t" in line]
    wanted = {key: shape for entry, key, shape, _ in lines if entry == name}
    make, _ = PAPER[name]
    found = {key: str(list(value.shape)) for key, value in make().state_dict().items()}
    assert found == wanted


def test_mapping_reads_the_head_of_the_label():
    network = MappingNetwork(emotions=3)
    latent = torch.randn(5, 4)
    label = torch.tensor([2, 0, 1, 1, 2])
    styles = network(latent, label)
    for row in range(5):
        alone = network.unshared[int(label[row])](network.shared(latent[row]))
        torch.testing.assert_close(styles[row], alone)
