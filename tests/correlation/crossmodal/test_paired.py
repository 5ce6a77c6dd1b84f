from __future__ import annotations

import pytest
import torch

from spfem.correlation.paired import pair_weights, paired_expression_loss
from spfem.errors import ShapeError
from tests.correlation.crossmodal.retrieved import BETWEEN, DISTANCE, PAIRED, windows


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
