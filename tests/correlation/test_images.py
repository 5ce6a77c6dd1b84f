from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from spfem.correlation import (
    CrossModalCoherence,
    SpatialCoherence,
    SpatialTemporalCoherence,
    TemporalCoherence,
    images_from_frames,
    prepare_images,
)
from spfem.correlation import images as late_checks
from spfem.correlation.images import CoherenceMetric, check_numbers
from spfem.errors import CheckpointError, SettingsError, ShapeError
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL
from tests.correlation.planted_sound import NARROW, build, moved_statistics


def test_frames_become_images():
    frames = np.zeros((2, 4, 5, 3), np.uint8)
    frames[0, 1, 2] = (255, 0, 51)
    images = images_from_frames(frames)
    assert images.shape == (2, 3, 4, 5)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images[0, :, 1, 2], torch.tensor([1.0, -1.0, -0.6]))


@pytest.mark.parametrize("frames", [np.zeros((4, 5, 3), np.uint8), np.zeros((1, 4, 5, 3))])
def test_other_frames_are_refused(frames):
    with pytest.raises(ShapeError, match="uint8"):
        images_from_frames(frames)


def test_halving_is_antialiased_and_differentiable():
    checker = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).tile(1, 3, 32, 32).requires_grad_()
    small = prepare_images(checker, 32)
    assert small.shape == (1, 3, 32, 32)
    assert small[..., 2:-2, 2:-2].abs().max() < 1e-5  # without antialiasing: stripes
    small.sum().backward()
    assert torch.isfinite(checker.grad).all()
    assert checker.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 8, 8), "must be"),
        (torch.zeros(1, 8, 8, 3), "must be"),
        (torch.zeros(0, 3, 8, 8), "must be"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "floating-point"),
        (np.zeros((1, 3, 8, 8)), "floating-point"),
        (torch.full((1, 3, 8, 8), 200.0), "lie in"),
        (torch.full((1, 3, 8, 8), torch.nan), "not finite"),
        (torch.full((1, 3, 8, 8), torch.inf), "not finite"),
    ],
)
def test_wrong_images_are_refused_by_name(images, message):
    with pytest.raises(ShapeError, match=f"source .*{message}"):
        prepare_images(images, 8, name="source")


WINDOWS = TemporalSettings(spatial=SMALL, places=(16, 6), window_frames=3)
METRICS = {
    "spatial": lambda: SpatialCoherence(replace(SMALL, compat="weight_gradient")),
    "temporal": lambda: TemporalCoherence(replace(WINDOWS, compat="held_frames")),
    "matrices": lambda: TemporalCoherence(replace(WINDOWS, formulation="cm")),
    "joint": lambda: SpatialTemporalCoherence(WINDOWS),
    "joint matrices": lambda: SpatialTemporalCoherence(replace(WINDOWS, formulation="cm")),
    "expression": lambda: moved_statistics(build(settings=replace(NARROW, compat="upstream"))),
    "image": lambda: moved_statistics(build("image")),
}


def inputs(name):
    """Generated and source side, and what else the metric takes."""
    shape = {"spatial": (2, 3, 32, 32), "expression": (2, 4, 20)}.get(name, (2, 3, 3, 32, 32))
    rest = (torch.rand(2),) if name in ("expression", "image") else ()
    return *(torch.rand(shape) * 2 - 1 for _ in range(2)), *rest


@pytest.mark.parametrize("name", METRICS)
def test_supervision_moves_the_generated_side_only(name):
    metric = METRICS[name]().supervise()
    parent = nn.Sequential(metric).train()
    assert not any(module.training for module in metric.modules())
    before = {key: value.clone() for key, value in metric.state_dict().items()}
    generated, source, *rest = inputs(name)
    metric(generated.requires_grad_(), source.requires_grad_(), *rest).backward()
    assert generated.grad.abs().sum() > 0
    assert source.grad is None
    assert all(parameter.grad is None for parameter in parent.parameters())
    assert all(torch.equal(before[key], value) for key, value in metric.state_dict().items())


@pytest.mark.parametrize("name", METRICS)
def test_bad_arguments_of_a_metric_are_named(name):
    metric = METRICS[name]().supervise()
    generated, source, *rest = inputs(name)
    with pytest.raises(ShapeError, match="generated holds values that are not finite"):
        metric(generated * torch.nan, source, *rest)
    with pytest.raises(ShapeError, match="same number"):
        metric(generated, source[:1], *rest)
    if name != "expression":
        with pytest.raises(ShapeError, match="source must lie in"):
            metric(generated, source * 100, *rest)
    with pytest.raises(ShapeError, match="swapped"):
        metric(generated, source.requires_grad_(), *rest)
    with torch.no_grad():
        assert torch.isfinite(metric(generated, source, *rest))


@pytest.mark.parametrize("name", METRICS)
def test_a_saved_metric_comes_back_frozen_in_its_form(tmp_path, name):
    metric, path = METRICS[name]().eval(), tmp_path / "metric.safetensors"
    metric.save(path, provenance={"steps": 3})
    kind = next(one for one in PLAIN if one.kind == metric.kind)
    loaded = kind.load(path)
    assert type(loaded) is type(metric)
    assert (type(metric) is kind) == (metric.settings.compat == "paper")
    assert loaded.settings == metric.settings
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert all(p.requires_grad for p in kind.load(path, supervise=False).parameters())
    losses = []
    for each in (metric, loaded, copy.deepcopy(loaded)):
        torch.manual_seed(0)
        losses.append(each(*inputs(name)).item())
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    for other in set(PLAIN) - {kind}:
        with pytest.raises(CheckpointError, match="wanted"):
            other.load(path)


PLAIN = (SpatialCoherence, TemporalCoherence, SpatialTemporalCoherence, CrossModalCoherence)


def test_a_metric_of_ones_own_has_no_released_form():
    class Own(SpatialCoherence):
        pass

    assert type(Own(SMALL)) is Own
    with pytest.raises(SettingsError, match="Own has no released form"):
        Own(replace(SMALL, compat="upstream"))


def test_a_metric_of_another_kind_has_no_released_form():
    class Other(CoherenceMetric):
        pass

    assert type(Other(SMALL)) is Other
    with pytest.raises(SettingsError, match="Other has no released form"):
        Other(replace(SMALL, compat="upstream"))


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        *((SMALL, {"widths": widths}) for widths in ((8,), (8, 6))),
        *((SMALL, {"compat": compat}) for compat in ("released", "scalar_weight+nothing")),
        (SMALL, {"blocks": (1, 0)}),
        (WINDOWS, {"formulation": "cm", "compat": "upstream"}),
        (WINDOWS, {"formulation": "cm", "adaptive": True}),
        (WINDOWS, {"formulation": "lstm"}),
        (WINDOWS, {"frame_pairs": "some"}),
        (WINDOWS, {"window_frames": 1}),
        (WINDOWS, {"places": (16,)}),
        *((NARROW, {name: 0}) for name in ("frames", "fps", "temperature")),
        *((NARROW, {"heads": 3}), (NARROW, {"mode": "l1"}), (NARROW, {"consistency": "kl"})),
    ],
)
def test_impossible_settings_are_refused(settings, wrong):
    with pytest.raises(SettingsError):
        replace(settings, **wrong)


class OnCard:
    """Numbers of a pretended GPU; counts how often somebody waits for them."""

    is_cuda = True
    dtype, shape = torch.float32, (2,)

    def __init__(self, *values):
        self.values, self.waits = list(values), 0

    def tolist(self):
        self.waits += 1
        return self.values


class Host:
    def copy_(self, numbers, non_blocking):
        assert non_blocking
        self.values = numbers.values

    def tolist(self):
        return self.values


@pytest.fixture
def card(monkeypatch):
    """A pretended GPU: `done` says whether copies have arrived, `recording` whether a graph is."""
    state = SimpleNamespace(done=False, recording=False)

    class Event:
        def record(self):
            pass

        def query(self):
            return state.done

    cuda = SimpleNamespace(is_current_stream_capturing=lambda: state.recording, Event=Event)
    pretended = SimpleNamespace(cuda=cuda, empty=lambda *_, **__: Host())
    monkeypatch.setattr(late_checks, "torch", pretended)
    monkeypatch.setattr(late_checks, "_good", set())
    late_checks._flying.clear()
    yield state
    late_checks._flying.clear()


def complain(found):
    if max(found) > 1:
        raise ShapeError(f"found {max(found)}")


def test_the_first_numbers_of_a_key_are_waited_for(card):
    for key in (("a",), ("b",)):
        with pytest.raises(ShapeError, match="found 2"):
            check_numbers(OnCard(0, 2), complain, key=key)
    with pytest.raises(ShapeError, match="found 2"):  # a refused key is not known to be good
        check_numbers(OnCard(0, 2), complain, key=("a",))


def test_later_numbers_keep_nobody_waiting_and_are_refused_when_they_arrive(card):
    first, second, third = OnCard(0, 1), OnCard(0, 2), OnCard(0, 1)
    check_numbers(first, complain, key=("a",))
    check_numbers(second, complain, key=("a",))
    check_numbers(third, complain, key=("a",))
    assert (first.waits, second.waits, third.waits) == (1, 0, 0)
    card.done = True
    with pytest.raises(ShapeError, match="found 2"):
        check_numbers(OnCard(0, 1), complain, key=("a",))


@pytest.mark.parametrize("value", [2.0, float("nan")])
def test_wrong_images_are_refused_every_time_on_the_processor(value):
    images = torch.zeros(1, 3, 8, 8)
    prepare_images(images, 8)
    images[0, 0, 0, 0] = value
    for _ in range(2):
        with pytest.raises(ShapeError):
            prepare_images(images, 8)
