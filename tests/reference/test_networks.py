"""The references of manipulator, renderer and blend do the same work as spfem, on small input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from benchmarks import made_up, networks
from benchmarks.networks import made_up_expression, made_up_manipulator
from spfem.manipulator import manipulate
from spfem.renderer.networks import copy_renderer, new_renderer
from spfem.renderer.render import render_clips
from spfem.settings import ManipulatorSettings, RendererSettings
from tests.reference import blend
from tests.reference import manipulator as released_manipulator
from tests.reference import renderer as released_renderer

SMALL = RendererSettings(
    image_size=32, width=16, blocks=3, downsamplings=1, discriminator_width=16, mouth_size=16,
    chunk_frames=3, augmentation=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def start():
    """Networks whose biases and weights are far from the initial ones."""
    trained = new_renderer(SMALL, 0)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for network in trained.networks().values():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=random))
        for layer in trained.generator.model_down_img:  # zeros give nothing, as ours do by rule
            if getattr(layer, "bias", None) is not None:
                layer.bias.zero_()
    return trained


def test_manipulator(tmp_path):
    manipulator = made_up_manipulator(ManipulatorSettings(width=16, encoder_width=16))
    expression, style = made_up_expression(24), torch.randn(16)
    released_manipulator.write_codes(tmp_path, expression.numpy())
    wanted = manipulate(expression, manipulator=manipulator, style=style)
    generator = manipulator.generator
    for given in ({"expression": expression}, {"folder": tmp_path}):
        found = released_manipulator.manipulate(generator, style, **given)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_renderer_step_has_the_released_losses_and_gradients(start):
    clip = made_up.made_up_face_clip(3, SMALL)  # the first step of a sequence
    conditions, faces, centres = networks.sequence_tensors(clip, "cpu")
    plain = [released_renderer.plain_copy(n, SMALL) for n in start.networks().values()]
    terms, _ = released_renderer.Trainer(*plain, SMALL)(conditions, faces, centres)
    ours = copy_renderer(start, SMALL)
    found = networks.own_steps(ours, clip, "cpu")()
    assert found == pytest.approx({k: float(v.detach()) for k, v in terms.items()}, rel=1e-4)
    for wanted, network in zip(plain, ours.networks().values(), strict=True):
        gradients = {k: p.grad for k, p in wanted.named_parameters() if k.endswith("weight")}
        for key, parameter in network.named_parameters():
            if key in gradients:  # norms leave biases none but rounding
                largest = float(gradients[key].abs().max())
                torch.testing.assert_close(
                    parameter.grad, gradients[key], rtol=1e-3, atol=1e-3 * largest
                )
    assert max(float(p.grad.abs().max()) for p in ours.generator.parameters()) > 1e-3


def test_a_run_takes_all_steps_of_a_sequence_with_own_pictures(start):
    clip = made_up.made_up_face_clip(9, SMALL)
    run = networks.released_steps(start, clip, "cpu")
    assert run() != pytest.approx(run(), rel=1e-3)


def test_rendered_frames_agree_beyond_the_lost_ones(start):
    """Ours start two frames earlier, from own pictures that the released way never has."""
    clip = made_up.made_up_face_clip(5, SMALL)
    plain = released_renderer.plain_copy(start.generator, SMALL)
    alone = released_renderer.render(plain, clip.conditions[[0, 0, 0, 1, 2, 3, 4]])
    (ours,) = render_clips(start.generator, [clip.conditions])
    assert alone.shape == ours.shape == (5, 32, 32, 3)
    assert np.abs(alone.astype(int) - ours).max() <= 1
    assert len(released_renderer.render(plain, clip.conditions)) == 3


def test_blend_keeps_the_frame_outside_the_crop_and_shows_the_face_inside():
    random = np.random.default_rng(0)
    frame = cv2.GaussianBlur(random.integers(0, 256, (96, 128, 3), dtype=np.uint8), (0, 0), 4)
    matrix = np.array([[1.0, 0, -40], [0, 1.0, -20]])
    mask = np.zeros((64, 64), np.uint8)
    mask[8:56, 8:56] = 255
    same = blend.blend(frame, frame[20:84, 40:104], np.full_like(mask, 255), matrix)
    assert np.abs(same.astype(int) - frame).max() <= 2
    bright = blend.blend(frame, np.full((64, 64, 3), 250, np.uint8), mask, matrix)
    assert np.array_equal(bright[:20], frame[:20])
    assert np.array_equal(bright[:, :40], frame[:, :40])
    assert bright[45:60, 65:80].mean() > frame[45:60, 65:80].mean() + 60
