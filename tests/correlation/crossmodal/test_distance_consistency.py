from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.correlation.paired import distance_consistency_loss, paired_expression_loss
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.errors import ShapeError
from spfem.manipulator.networks import ExpressionSpace, Manipulator
from spfem.settings import CrossModalSettings, ManipulatorSettings
from tests.correlation.crossmodal.retrieved import (
    BETWEEN,
    DISTANCE,
    PAIRED,
    SOURCE_LABEL,
    TARGET_LABEL,
    metric_for_supervision,
    windows,
)
from tests.correlation.crossmodal.test_model import NARROW
from tests.parity import cases


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


def test_bad_arguments_are_named():
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
