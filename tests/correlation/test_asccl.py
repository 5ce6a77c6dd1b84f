from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from spfem.correlation import SpatialCoherence
from spfem.correlation.asccl import (
    NEIGHBOUR_OFFSETS,
    ProjectionHeads,
    adaptive_weight,
    central_range,
    info_nce,
    neighbour_disparities,
    normalise_channels,
    on_face,
    region_weight,
    sample_centres,
)
from spfem.errors import ShapeError
from spfem.released.arithmetic import wide_range
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


STEPS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def test_differences_equal_a_slow_loop():
    features = torch.randn(2, 3, 6, 7)
    centres = torch.tensor([[1, 1], [4, 5], [2, 3]])
    found = neighbour_disparities(features, centres)
    assert found.shape == (2, 3, 24)
    for p, (row, column) in enumerate(centres.tolist()):
        for n, (down, right) in enumerate(STEPS):
            wanted = features[:, :, row, column] - features[:, :, row + down, column + right]
            assert torch.equal(found[:, :, 8 * p + n], wanted)


def test_flipped_map_with_flipped_centres_gives_the_same_differences_in_flipped_order():
    features = torch.randn(1, 3, 8, 9)
    centres = sample_centres(8, 9, 5)
    mirrored = torch.stack([centres[:, 0], 8 - centres[:, 1]], dim=1)
    order = [NEIGHBOUR_OFFSETS.index((row, -column)) for row, column in NEIGHBOUR_OFFSETS]
    plain = neighbour_disparities(features, centres).unflatten(2, (5, 8))
    flipped = neighbour_disparities(features.flip(3), mirrored).unflatten(2, (5, 8))
    assert torch.equal(flipped, plain[..., order])


def test_weight_is_one_then_jumps_then_tends_to_two():
    edge = math.log(4)
    d = torch.tensor([0.0, edge - 1e-3, edge + 1e-3, 30.0, -(edge + 1e-3)], dtype=torch.float64)
    weights = adaptive_weight(d).tolist()
    assert weights[:2] == [1.0, 1.0]
    assert weights[2] == pytest.approx(1.28, abs=1e-3)
    assert weights[2] == weights[4]
    assert weights[3] == pytest.approx(2.0)


def test_region_weight_is_the_channel_mean_without_gradient():
    disparities = (3 * torch.randn(2, 5, 4)).requires_grad_()
    weights = region_weight(disparities)
    assert not weights.requires_grad
    for b in range(2):
        for s in range(4):
            strengths = [1 / (1 + math.exp(-abs(float(d)))) for d in disparities[b, :, s].detach()]
            wanted = sum(1 if t <= 0.8 else 2 * t * t for t in strengths) / 5
            assert float(weights[b, s]) == pytest.approx(wanted, rel=1e-5)


def test_paper_size_has_the_published_parameter_count_and_names():
    with torch.device("meta"):
        heads = ProjectionHeads(SpatialSettings().widths)
    assert sum(parameter.numel() for parameter in heads.parameters()) == 436_400
    numbers = {name.split(".")[0] for name in heads.state_dict()}
    assert numbers == {"0", "2", "3", "5", "6", "8", "9", "11"}


def test_scale_does_not_matter_and_zero_has_a_finite_gradient():
    rows = torch.randn(1, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(
        normalise_channels(rows), normalise_channels(50 * rows), rtol=1e-5, atol=0
    )
    zero = torch.zeros(1, 6, 4, requires_grad=True)
    normalise_channels(zero).sum().backward()
    assert torch.isfinite(zero.grad).all()


def descriptors(rows=6, dtype=torch.float64):
    return (normalize(torch.randn(2, 4, rows, dtype=dtype), dim=1) for _ in range(2))


def test_independent_descriptors_are_no_better_than_chance():
    query, key = (normalize(torch.randn(8, 64, 128), dim=1) for _ in range(2))
    assert info_nce(query, key, 0.07).mean() > math.log(128)


def test_gradient_reaches_the_query_only_and_is_right():
    query, key = descriptors(rows=3)
    query.requires_grad_()
    key.requires_grad_()
    info_nce(query, key, 0.2).sum().backward()
    assert key.grad is None
    assert torch.autograd.gradcheck(lambda q: info_nce(q, key, 0.2), (query,))


def test_shapes_must_agree():
    with pytest.raises(ShapeError):
        info_nce(torch.zeros(1, 4, 5), torch.zeros(1, 4, 6), 0.07)


def test_released_region():
    sides = (112, 56, 28, 14, 128, 64, 32, 16, 36, 18, 9, 5)
    counts = (106, 53, 26, 13, 121, 60, 30, 15, 34, 17, 8, 4)
    assert [wide_range(side) for side in sides] == [
        ((side - count) // 2, count) for side, count in zip(sides, counts, strict=True)
    ]


@given(st.integers(4, 300))
def test_default_region_keeps_every_neighbour_inside(side):
    first, count = central_range(side)
    assert count >= 1
    assert first >= 1
    assert first + count <= side - 1


def test_centres_are_distinct_uniform_and_reproducible():
    generator = torch.Generator().manual_seed(0)
    draws = [sample_centres(7, 9, 5, generator=generator) for _ in range(800)]
    for centres in draws:
        assert len({tuple(place) for place in centres.tolist()}) == 5
    rows, columns = torch.cat(draws).T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 5, 1, 7)
    counts = torch.zeros(5, 7).index_put(
        (rows - 1, columns - 1), torch.ones(len(rows)), accumulate=True
    )
    assert counts.min() > 70
    assert counts.max() < 165
    again = sample_centres(7, 9, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again, draws[0])


def test_face_is_an_ellipse_in_the_middle_of_the_picture():
    for height, width in ((48, 48), (6, 6), (10, 14)):
        found = on_face(height, width)
        for row in range(height):
            for column in range(width):
                down, right = (row + 0.5) / height - 0.55, (column + 0.5) / width - 0.5
                wanted = (down / 0.38) ** 2 + (right / 0.32) ** 2 < 1
                assert bool(found[row, column]) == wanted
    assert 0.37 < float(on_face(96, 96).float().mean()) < 0.39


def test_centres_inside_are_all_places_of_the_face_with_their_neighbours():
    draws = [
        sample_centres(9, 9, 8, inside=True, generator=torch.Generator().manual_seed(seed))
        for seed in range(60)
    ]
    found = torch.zeros(9, 9, dtype=torch.bool)
    found[tuple(torch.cat(draws).T)] = True
    wanted = on_face(9, 9)
    wanted[[0, -1]] = wanted[:, [0, -1]] = False
    assert torch.equal(found, wanted)
    assert all(len({tuple(place) for place in draw.tolist()}) == 8 for draw in draws)
    with pytest.raises(ShapeError, match="14 places for centres on the face, 16 are wanted"):
        sample_centres(6, 6, 16, inside=True)


def test_a_metric_with_inside_asks_nothing_of_the_background():
    metric = build(replace(SMALL, image_size=64, inside=True)).eval()
    maps = [torch.zeros(1, 4, side, side) for side in (32, 16)]
    for centres, features in zip(metric.draw_centres(maps), maps, strict=False):
        assert on_face(*features.shape[2:])[tuple(centres.T)].all()
    everywhere = build(replace(SMALL, image_size=64)).eval()
    drawn = torch.cat([everywhere.draw_centres(maps)[0] for _ in range(20)])
    assert not on_face(32, 32)[tuple(drawn.T)].all()
