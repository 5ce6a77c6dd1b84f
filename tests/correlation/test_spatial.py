from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from spfem.correlation import SpatialCoherence
from spfem.correlation.asccl import adaptive_weight, neighbour_disparities
from spfem.errors import SettingsError, ShapeError
from spfem.settings import SpatialSettings
from tests.correlation.planted import SMALL

TINY = replace(SMALL, image_size=16, widths=(4, 8), centres=(4, 2))


def build(settings=SMALL, seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    return SpatialCoherence(settings).to(dtype)


def images(count=2, side=32, dtype=torch.float32):
    return torch.rand(count, 3, side, side, dtype=dtype) * 2 - 1


def fixed_centres(metric, images_, seed=0):
    with torch.no_grad():
        maps = metric.resnet50(images_)
    return metric.draw_centres(maps, torch.Generator().manual_seed(seed))


def test_loss_equals_the_formula_written_out():
    metric = build(dtype=torch.float64).eval()
    generated, source = images(dtype=torch.float64), images(dtype=torch.float64)
    centres = fixed_centres(metric, generated)
    total = 0.0
    for level in range(2):
        maps = [metric.resnet50(batch)[level] for batch in (generated, source)]
        q_raw, k_raw = (neighbour_disparities(features, centres[level]) for features in maps)
        for b in range(2):
            query, key = (
                [metric.mlp.project(level, raw[b, :, s]) for s in range(raw.shape[2])]
                for raw in (q_raw, k_raw)
            )
            query, key = ([row / row.norm() for row in rows] for rows in (query, key))
            weights = [
                float(adaptive_weight(q_raw[b, :, s].detach()).mean()) for s in range(len(query))
            ]
            entropies = []
            for s, row in enumerate(query):
                logits = [float((row @ other).detach()) / 0.07 for other in key]
                entropies.append(math.log(sum(map(math.exp, logits))) - logits[s])
            mean = sum(w * e for w, e in zip(weights, entropies, strict=True)) / sum(weights)
            total += 0.3 * mean / 2
    levels = metric.compare(generated, source, centres=centres)
    assert metric.total(levels).item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("compat", ["paper", "upstream"])
def test_flat_images_give_chance_and_finite_gradients(compat):
    settings = replace(
        SMALL, image_size=64, widths=(4, 4, 4, 4), blocks=(1, 1, 1, 1), centres=(32, 16, 8, 4)
    )
    metric = build(replace(settings, compat=compat)).eval()
    with torch.no_grad():
        metric.resnet50.conv1.weight.zero_()  # all differences are exactly zero
        for name, parameter in metric.named_parameters():
            if "conv" in name or "downsample.0" in name:
                parameter.zero_()
    generated = images(side=64).requires_grad_()
    loss = metric(generated, images(side=64))
    loss.backward()
    assert loss.item() == pytest.approx(0.3 * 18.0218, abs=1e-3)
    assert torch.isfinite(generated.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in metric.parameters() if p.grad is not None)


def scaled_features(metric, factor=20.0):
    """Enlarge the features of the last batch norms so that many weights exceed 1."""
    with torch.no_grad():
        for name, parameter in metric.named_parameters():
            if name.endswith(("bn3.weight", "downsample.1.weight")):
                parameter.mul_(factor)
    return metric


def test_only_the_released_form_sends_a_gradient_through_the_weight():
    generated, source = images(dtype=torch.float64), images(dtype=torch.float64)
    gradients = {}
    for compat in ("paper", "scalar_weight", "weight_gradient", "upstream"):
        metric = scaled_features(build(replace(SMALL, compat=compat), dtype=torch.float64).eval())
        leaf = generated.clone().requires_grad_()
        levels = metric.compare(leaf, source, centres=fixed_centres(metric, generated))
        weight = torch.stack([level.weight.mean() for level in levels]).sum()
        assert weight > 2.001
        gradients[compat] = weight.requires_grad
    assert gradients == {
        "paper": False,
        "scalar_weight": False,
        "weight_gradient": True,
        "upstream": True,
    }


def test_all_released_behaviours_by_name_are_the_released_arithmetic():
    names = "+".join(SpatialSettings.RELEASED_BEHAVIOURS)
    pair = images(dtype=torch.float64), images(dtype=torch.float64)

    def loss(compat):
        metric = scaled_features(build(replace(SMALL, compat=compat), dtype=torch.float64).eval())
        generator = torch.Generator().manual_seed(3)
        return metric.total(metric.compare(*pair, generator=generator)).item()

    losses = {c: loss(c) for c in ("paper", *SpatialSettings.RELEASED_BEHAVIOURS, names)}
    assert losses[names] == loss("upstream")
    assert losses["weight_gradient"] == losses["paper"]  # it shows in the gradient only
    assert len({losses["paper"], losses["scalar_weight"], losses["wrapping_region"]}) == 3


@pytest.mark.parametrize("settings", [{"adaptive": False}, {"compat": "upstream"}])
def test_gradient_is_right(settings):
    # With stop-gradient weights the numeric derivative would include the weights' change.
    metric = build(replace(TINY, **settings), dtype=torch.float64).eval().requires_grad_(False)
    generated, source = images(1, 16, torch.float64), images(1, 16, torch.float64)
    centres = fixed_centres(metric, generated)

    def loss(patch):
        pasted = generated.clone()
        pasted[:, :, 5:8, 5:8] = patch
        return metric.total(metric.compare(pasted, source, centres=centres))

    patch = generated[:, :, 5:8, 5:8].clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (patch,), eps=1e-6, atol=1e-6)


def test_supervision_gives_the_generated_side_a_gradient_and_leaves_the_metric_alone():
    metric = build().supervise()
    before = {name: value.clone() for name, value in metric.state_dict().items()}
    generated, source = images().requires_grad_(), images().requires_grad_()
    metric(generated, source).backward()
    assert generated.grad.abs().sum() > 0
    assert source.grad is None
    assert all(parameter.grad is None for parameter in metric.parameters())
    assert all(torch.equal(before[name], value) for name, value in metric.state_dict().items())


def test_swapped_arguments_are_an_error():
    metric = build().supervise()
    generated = images().requires_grad_()
    with pytest.raises(ShapeError, match="swapped"):
        metric(images(), generated)
    with torch.no_grad():
        assert torch.isfinite(metric(images(), generated))


def test_bad_arguments_are_named():
    metric = build().supervise()
    with pytest.raises(ShapeError, match="source must lie in"):
        metric(images(), images() * 100)
    with pytest.raises(ShapeError, match="generated holds values that are not finite"):
        metric(images() * torch.nan, images())
    with pytest.raises(ShapeError, match="same number"):
        metric(images(2), images(3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": (8,)},
        {"widths": (8, 6)},
        {"blocks": (1, 0)},
        {"compat": "released"},
        {"compat": "scalar_weight+nothing"},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        replace(SMALL, **wrong)
