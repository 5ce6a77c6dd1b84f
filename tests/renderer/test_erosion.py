from __future__ import annotations

import numpy as np
import pytest

from spfem.renderer.blend import cone_kernel, soft_erosion


def test_cone_sums_to_one_with_empty_corners():
    kernel = cone_kernel(21)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert kernel[0, 0] == kernel[-1, 0] == 0
    assert kernel.argmax() == 21 * 10 + 10


@pytest.mark.parametrize(("side", "threshold", "moved"), [(21, 0.6, 1), (33, 0.8, 8)])
def test_a_straight_edge_moves_as_specified(side, threshold, moved):
    mask = np.zeros((128, 128), np.float32)
    mask[:, 64:] = 1
    soft, hard = soft_erosion(mask, side, threshold)
    assert hard[64].argmax() == 64 + moved
    assert soft[hard].min() == 1
    assert soft[~hard].max() <= 1
