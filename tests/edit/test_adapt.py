from types import SimpleNamespace

import numpy as np
import pytest

from spfem.edit.adapt import LARGEST_FACE_SIZE, choose_face_size


def _track(scale, found=(True, True, False)):
    align = np.tile(np.array([[scale, 0, 0], [0, scale, 0]]), (3, 1, 1))
    align[2] *= 50  # a frame without a face must not count
    return SimpleNamespace(align=align, found=np.array(found), face_size=96)


@pytest.mark.parametrize(
    ("scale", "size"),
    [(1.0, 96), (2.0, 96), (0.6, 160), (0.5, 192), (0.1, LARGEST_FACE_SIZE["cpu"])],
)
def test_face_size_follows_the_detail_of_the_clip(scale, size):
    assert choose_face_size(_track(scale), 96, "cpu") == size


def test_a_renderer_trained_large_is_never_made_smaller():
    assert choose_face_size(_track(0.5), 256, "cpu") == 256
