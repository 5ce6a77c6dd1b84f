from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.errors import InputError, ShapeError
from spfem.renderer.conditions import to_network, to_pictures
from spfem.renderer.render import render_clips
from tests.renderer.planted import planted_clip


def slow_render(generator, conditions):
    """Frame by frame, one window at a time, as the papers describe."""
    images = to_network(conditions)
    previous = [torch.zeros(3, *images.shape[-2:])] * 2
    made = []
    with torch.inference_mode():
        for frame in range(len(images)):
            window = torch.stack([images[max(frame - back, 0)] for back in (2, 1, 0)])
            picture = generator(window[None], torch.stack(previous)[None])[0]
            previous = [previous[1], picture]
            made.append(to_pictures(picture))
    return np.stack(made)


def test_batched_recurrence_equals_clip_by_clip(trained):
    clips = [planted_clip(7 + length, length).conditions for length in (3, 19, 1, 8, 9)]
    together = render_clips(trained.generator, clips, clips_at_once=3)
    for conditions, pictures in zip(clips, together, strict=True):
        expected = slow_render(trained.generator, conditions)
        assert pictures.shape == expected.shape
        assert np.abs(pictures.astype(int) - expected).max() <= 1
        assert (pictures[conditions[..., -1] == 0] == 0).all()


def test_every_frame_is_made_and_the_input_stays(trained):
    conditions = planted_clip(1, 5).conditions
    before = conditions.copy()
    (pictures,) = render_clips(trained.generator, [conditions])
    assert pictures.shape == (5, 32, 32, 3)
    assert pictures.dtype == np.uint8
    assert np.array_equal(before, conditions)
    assert render_clips(trained.generator, []) == []


def test_refuses_clips_that_do_not_fit(trained):
    good = planted_clip(1, 5).conditions
    with pytest.raises(InputError, match="clip 1 has no frame"):
        render_clips(trained.generator, [good, good[:0]])
    for bad in (good[..., :10], good[:, :16], good.astype(np.float32)):
        with pytest.raises(ShapeError, match="clip 0"):
            render_clips(trained.generator, [bad])
