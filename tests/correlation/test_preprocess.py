from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.correlation import images_from_frames, prepare_images
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
