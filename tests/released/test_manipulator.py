from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

from spfem.__main__ import main
from spfem.checkpoints import load_checkpoint
from spfem.errors import CheckpointError, ShapeError
from spfem.manipulator import Manipulator, load_manipulator, manipulate
from spfem.manipulator.networks import FLAME_SPACE
from spfem.released.kinds import import_released, open_released
from spfem.released.networks import NETWORKS
from spfem.settings import ManipulatorSettings
from tests.released.made_up import released_nets

SMALL = ManipulatorSettings(width=32, encoder_width=256, mapping_width=16, standardise=False)


@pytest.fixture(scope="module")
def made():
    return Manipulator(SMALL, FLAME_SPACE, seed=3)


@pytest.fixture
def nets(made):
    return {name: OrderedDict(state) for name, state in released_nets(made).items()}


@pytest.fixture
def save(tmp_path):
    def write(content, name="02_nets_finetuned.pth"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("kind", ["ned-manipulator", "scmcl-manipulator"])
def test_a_released_manipulator_edits_as_the_one_it_holds(tmp_path, save, made, nets, kind):
    out = tmp_path / "m.safetensors"
    opened = import_released(kind, save(nets), out)
    loaded = load_manipulator(out)
    assert loaded.space == FLAME_SPACE
    assert loaded.settings.standardise is False
    assert loaded.settings.encode_reference is (kind == "scmcl-manipulator")
    clip, style = torch.randn(23, 51), torch.randn(16)
    expected = manipulate(clip, manipulator=made, style=style)
    assert torch.equal(manipulate(clip, manipulator=loaded, style=style), expected)
    assert opened.entries == 26 + 34 + 26 + 26
    assert opened.provenance["dropped"] == []
    assert any("by reference" in note for note in opened.notes) is (kind == "scmcl-manipulator")


def test_written_back_it_is_the_released_file(tmp_path, save, nets):
    out = tmp_path / "m.safetensors"
    import_released("ned-manipulator", save(nets), out)
    back = released_nets(load_manipulator(out))
    assert list(back) == list(NETWORKS)
    for name, state in nets.items():
        assert list(back[name]) == list(state)
        assert all(torch.equal(back[name][key], value) for key, value in state.items())


def test_a_missing_discriminator_is_said_and_other_networks_are_left_out(
    tmp_path, save, nets, capsys
):
    del nets["discriminator"]
    nets["rendererG"] = {"netG.weight": torch.zeros(1)}
    out = tmp_path / "m.safetensors"
    words = ["import-checkpoint", "ned-manipulator", str(save(nets)), "--out", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "no discriminator: an untrained one stands in its place" in printed
    assert "left out, because nothing uses them: rendererG" in printed
    _, facts = load_checkpoint(out, kind="manipulator")
    assert facts["provenance"]["untrained"] == ["discriminator"]
    assert facts["provenance"]["kind"] == "ned-manipulator"


def test_a_contempt_label_makes_eight_emotions(tmp_path, save):
    eight = Manipulator(SMALL, FLAME_SPACE, emotions=8)
    import_released("ned-manipulator", save(released_nets(eight)), tmp_path / "m.safetensors")
    assert load_manipulator(tmp_path / "m.safetensors").emotions == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n["generator"].pop("seq1.2.bias"), r"lacks 1 entries \(seq1.2.bias\)"),
        (lambda n: n["style_encoder"].update(x=torch.ones(1)), r"surplus 1 entries \(x\)"),
        (
            lambda n: n["discriminator"].update({"seq2.4.bias": torch.ones(5)}),
            r"seq2.4.bias \(5,\) instead of \(7,\)",
        ),
        (lambda n: n.pop("mapping_network"), "lacks the networks mapping_network; it holds disc"),
        (lambda n: n.clear(), "it holds nothing"),
        (lambda n: n["generator"].pop("seq2.4.weight"), "from which sizes are read"),
        (
            lambda n: n["generator"].update({"seq2.4.weight": torch.ones(52, 64)}),
            "for 52 expression coefficients; released manipulators have 51",
        ),
        (lambda n: n["generator"]["seq1.0.bias"].fill_(torch.nan), "not finite in generator.seq1"),
    ],
)
def test_files_of_another_layout_are_refused_by_name(tmp_path, save, nets, change, message):
    nets = {group: {k: v.clone() for k, v in state.items()} for group, state in nets.items()}
    change(nets)
    with pytest.raises(CheckpointError, match=message):
        import_released("ned-manipulator", save(nets), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_pickles_that_could_run_code_are_refused(tmp_path, save, made):
    with pytest.raises(CheckpointError, match="could run code"):
        import_released("ned-manipulator", save({"generator": made}), tmp_path / "o.safetensors")


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
def test_exact_released_keys_build_the_paper_size(tmp_path, parity_folder):
    path = parity_folder.parent / "spec" / "checkpoint_keys" / "keys_manipulator.txt"
    if not path.exists():
        pytest.skip(f"no key list at {path}")
    nets: dict = {}
    for line in path.read_text().splitlines():
        if "\t" in line:
            group, key, shape, _ = line.split("\t")
            sides = [int(side) for side in shape.strip("[]").split(",")]
            nets.setdefault(group, {})[key] = torch.zeros(()).expand(sides)
    torch.save(nets, tmp_path / "20_nets.pth")
    assert (tmp_path / "20_nets.pth").stat().st_size < 1_000_000
    opened = open_released("ned-manipulator", tmp_path / "20_nets.pth")
    assert opened.entries == 112
    manipulator = opened.write.keywords["manipulator"]
    standard = ManipulatorSettings(standardise=False)
    assert manipulator.settings == standard
    assert sum(p.numel() for p in manipulator.generator.parameters()) == 12_951_091


def test_codes_of_another_space_are_refused(tmp_path, save, nets):
    import_released("ned-manipulator", save(nets), tmp_path / "m.safetensors")
    loaded = load_manipulator(tmp_path / "m.safetensors")
    with pytest.raises(ShapeError, match="52 coefficients, this manipulator was made for 51"):
        manipulate(torch.rand(20, 52), manipulator=loaded, style=torch.zeros(16))
