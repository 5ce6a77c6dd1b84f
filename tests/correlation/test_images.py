from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spfem.correlation import images as late_checks
from spfem.correlation import images_from_frames, prepare_images
from spfem.correlation.images import check_numbers
from spfem.errors import ShapeError


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
