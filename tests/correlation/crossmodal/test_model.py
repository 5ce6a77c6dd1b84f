from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from spfem.correlation import CrossModalCoherence
from spfem.errors import SettingsError, ShapeError
from spfem.settings import CrossModalSettings

NARROW = CrossModalSettings(width=16, image_width=16, embedding=32, image_size=32)


def build(visual="expression", settings=NARROW):
    torch.manual_seed(0)
    metric = CrossModalCoherence(settings, visual)
    with torch.no_grad():
        metric.scale_layer.w.fill_(1.5)
        metric.scale_layer.b.fill_(0.25)
    return metric


def windows(visual="expression", count=3, length=4):
    if visual == "expression":
        return torch.randn(count, length, 20)
    return torch.rand(count, length, 3, 24, 24) * 2 - 1


def moved_statistics(metric):
    """Give batch norms other statistics than the initial ones, as learning does."""
    for module in metric.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return metric


@pytest.mark.parametrize("visual", ["expression", "image"])
def test_loss_equals_the_formula_written_out(visual):
    metric = moved_statistics(build(visual)).supervise()
    generated, source = windows(visual), windows(visual)
    audio_distance = torch.rand(3) * 2
    total = 0.0
    for n in range(3):
        u, v = (metric.embed_visual(batch[n : n + 1])[0] for batch in (generated, source))
        distance = 1.5 * (u - v).square().sum().sqrt() + 0.25
        total += abs(distance.item() - audio_distance[n].item()) / 3
    loss = metric(generated, source, audio_distance)
    assert loss.item() == pytest.approx(total, rel=1e-4)
    order = torch.tensor([2, 0, 1])
    turned = metric(generated[order], source[order], audio_distance[order])
    torch.testing.assert_close(turned, loss)


@pytest.mark.parametrize("visual", ["expression", "image"])
def test_supervision_gives_the_generated_side_a_gradient_and_leaves_the_metric_alone(visual):
    metric = build(visual).supervise()
    before = {name: value.clone() for name, value in metric.state_dict().items()}
    generated, source = (windows(visual).requires_grad_() for _ in range(2))
    parent = nn.Sequential(metric)
    parent.train()
    assert not any(module.training for module in metric.modules())
    metric(generated, source, torch.rand(3)).backward()
    assert generated.grad[:, -2:].abs().sum() > 0
    assert source.grad is None
    assert all(parameter.grad is None for parameter in metric.parameters())
    assert all(torch.equal(before[name], value) for name, value in metric.state_dict().items())


def test_gradient_is_right():
    settings = CrossModalSettings(width=4, embedding=8, heads=2, layers=4)
    metric = moved_statistics(build(settings=settings)).double().supervise()
    source, audio_distance = windows(count=2).double(), torch.rand(2).double()
    generated = windows(count=2, length=2).double().requires_grad_()

    def loss(leaf):
        return metric(leaf, source[:, -2:], audio_distance)

    assert torch.autograd.gradcheck(loss, (generated,), eps=1e-7, atol=1e-5)


def test_swapped_arguments_are_an_error():
    metric = build().supervise()
    generated, audio_distance = windows().requires_grad_(), torch.rand(3)
    with pytest.raises(ShapeError, match="swapped"):
        metric(windows(), generated, audio_distance)
    with torch.no_grad():
        assert torch.isfinite(metric(windows(), generated, audio_distance))


def test_bad_arguments_are_named():
    metric, images = build().supervise(), build("image").supervise()
    with pytest.raises(ShapeError, match=r"generated must be .* at least 2"):
        metric(windows(length=1), windows(), torch.rand(3))
    with pytest.raises(ShapeError, match="same number"):
        metric(windows(), windows(count=2), torch.rand(3))
    with pytest.raises(ShapeError, match="source holds values that are not finite"):
        metric(windows(), windows() * torch.nan, torch.rand(3))
    with pytest.raises(ShapeError, match="leave out windows without a pair"):
        metric(windows(), windows(), torch.tensor([0.0, torch.inf, 0.0]))
    with pytest.raises(ShapeError, match=r"audio_distance must be \(3,\)"):
        metric(windows(), windows(), torch.rand(3, 1))
    with pytest.raises(ShapeError, match="generated must lie in"):
        images(windows("image") * 100, windows("image"), torch.rand(3))
    with pytest.raises(ShapeError, match=r"\(B, T, 3, H, W\)"):
        images.embed_visual(windows())
    with pytest.raises(ShapeError, match="slices must be"):
        metric.embed_audio(torch.randn(3, 1066))
    with pytest.raises(SettingsError, match="visual must be"):
        build("video")


@pytest.mark.parametrize("visual", ["expression", "image"])
def test_a_saved_metric_comes_back_frozen_with_its_settings(tmp_path, visual):
    metric = moved_statistics(build(visual, replace(NARROW, compat="false_negatives")))
    metric.save(tmp_path / "metric.safetensors", provenance={"steps": 3})
    loaded = CrossModalCoherence.load(tmp_path / "metric.safetensors")
    assert loaded.settings == metric.settings
    assert loaded.visual == visual
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    frames, slices = windows(visual), torch.randn(3, 2, 100)
    metric.eval()
    torch.testing.assert_close(loaded.embed_visual(frames), metric.embed_visual(frames))
    torch.testing.assert_close(loaded.embed_audio(slices), metric.embed_audio(slices))
    again = CrossModalCoherence.load(tmp_path / "metric.safetensors", supervise=False)
    assert all(parameter.requires_grad for parameter in again.parameters())
