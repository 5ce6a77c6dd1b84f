from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.correlation.paired import distance_consistency_loss, pair_weights, paired_expression_loss
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.errors import ShapeError
from spfem.manipulator.networks import ExpressionSpace, Manipulator
from spfem.settings import CrossModalSettings, ManipulatorSettings
from tests.correlation.planted_sound import NARROW, build, moved_statistics
from tests.parity import cases

SOURCE_LABEL = torch.tensor([0, 1, 2, 3, 0, 4, 0, 5])
TARGET_LABEL = torch.tensor([1, 0, 3, 3, 0, 5, 2, 6])
PAIRED = torch.tensor([True, True, True, True, True, False, False, True])
DISTANCE = torch.tensor([0.5, 1.0, 1.5, 0.0, 0.0, torch.inf, torch.inf, 0.2]).double()
BETWEEN = torch.tensor([0.0, 0.0, 0.7, 0.0, 0.0, torch.inf, torch.inf, 1.9]).double()


def windows(count=8, length=5, size=12):
    return torch.randn(count, length, size).double()


def metric_for_supervision(settings=NARROW):
    return moved_statistics(build(settings=settings)).double().supervise()


def slow_paired(generated, target, distance, paired, between):
    total = 0.0
    for b in paired.nonzero().squeeze(1).tolist():
        weight = 2.0 / (1 + (distance[b] + between[b]) / 2)
        turns = []
        for made, wanted in zip(generated[b, :, 1:], target[b, :, 1:], strict=True):
            turns.append(1 - made @ wanted / (made @ made * (wanted @ wanted)).sqrt())
        total = total + weight * sum(turns) / len(turns)
    return total / paired.sum()


def test_paired_loss_and_gradient_equal_a_loop():
    generated, target = windows().requires_grad_(), windows()
    loss = paired_expression_loss(
        generated, target, DISTANCE, PAIRED, intermediate_distance=BETWEEN
    )
    expected = slow_paired(generated, target, DISTANCE, PAIRED, BETWEEN)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, generated), torch.autograd.grad(expected, generated)
    )


def test_absolute_form_equals_a_loop_and_counts_amounts():
    generated, target = windows(), windows()
    found = paired_expression_loss(generated, target, DISTANCE, PAIRED, form="absolute")
    rows = []
    for row in range(len(generated)):
        if PAIRED[row]:
            gap = (generated[row, :, 1:] - target[row, :, 1:]).abs().mean()
            rows.append(2.0 / (1 + DISTANCE[row] / 2) * gap)
    assert torch.allclose(found, torch.stack(rows).mean())
    doubled = paired_expression_loss(2 * target, target, DISTANCE, PAIRED, form="absolute")
    assert float(doubled) > 0.01


def test_paired_loss_of_zero_expressions_has_finite_gradients():
    generated = torch.zeros(8, 5, 12).requires_grad_()
    paired_expression_loss(generated, windows().float(), DISTANCE.float(), PAIRED).backward()
    assert torch.isfinite(generated.grad).all()


def test_paired_loss_gradient_is_right():
    target = windows(2, 2, 4)
    both = torch.tensor([True, True])

    def loss(generated):
        return paired_expression_loss(generated, target, DISTANCE[:2], both)

    assert torch.autograd.gradcheck(loss, (windows(2, 2, 4).requires_grad_(),))


def test_bad_arguments_are_named():
    with pytest.raises(ShapeError, match=r"generated and target must both be"):
        paired_expression_loss(windows(), windows(length=4), DISTANCE, PAIRED)
    with pytest.raises(ShapeError, match="distance must have 8 rows"):
        paired_expression_loss(windows(), windows(), DISTANCE[:3], PAIRED)
    with pytest.raises(ShapeError, match="paired must be bool"):
        paired_expression_loss(windows(), windows(), DISTANCE, PAIRED.float())


def test_weights_halve_from_equal_sound_to_the_threshold():
    distance = torch.tensor([0.0, 2.0, torch.inf, 1.0])
    torch.testing.assert_close(pair_weights(distance), torch.tensor([2.0, 1.0, 0.0, 4 / 3]))
    both = pair_weights(torch.tensor([1.0]), torch.tensor([1.0]), threshold=3.0)
    torch.testing.assert_close(both, torch.tensor([1.5]))


def slow_consistency(metric, generated, source, between, released):
    terms = []
    for b in range(8):
        first, second = int(SOURCE_LABEL[b]), int(TARGET_LABEL[b])
        if not PAIRED[b] or first == second:
            continue
        if first == 0 or second == 0:
            reference, wanted = source[b : b + 1], DISTANCE[b]
        else:
            reference = between[b : b + 1]
            wanted = BETWEEN[b] if released else DISTANCE[b]
        u = metric.embed_visual(generated[b : b + 1])
        v = metric.embed_visual(reference).detach()
        terms.append((1.5 * (u - v).square().sum().sqrt() + 0.25 - wanted).abs())
    assert len(terms) == 4
    return sum(terms) / len(terms)


@pytest.mark.parametrize("compat", ["paper", "intermediate_distance", "upstream"])
def test_batched_consistency_and_gradient_equal_a_loop(compat):
    settings = replace(NARROW, compat=compat)
    metric = metric_for_supervision(settings)
    generated, source, between = windows().requires_grad_(), windows(), windows()
    loss = distance_consistency_loss(
        metric,
        generated,
        source,
        DISTANCE,
        PAIRED,
        SOURCE_LABEL,
        TARGET_LABEL,
        intermediate=between,
        intermediate_distance=BETWEEN,
    )
    expected = slow_consistency(metric, generated, source, between, compat != "paper")
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, generated), torch.autograd.grad(expected, generated)
    )


def test_equal_windows_have_finite_gradients():
    metric = metric_for_supervision()
    source = windows()
    generated = source.clone().requires_grad_()
    distance_consistency_loss(
        metric,
        generated,
        source,
        DISTANCE,
        PAIRED,
        SOURCE_LABEL,
        TARGET_LABEL,
        intermediate=source,
    ).backward()
    assert torch.isfinite(generated.grad).all()


def test_bad_arguments_are_named_distance_consistency():
    metric, labels = metric_for_supervision(), (SOURCE_LABEL, TARGET_LABEL)
    with pytest.raises(ShapeError, match="need intermediate or intermediate_embedding"):
        distance_consistency_loss(metric, windows(), windows(), DISTANCE, PAIRED, *labels)
    with pytest.raises(ShapeError, match="swapped"):
        distance_consistency_loss(
            metric, windows(), windows().requires_grad_(), DISTANCE, PAIRED, *labels
        )
    released = replace(NARROW, compat="upstream")
    with pytest.raises(ShapeError, match="needs intermediate_distance"):
        distance_consistency_loss(
            metric_for_supervision(released),
            windows(),
            windows(),
            DISTANCE,
            PAIRED,
            *labels,
            intermediate=windows(),
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_terms_equal_the_recorded_ones(check, parity_folder, dtype):
    for case in cases(check, parity_folder, "manip_losses_scmcl", dtype):
        inputs = case.inputs
        names = tuple(map(str, range(inputs["x"].shape[2])))
        networks = Manipulator(ManipulatorSettings(standardise=False), ExpressionSpace(names))
        for name in ("generator", "style_encoder"):
            case.fill(networks.get_submodule(name), name)
        metric = CrossModalCoherence(CrossModalSettings(compat="upstream"))
        case.fill(metric.expr_encoder, "expr_encoder")
        case.fill(metric.expr_attn, "expr_attn")
        case.fill(metric.scale_layer, "scale")
        metric.supervise()
        style = networks.style_encoder(inputs["x_ref"])
        generated = networks.generator(inputs["x"], style)
        paired = inputs["mask"].bool()
        loss = paired_expression_loss(
            generated,
            inputs["x_tgt"],
            inputs["dist"],
            paired,
            intermediate_distance=inputs["inter_dist"],
            threshold=case.arguments["dist_thresh"],
        )
        case.verify("g_paired", loss)
        loss = distance_consistency_loss(
            metric,
            generated,
            inputs["x"],
            inputs["dist"],
            paired,
            inputs["y_org"],
            inputs["y_trg"],
            intermediate=inputs["inter_tgt"],
            intermediate_distance=inputs["inter_dist"],
        )
        case.verify("g_sim", loss)
