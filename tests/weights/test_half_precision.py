"""Half precision: half the bytes, the same kind and settings, values moved by a hair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.checkpoints import load_checkpoint, save_checkpoint
from spfem.correlation import CrossModalCoherence, SpatialCoherence, SpatialTemporalCoherence
from spfem.errors import CheckpointError
from spfem.manipulator import load_manipulator, manipulate, save_manipulator
from spfem.manipulator.networks import ExpressionSpace, Manipulator
from spfem.scales import load_scale
from spfem.settings import ManipulatorSettings
from spfem.weights.card import pack_half
from tests.correlation.planted import planted_pairs

MOST_CHANGE = 2e-3  # of a loss, as a share of it


def _fitted(metric):
    """A network with the statistics of what it sees, so that its values are of usual size."""
    pairs, _ = planted_pairs(side=64)
    frames = np.concatenate(list(pairs.faces.values()))[:18]
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    metric.train()
    for _ in range(10):
        metric.resnet50(images)
    return metric.supervise(), images


def _both(metric, tmp_path):
    metric.save(tmp_path / "whole.safetensors", provenance={"seed": 1})
    pack_half(tmp_path / "whole.safetensors", tmp_path / "half.safetensors", kind=metric.kind)
    return [type(metric).load(tmp_path / f"{name}.safetensors") for name in ("whole", "half")]


def test_file_is_half_as_large_with_the_same_facts(tmp_path):
    metric = SpatialCoherence(load_scale("smoke").spatial)
    whole, half = _both(metric, tmp_path)
    assert whole.settings == half.settings
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half")]
    assert 0.5 <= sizes[1] / sizes[0] < 0.53
    tensors, facts = load_checkpoint(tmp_path / "half.safetensors", kind=metric.kind)
    assert facts["provenance"] == {"seed": 1}
    for name, value in metric.state_dict().items():
        if value.is_floating_point():
            assert tensors[name].dtype == torch.float16
            assert (tensors[name].float() - value).abs().max() <= value.abs().max() * 2**-11
        else:
            assert torch.equal(tensors[name], value)


def test_the_spatial_loss_hardly_moves(tmp_path):
    metric, images = _fitted(SpatialCoherence(load_scale("smoke").spatial))
    whole, half = _both(metric, tmp_path)
    losses = [
        float(m.total(m.compare(*images[:12].chunk(2), generator=torch.Generator().manual_seed(0))))
        for m in (whole, half)
    ]
    assert losses[0] != losses[1]
    assert abs(losses[1] / losses[0] - 1) < MOST_CHANGE


def test_the_loss_on_windows_hardly_moves(tmp_path):
    settings = load_scale("smoke").temporal
    metric, images = _fitted(SpatialTemporalCoherence(settings))
    whole, half = _both(metric, tmp_path)
    windows = [images[start : start + settings.window_frames][None] for start in (0, 6)]
    losses = [
        float(m.total(m.compare(*windows, generator=torch.Generator().manual_seed(0))))
        for m in (whole, half)
    ]
    assert losses[0] != losses[1]
    assert abs(losses[1] / losses[0] - 1) < MOST_CHANGE


def test_distances_of_sound_and_expression_hardly_move(tmp_path):
    settings = load_scale("smoke").cross_modal
    torch.manual_seed(0)
    whole, half = _both(CrossModalCoherence(settings), tmp_path)
    frames = torch.rand(2, 8, settings.frames, 52)
    with torch.no_grad():
        near, moved = (model.distance(*frames) for model in (whole, half))
    assert not torch.equal(near, moved)
    assert (near - moved).abs().max() < MOST_CHANGE * near.abs().max()


def test_edits_hardly_move(tmp_path):
    space = ExpressionSpace(tuple(f"unit{n}" for n in range(8)), (0.0, 1.0))
    settings = replace(ManipulatorSettings(), width=16, encoder_width=16, mapping_width=16)
    manipulator = Manipulator(settings, space).eval()
    manipulator.measure_scale(torch.rand(200, 8))
    save_manipulator(tmp_path / "whole.safetensors", manipulator)
    pack_half(tmp_path / "whole.safetensors", tmp_path / "half.safetensors", kind="manipulator")
    source, style = torch.rand(20, 8), torch.randn(settings.style_size)
    edits = [
        manipulate(
            source, manipulator=load_manipulator(tmp_path / f"{name}.safetensors"), style=style
        )
        for name in ("whole", "half")
    ]
    assert not torch.equal(*edits)
    assert (edits[0] - edits[1]).abs().max() < MOST_CHANGE


def test_what_does_not_fit_is_refused(tmp_path):
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    tensors = {"fine": torch.ones(2), "large": torch.tensor([1e6])}
    save_checkpoint(whole, tensors, kind="some", facts={})
    with pytest.raises(CheckpointError, match="large would be infinite"):
        pack_half(whole, half, kind="some")
    assert not half.exists()
