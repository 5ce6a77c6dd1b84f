from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import InputError, ShapeError
from spfem.renderer.render import render_clips
from tests.renderer.planted import planted_clip


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
