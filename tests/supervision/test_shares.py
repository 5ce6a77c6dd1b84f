"""Weights of losses by their share in the gradient on the edited codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import SettingsError
from spfem.manipulator import ExpressionSpace
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Guide
from spfem.manipulator.networks import Manipulator
from spfem.supervision.shares import NED, measure_gradients, reweigh, weigh
from tests.manipulator.conftest import SMALL, planted_speech

SPACE = ExpressionSpace(tuple(f"unit{number}" for number in range(12)), (0.0, 1.0))
SETTINGS = replace(SMALL, batch_size=8)


def make_windows(seed=0):
    sequences, labels, _ = planted_speech(7, frames=16, coefficients=12)
    return ExpressionWindows(sequences, labels, window_frames=10, batch_size=8, seed=seed)


def start():
    return Manipulator(SETTINGS, SPACE, seed=1)


def guide(large=100.0):
    """Two losses of known gradients: of one number, and of all."""

    def losses(edit):
        return {"one": large * edit.edited[0, 0, 0], "all": edit.edited.sum()}

    return Guide({"one": 0.1, "all": 0.1}, losses)


def test_norms_are_those_of_the_gradient_on_the_edited_codes():
    found = measure_gradients(start(), SETTINGS, make_windows(), guide(), 3)
    assert list(found) == [NED, "one", "all"]
    assert found["one"] == pytest.approx(100)
    assert found["all"] == pytest.approx((8 * 10 * 12) ** 0.5, rel=1e-6)
    assert found[NED] > 0


def test_measuring_changes_nothing_and_gives_the_same_again():
    manipulator, windows = start(), make_windows()
    before = {name: value.clone() for name, value in manipulator.state_dict().items()}
    frames = windows.frames.clone()
    first = measure_gradients(manipulator, SETTINGS, windows, guide(), 2)
    torch.rand(3)
    assert measure_gradients(manipulator, SETTINGS, windows, guide(), 2) == first
    assert all(torch.equal(before[n], value) for n, value in manipulator.state_dict().items())
    assert torch.equal(frames, windows.frames)


def test_ned_is_measured_on_the_same_windows_whatever_supervises():
    manipulator, other = start(), Guide({"none": 1.0}, lambda edit: {"none": edit.edited.mean()})
    norms = [measure_gradients(manipulator, SETTINGS, make_windows(), g, 2)[NED]
             for g in (guide(), other)]  # fmt: skip
    assert norms[0] == norms[1]


def test_ned_is_held_to_counterparts_as_the_networks_see_them():
    own = replace(
        SETTINGS, aligned_weight=1.0, adversarial_weight=0, style_weight=0, cycle_weight=0,
        mouth_weight=0,
    )  # fmt: skip
    sequences, labels, _ = planted_speech(7, frames=16, coefficients=12)
    estimates = [torch.rand(7, 16, 12) for _ in sequences]
    windows = ExpressionWindows(
        sequences, labels, window_frames=10, batch_size=8, seed=0, counterparts=estimates
    )
    manipulator = Manipulator(own, SPACE, seed=1)
    manipulator.measure_scale(windows.frames)
    wanted = []

    def losses(edit):
        raw = windows.take(edit.source.number).counterpart(edit.label)
        gap = edit.edited.detach() - (raw - manipulator.mean) / manipulator.deviation
        wanted.append((2 * gap / gap.numel()).norm().item())
        return {"none": edit.edited.sum()}

    found = measure_gradients(manipulator, own, windows, Guide({"none": 1.0}, losses), 2)
    assert found[NED] == pytest.approx(np.mean(wanted), rel=1e-5)


positive = st.floats(1e-4, 1e4)


@settings(max_examples=60, deadline=None)
@given(st.lists(positive, min_size=1, max_size=5), positive, st.floats(0.01, 0.95))
def test_all_losses_together_have_the_share_and_each_as_much(norms, own, share):
    gradients = {NED: own} | {str(number): norm for number, norm in enumerate(norms)}
    published = dict.fromkeys([name for name in gradients if name != NED], 0.1)
    rows = weigh(gradients, published, share)
    assert [row.loss for row in rows] == list(gradients)
    assert rows[0].weight == 1
    np.testing.assert_allclose(rows[0].share, 1 - share, rtol=1e-6)
    np.testing.assert_allclose([row.share for row in rows[1:]], share / len(norms), rtol=1e-6)
    pulls = [row.weight * row.gradient for row in rows]
    np.testing.assert_allclose(np.array(pulls) / sum(pulls), [row.share for row in rows])


def test_published_weights_stay_where_no_share_is_asked():
    rows = weigh({NED: 2.0, "spatial": 10.0}, {"spatial": 0.1}, 0.0)
    assert [(row.loss, row.weight) for row in rows] == [(NED, 1.0), ("spatial", 0.1)]
    assert rows[1].share == pytest.approx(1 / 3)


def test_a_weight_of_zero_leaves_a_loss_out():
    rows = weigh({NED: 1.0, "b": 1.0}, {"a": 0.0, "b": 0.1}, 0.5)
    assert {row.loss: row.share for row in rows} == {NED: 0.5, "a": 0.0, "b": 0.5}
    weighed = reweigh(guide(), rows)
    assert weighed.weights == {"a": 0.0, "b": 1.0}


def test_a_loss_without_gradient_is_an_error():
    with pytest.raises(SettingsError, match="paired gives the edited codes no gradient"):
        weigh({NED: 1.0, "paired": 0.0}, {"paired": 10.0}, 0.3)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_no_such_share_is_an_error(share):
    with pytest.raises(SettingsError, match="below 1"):
        weigh({NED: 1.0, "spatial": 1.0}, {"spatial": 0.1}, share)
