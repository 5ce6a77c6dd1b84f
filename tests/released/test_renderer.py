from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from spfem.__main__ import main
from spfem.checkpoints import load_checkpoint
from spfem.errors import CheckpointError
from spfem.released.kinds import import_released, open_released
from spfem.renderer.networks import load_renderer, new_renderer, save_renderer, to_released
from spfem.settings import RendererSettings
from tests.renderer.planted import PLAIN

RELEASED = RendererSettings(width=16, blocks=5, downsamplings=2, kernel=5, discriminator_width=4)


@pytest.fixture(scope="module")
def made():
    return new_renderer(RELEASED, 7)


def write_separate(folder, renderer, epoch="20", letters=("G", "D", "Dm")):
    folder.mkdir(exist_ok=True)
    for letter, network in zip(letters, renderer.networks().values(), strict=False):
        torch.save(to_released(network), folder / f"{epoch}_net_{letter}.pth")
    return folder / f"{epoch}_net_G.pth"


def joint(renderer):
    below = {
        short: {f"{short}.{key}": value for key, value in to_released(network).items()}
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
def test_separate_files_give_the_renderer_that_wrote_them(tmp_path, made, by_folder):
    file, out = write_separate(tmp_path / "M003", made), tmp_path / "r.safetensors"
    torch.save({}, tmp_path / "M003" / "20_net_De.pth")
    opened = import_released("ned-renderer", file.parent if by_folder else file, out)
    loaded = load_renderer(out)
    assert loaded.settings == RELEASED
    assert same_weights(loaded, made) is None
    assert not opened.notes
    assert opened.provenance["dropped"] == ["20_net_De.pth"]
    assert opened.provenance["imported_from"] == [f"20_net_{d}.pth" for d in ("G", "D", "Dm")]
    _, facts = load_checkpoint(out, kind="renderer")
    assert facts["provenance"] == opened.provenance


def test_a_joint_file_gives_the_renderer_that_wrote_it(tmp_path, made):
    torch.save(joint(made), tmp_path / "01_nets.pth")
    out = tmp_path / "r.safetensors"
    opened = import_released("scmcl-renderer", tmp_path / "01_nets.pth", out)
    assert same_weights(load_renderer(out), made) is None
    assert opened.provenance["dropped"] == [
        "generator",
        "rendererD.criterionVGG",
        "rendererD.netDe",
    ]


def test_a_generator_alone_says_that_its_discriminators_are_untrained(tmp_path, made, capsys):
    file, out = write_separate(tmp_path / "M003", made, "01", ("G",)), tmp_path / "r.safetensors"
    assert main(["import-checkpoint", "ned-renderer", str(file), "--out", str(out)]) == 0
    assert "not there: image_discriminator, mouth_discriminator; untrained" in (
        capsys.readouterr().out
    )
    _, facts = load_checkpoint(out, kind="renderer")
    assert facts["provenance"]["untrained"] == ["image_discriminator", "mouth_discriminator"]
    loaded = load_renderer(out)
    assert loaded.settings == replace(RELEASED, discriminator_width=64)
    assert same_weights(loaded, made) == "image_discriminator"


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
def test_generators_of_another_layout_are_refused_by_name(tmp_path, made, change, message):
    state = to_released(made.generator)
    change(state)
    torch.save(state, tmp_path / "20_net_G.pth")
    with pytest.raises(CheckpointError, match=message):
        import_released("ned-renderer", tmp_path, tmp_path / "r.safetensors")
    assert not (tmp_path / "r.safetensors").exists()


def test_other_files_are_refused(tmp_path, made):
    with pytest.raises(CheckpointError, match="found none; give the file itself"):
        open_released("ned-renderer", tmp_path)
    for epoch in ("15", "20"):
        write_separate(tmp_path / "two", made, epoch, ("G",))
    with pytest.raises(CheckpointError, match=r"found 15_net_G.pth, 20_net_G.pth"):
        open_released("ned-renderer", tmp_path / "two")
    torch.save(joint(made), tmp_path / "01_nets.pth")
    with pytest.raises(CheckpointError, match="kind scmcl-renderer"):
        open_released("ned-renderer", tmp_path / "01_nets.pth")
    torch.save(nn.Linear(2, 2), tmp_path / "20_net_G.pth")
    with pytest.raises(CheckpointError, match="could run code"):
        open_released("ned-renderer", tmp_path / "20_net_G.pth")
    more = joint(made)
    more["rendererD"]["netX.weight"] = torch.zeros(1)
    torch.save(more, tmp_path / "01_nets.pth")
    with pytest.raises(CheckpointError, match=r"surplus networks \(rendererD.netX"):
        open_released("scmcl-renderer", tmp_path / "01_nets.pth")


def test_exact_released_keys_build_the_paper_size(tmp_path, parity_folder):
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
