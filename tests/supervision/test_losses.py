"""Losses of retrieved windows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.correlation import CrossModalCoherence
from spfem.errors import ShapeError
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Retrieved, SupervisedEdit
from spfem.manipulator.losses import PairedWindows
from spfem.supervision.pairs import PairLosses, embed_windows
from tests.correlation.planted_sound import EXPRESSION_SIZE
from tests.correlation.planted_sound import SMALL as CROSS_MODAL


def assert_untouched(*metrics):
    for metric in metrics:
        assert not metric.training
        assert all(parameter.grad is None for parameter in metric.parameters())


MEAN = torch.linspace(0.1, 0.4, EXPRESSION_SIZE)
DEVIATION = torch.linspace(0.05, 0.2, EXPRESSION_SIZE)
# Rows: from neutral, to neutral, across, the same emotion, without a pair.
LABEL = torch.tensor([3, 0, 4, 5, 6])
NUMBER = torch.tensor([0, 12, 13, 24, 2])
WINDOW = torch.tensor([13, 2, 25, 24, -1])
BY_WAY_OF = torch.tensor([-1, -1, 4, -1, -1])
DISTANCE = torch.tensor([0.4, 1.1, 0.9, 0.0, torch.inf])
FIRST_DISTANCE = torch.tensor([0.0, 0.0, 0.6, 0.0, torch.inf])


@pytest.fixture(scope="module")
def sound_metric():
    torch.manual_seed(0)
    sound_metric = CrossModalCoherence(CROSS_MODAL)
    for module in sound_metric.modules():  # statistics that batch mode would change
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    sound_metric.scale_layer.requires_grad_(False)
    for parameter in sound_metric.scale_layer.parameters():
        parameter.add_(0.3)
    return sound_metric.supervise()


@pytest.fixture(scope="module")
def windows():
    random = torch.Generator().manual_seed(1)
    sequences = [
        MEAN + DEVIATION * torch.randn(15, EXPRESSION_SIZE, generator=random) for _ in range(6)
    ]
    return ExpressionWindows(sequences, [0, 0, 3, 4, 5, 5], window_frames=10, batch_size=5, seed=0)


def restore(standardised):
    return standardised * DEVIATION + MEAN


def paired_edit(windows, *, window=WINDOW, distance=DISTANCE, first_distance=FIRST_DISTANCE):
    raw = windows.take(NUMBER)
    source = replace(raw, expression=(raw.expression - MEAN) / DEVIATION)
    random = torch.Generator().manual_seed(2)
    edited = torch.randn(source.expression.shape, generator=random).requires_grad_()
    retrieved = Retrieved(window, distance, BY_WAY_OF, first_distance)
    rows = retrieved.paired.nonzero()[:, 0]
    pairs = None
    if len(rows):
        target = windows.take(window[rows]).expression
        pairs = PairedWindows(rows, ((target - MEAN) / DEVIATION).requires_grad_())
    return SupervisedEdit(source, edited, LABEL, restore, 0, retrieved, pairs)


def test_values_are_those_of_a_slow_loop(sound_metric, windows):
    edit = paired_edit(windows)
    values = PairLosses(sound_metric, embed_windows(sound_metric, windows))(edit)
    paired = []
    for row in range(4):
        target = windows.take(WINDOW[row, None]).expression[0]
        target = (target - MEAN) / DEVIATION  # cosines are of standardised expressions
        cosines = []
        for frame in range(10):
            one, other = edit.edited[row, frame, 1:], target[frame, 1:]
            cosines.append(1 - (one @ other) / (one.norm() * other.norm()))
        weight = 2 / (1 + (DISTANCE[row] + FIRST_DISTANCE[row]) / 2)
        paired.append(weight * torch.stack(cosines).mean())
    torch.testing.assert_close(values["paired"], torch.stack(paired).mean())

    consistency = []
    for row, reference in ((0, NUMBER[0]), (1, NUMBER[1]), (2, BY_WAY_OF[2])):
        seen = sound_metric.embed_visual(restore(edit.edited[row])[None])  # in coefficients
        known = sound_metric.embed_visual(windows.take(reference[None]).expression)
        consistency.append((sound_metric.embedding_distance(seen, known)[0] - DISTANCE[row]).abs())
    torch.testing.assert_close(
        values["consistency"], torch.stack(consistency).mean(), atol=1e-5, rtol=1e-4
    )


def test_gradient_reaches_the_edited_side_only_and_the_metric_stays(sound_metric, windows):
    edit = paired_edit(windows)
    edit.source.expression.requires_grad_()
    embeddings = embed_windows(sound_metric, windows)
    assert not embeddings.requires_grad
    values = PairLosses(sound_metric, embeddings)(edit)
    (of_pairs,) = torch.autograd.grad(values["paired"], edit.edited, retain_graph=True)
    assert (of_pairs[:4, :, 1:].abs().sum(-1) > 0).all()
    assert not of_pairs[4].any()  # without a pair
    assert not of_pairs[..., 0].any()  # the jaw
    (of_distances,) = torch.autograd.grad(values["consistency"], edit.edited, retain_graph=True)
    touched = of_distances.abs().sum(-1) > 0
    assert touched[:3, -CROSS_MODAL.frames :].all()
    assert touched.sum() == 3 * CROSS_MODAL.frames
    sum(values.values()).backward()
    assert edit.source.expression.grad is None
    assert edit.pairs.target.grad is None
    assert_untouched(sound_metric)


def test_a_batch_without_pairs_gives_zero_and_no_gradient(sound_metric, windows):
    nothing = torch.full((5,), -1)
    infinite = torch.full((5,), torch.inf)
    edit = paired_edit(windows, window=nothing, distance=infinite, first_distance=infinite)
    values = PairLosses(sound_metric, embed_windows(sound_metric, windows))(edit)
    sum(values.values()).backward()
    assert {name: value.item() for name, value in values.items()} == {
        "paired": 0,
        "consistency": 0,
    }
    assert not edit.edited.grad.any()


def test_losses_without_retrieval_are_refused(sound_metric, windows):
    edit = replace(paired_edit(windows), retrieved=None)
    with pytest.raises(ShapeError, match="found None"):
        PairLosses(sound_metric, embed_windows(sound_metric, windows))(edit)
