from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint
from spfem.errors import CheckpointError
from spfem.renderer.networks import (
    FaceDiscriminator,
    FaceGenerator,
    from_released,
    load_renderer,
    new_renderer,
    save_renderer,
    to_released,
)
from spfem.settings import RendererSettings
from tests.renderer.planted import PLAIN, SETTINGS

FINAL = "generator.model_final_img.1.bias"


def released_keys():
    root = Path(__file__).resolve().parents[2].parent / "shared"
    folder = Path(os.environ.get("SPFEM_PARITY", root / "parity")).parent
    path = folder / "spec" / "checkpoint_keys" / "keys_renderer.txt"
    if not path.exists():
        pytest.skip("no list of released keys")
    keys = {"G": {}, "D": {}}
    for line in path.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        file, key, shape, _ = line.split("\t")
        network = file.split("_net_")[1].split(".")[0]
        if network in keys:
            sides = [int(side) for side in shape.strip("[]").split(",") if side.strip()]
            keys[network][key] = torch.Size(sides)
    return keys


@pytest.mark.parametrize(("name", "network"), [("G", FaceGenerator), ("D", FaceDiscriminator)])
def test_paper_size_has_exactly_the_released_keys(name, network):
    with torch.device("meta"):
        state = to_released(network(RendererSettings()))
    assert {key: value.shape for key, value in state.items()} == released_keys()[name]


@pytest.mark.parametrize("network", [FaceGenerator, FaceDiscriminator])
def test_released_layout_comes_back_and_norm_buffers_do_not_matter(network):
    torch.manual_seed(0)
    one, two = network(PLAIN), network(PLAIN)
    state = to_released(one)
    for key in state:
        if key.endswith("running_var"):
            state[key] = torch.rand_like(state[key])
    load_weights(two, from_released(state), "test")
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])


def test_saved_renderer_comes_back_whole(tmp_path):
    renderer = new_renderer(SETTINGS, 5)
    renderer.curve.append({"step": 1.0, "image_pixel": 0.25})
    save_renderer(renderer, tmp_path / "r.safetensors")
    loaded = load_renderer(tmp_path / "r.safetensors")
    assert loaded.settings == SETTINGS
    assert loaded.curve == renderer.curve
    for name, network in renderer.networks().items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, loaded.networks()[name].state_dict()[key])


def test_missing_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "r.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        load_renderer(path)
    save_renderer(new_renderer(SETTINGS, 0), path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="damaged"):
        load_renderer(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="wanted 'renderer'"):
        load_renderer(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, facts: tensors.pop(FINAL), rf"generator\) lacks 1 entries \({FINAL[10:]}"),
        (lambda tensors, facts: tensors.update({"generator.x": torch.ones(1)}), "has surplus 1"),
        (lambda tensors, facts: tensors.update({FINAL: torch.ones(5)}), r"\(5,\) instead of"),
        (lambda tensors, facts: facts["settings"].update(image_size=33), "image_size 33"),
        (lambda tensors, facts: facts["settings"].update(colour=1), "unusable settings.*colour"),
        (lambda tensors, facts: facts.pop("settings"), "unusable settings"),
    ],
)
def test_weights_and_facts_that_do_not_fit_are_refused(tmp_path, change, message):
    path = tmp_path / "r.safetensors"
    save_renderer(new_renderer(PLAIN, 0), path)
    tensors, facts = load_checkpoint(path, kind="renderer")
    change(tensors, facts)
    save_checkpoint(path, tensors, kind="renderer", facts=facts)
    with pytest.raises(CheckpointError, match=message):
        load_renderer(path)
