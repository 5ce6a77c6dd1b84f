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


def test_discriminator_reads_the_column_of_the_label():
    network = Discriminator(6, emotions=3, width=16)
    window = torch.randn(1, 10, 6).expand(3, -1, -1)
    scores = network(window, torch.arange(3))
    torch.testing.assert_close(scores, network.summarise(window[:1])[0])


def test_mapping_reads_the_head_of_the_label():
    network = MappingNetwork(emotions=3)
    latent = torch.randn(5, 4)
    label = torch.tensor([2, 0, 1, 1, 2])
    styles = network(latent, label)
    for row in range(5):
        alone = network.unshared[int(label[row])](network.shared(latent[row]))
        torch.testing.assert_close(styles[row], alone)


def test_style_reaches_every_frame_and_any_length_works():
    network = Generator(6, 4, width=16)
    window = torch.randn(2, 3, 6)
    style = torch.randn(2, 4, requires_grad=True)
    output = network(window, style)
    assert output.shape == window.shape
    for frame in range(3):
        (gradient,) = torch.autograd.grad(output[0, frame].sum(), style, retain_graph=True)
        assert gradient[0].abs().min() > 0
        assert gradient[1].abs().max() == 0
