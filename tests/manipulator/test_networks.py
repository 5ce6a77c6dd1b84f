"""The four networks, their scale and their file."""

from __future__ import annotations

import pytest
import torch

from spfem.checkpoints import load_checkpoint, save_checkpoint
from spfem.errors import CheckpointError
from spfem.manipulator import Manipulator, load_manipulator, save_manipulator
from spfem.manipulator.networks import (
    FLAME_SPACE,
    Discriminator,
    Generator,
    MappingNetwork,
    StyleEncoder,
)
from spfem.renderer.networks import new_renderer, save_renderer
from spfem.settings import ManipulatorSettings
from tests.renderer.planted import PLAIN

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


def test_it_is_the_space_of_the_released_weights():
    assert FLAME_SPACE.size == len(set(FLAME_SPACE.names)) == 51
    assert FLAME_SPACE.names[0] == "jaw_opening"
    assert FLAME_SPACE.value_range is None
    generator = Manipulator(ManipulatorSettings(), FLAME_SPACE).generator
    assert sum(parameter.numel() for parameter in generator.parameters()) == 12_951_091


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.pop("expression_names"), "does not describe its expression space"),
        (lambda facts: facts.update(value_range=[0.0]), "does not describe its expression space"),
        (lambda facts: facts.update(emotions="some"), "does not describe its expression space"),
        (lambda facts: facts["expression_names"].append("more"), r"misshapes \d+ entries"),
        (lambda facts: facts.update(emotions=9), "lacks .* entries .mapping_network.unshared.7"),
        (lambda facts: facts["settings"].update(width=64), r"misshapes \d+ entries"),
        (lambda facts: facts["settings"].update(colour=1), "unusable settings.*colour"),
        (lambda facts: facts.pop("settings"), "unusable settings"),
    ],
)
def test_facts_that_do_not_fit_the_weights_are_refused(tmp_path, small, space, change, message):
    path = tmp_path / "m.safetensors"
    save_manipulator(path, Manipulator(small, space))
    tensors, facts = load_checkpoint(path, kind="manipulator")
    change(facts)
    save_checkpoint(path, tensors, kind="manipulator", facts=facts)
    with pytest.raises(CheckpointError, match=message):
        load_manipulator(path)


def test_other_checkpoints_are_refused_in_words(tmp_path, small, space):
    path = tmp_path / "m.safetensors"
    save_renderer(new_renderer(PLAIN, 0), path)
    with pytest.raises(CheckpointError, match="holds 'renderer', wanted 'manipulator'"):
        load_manipulator(path)
    torch.save({"generator": Manipulator(small, space).generator.state_dict()}, path)
    with pytest.raises(CheckpointError, match="python -m spfem import-checkpoint"):
        load_manipulator(path)
