"""Released manipulators and renderers, and the files that they come in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from spfem.__main__ import main
from spfem.checkpoints import load_checkpoint, read_released
from spfem.errors import CheckpointError, ShapeError
from spfem.manipulator import Manipulator, load_manipulator, manipulate
from spfem.manipulator.networks import FLAME_SPACE
from spfem.released.kinds import import_released, open_released
from spfem.released.networks import NETWORKS
from spfem.renderer.networks import load_renderer, new_renderer, save_renderer
from spfem.settings import ManipulatorSettings, RendererSettings
from tests.released.made_up import released_nets, released_renderer_state
from tests.renderer.planted import PLAIN


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


RELEASED = RendererSettings(width=16, blocks=5, downsamplings=2, kernel=5, discriminator_width=4)


@pytest.fixture(scope="module")
def drawn():
    return new_renderer(RELEASED, 7)


def write_separate(folder, renderer, epoch="20", letters=("G", "D", "Dm")):
    folder.mkdir(exist_ok=True)
    for letter, network in zip(letters, renderer.networks().values(), strict=False):
        torch.save(released_renderer_state(network), folder / f"{epoch}_net_{letter}.pth")
    return folder / f"{epoch}_net_G.pth"


def joint(renderer):
    below = {
        short: {f"{short}.{key}": value for key, value in released_renderer_state(network).items()}
        for short, network in zip(
            ("netG", "netD", "netDm"), renderer.networks().values(), strict=True
        )
    }
    eyes = {key.replace("netDm", "netDe"): value for key, value in below["netDm"].items()}
    slices = {"criterionVGG.vgg.slice1.0.weight": torch.zeros(2)}
    return {
        "rendererG": {f"module.{key}": value for key, value in below["netG"].items()},
        "rendererD": below["netD"] | below["netDm"] | eyes | slices,
        "generator": {"seq1.0.weight": torch.zeros(2)},
    }


def same_weights(one, two):
    for name, network in one.networks().items():
        for key, value in network.state_dict().items():
            if not torch.equal(value, two.networks()[name].state_dict()[key]):
                return name
    return None


@pytest.mark.parametrize("by_folder", [True, False])
def test_separate_files_give_the_renderer_that_wrote_them(tmp_path, drawn, by_folder):
    file, out = write_separate(tmp_path / "M003", drawn), tmp_path / "r.safetensors"
    torch.save({}, tmp_path / "M003" / "20_net_De.pth")
    opened = import_released("ned-renderer", file.parent if by_folder else file, out)
    loaded = load_renderer(out)
    assert loaded.settings == RELEASED
    assert same_weights(loaded, drawn) is None
    assert not opened.notes
    assert opened.provenance["dropped"] == ["20_net_De.pth"]
    assert opened.provenance["imported_from"] == [f"20_net_{d}.pth" for d in ("G", "D", "Dm")]
    _, facts = load_checkpoint(out, kind="renderer")
    assert facts["provenance"] == opened.provenance


def test_a_joint_file_gives_the_renderer_that_wrote_it(tmp_path, drawn):
    torch.save(joint(drawn), tmp_path / "01_nets.pth")
    out = tmp_path / "r.safetensors"
    opened = import_released("scmcl-renderer", tmp_path / "01_nets.pth", out)
    assert same_weights(load_renderer(out), drawn) is None
    assert opened.provenance["dropped"] == [
        "generator",
        "rendererD.criterionVGG",
        "rendererD.netDe",
    ]


def test_a_generator_alone_says_that_its_discriminators_are_untrained(tmp_path, drawn, capsys):
    file, out = (write_separate(tmp_path / "M003", drawn, "01", ("G",)), tmp_path / "r.safetensors")
    assert main(["import-checkpoint", "ned-renderer", str(file), "--out", str(out)]) == 0
    assert "not there: image_discriminator, mouth_discriminator; untrained" in (
        capsys.readouterr().out
    )
    _, facts = load_checkpoint(out, kind="renderer")
    assert facts["provenance"]["untrained"] == ["image_discriminator", "mouth_discriminator"]
    loaded = load_renderer(out)
    assert loaded.settings == replace(RELEASED, discriminator_width=64)
    assert same_weights(loaded, drawn) == "image_discriminator"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("model_res_img.0.conv_block.1.bias"), "differ"),
        (lambda s: s.pop("model_final_img.1.bias"), r"lacks 1 entries \(model_final_img.1.bias\)"),
        (lambda s: s.update(extra=torch.ones(1)), r"surplus 1 entries \(extra\)"),
        (
            lambda s: s.update({"model_final_img.1.bias": torch.ones(4)}),
            r"model_final_img.1.bias \(4,\) instead of \(3,\)",
        ),
        (lambda s: s.pop("model_down_seg.1.weight"), "from which sizes are read"),
        (
            lambda s: s.update({"model_down_seg.1.weight": torch.ones(16, 31, 5, 5)}),
            "takes 31 condition channels",
        ),
        (
            lambda s: s.update({"model_up_img.90.weight": torch.ones(1)}),
            "sizes of no known renderer",
        ),
    ],
)
def test_generators_of_another_layout_are_refused_by_name(tmp_path, drawn, change, message):
    state = released_renderer_state(drawn.generator)
    change(state)
    torch.save(state, tmp_path / "20_net_G.pth")
    with pytest.raises(CheckpointError, match=message):
        import_released("ned-renderer", tmp_path, tmp_path / "r.safetensors")
    assert not (tmp_path / "r.safetensors").exists()


def test_other_files_are_refused(tmp_path, drawn):
    with pytest.raises(CheckpointError, match="found none; give the file itself"):
        open_released("ned-renderer", tmp_path)
    for epoch in ("15", "20"):
        write_separate(tmp_path / "two", drawn, epoch, ("G",))
    with pytest.raises(CheckpointError, match=r"found 15_net_G.pth, 20_net_G.pth"):
        open_released("ned-renderer", tmp_path / "two")
    torch.save(joint(drawn), tmp_path / "01_nets.pth")
    with pytest.raises(CheckpointError, match="kind scmcl-renderer"):
        open_released("ned-renderer", tmp_path / "01_nets.pth")
    torch.save(nn.Linear(2, 2), tmp_path / "20_net_G.pth")
    with pytest.raises(CheckpointError, match="could run code"):
        open_released("ned-renderer", tmp_path / "20_net_G.pth")
    more = joint(drawn)
    more["rendererD"]["netX.weight"] = torch.zeros(1)
    torch.save(more, tmp_path / "01_nets.pth")
    with pytest.raises(CheckpointError, match=r"surplus networks \(rendererD.netX"):
        open_released("scmcl-renderer", tmp_path / "01_nets.pth")


def test_exact_released_keys_build_the_paper_size_of_renderer(tmp_path, parity_folder):
    path = parity_folder.parent / "spec" / "checkpoint_keys" / "keys_renderer.txt"
    if not path.exists():
        pytest.skip(f"no key list at {path}")
    states: dict = {"G": {}, "D": {}}
    for line in path.read_text().splitlines():
        if "\t" in line:
            file, key, shape, _ = line.split("\t")
            sides = [int(side) for side in shape.strip("[]").split(",") if side.strip()]
            states[file.split("_net_")[1][0]][key] = torch.zeros(()).expand(sides)
    torch.save(states["G"], tmp_path / "20_net_G.pth")
    for letter in ("D", "Dm"):
        torch.save(states["D"], tmp_path / f"20_net_{letter}.pth")
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2_000_000
    opened = open_released("ned-renderer", tmp_path)
    assert opened.entries == 337 + 2 * 38
    assert opened.write.args[0].settings == RendererSettings()


def test_a_renderer_whose_weights_do_not_fit_its_settings_is_refused(tmp_path):
    renderer = new_renderer(PLAIN, 0)
    path = tmp_path / "r.safetensors"
    save_renderer(replace(renderer, settings=replace(PLAIN, width=32)), path)
    with pytest.raises(CheckpointError, match=r"misshapes \d+ entries .*other renderer settings"):
        load_renderer(path)
