from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import AssetError, FaceNotFoundError, InputError, ShapeError
from spfem.face.tracker import fill_missing, landmarker_file, track_landmarks
from spfem.head.names import BLENDSHAPE_NAMES
from spfem.studio.render import portrait


@pytest.fixture(scope="module")
def picture(head):
    return portrait(head, np.zeros(48), np.zeros(52), 160)


def test_a_missing_frame_is_filled_and_flagged(picture, capfd):
    empty = np.zeros_like(picture)
    tracked = track_landmarks([picture, picture, empty, picture], 25)
    assert tracked.found.tolist() == [True, True, False, True]
    assert tracked.landmarks.shape == (4, 478, 3)
    assert tracked.blendshapes.shape == (4, len(BLENDSHAPE_NAMES))
    middle = (tracked.landmarks[1] + tracked.landmarks[3]) / 2
    assert np.allclose(tracked.landmarks[2], middle, atol=1e-3)
    assert capfd.readouterr().err == ""


def test_no_face_names_the_clip():
    with pytest.raises(FaceNotFoundError, match=r"empty\.mp4"):
        track_landmarks([np.zeros((64, 64, 3), np.uint8)] * 2, 25, name="empty.mp4")


def test_no_frame_and_wrong_frames(picture):
    with pytest.raises(InputError, match="no frame"):
        track_landmarks([], 25)
    with pytest.raises(ShapeError, match="frame 1"):
        track_landmarks([picture, picture[:50]], 25)


def test_a_missing_task_file_is_named():
    with pytest.raises(AssetError, match=r"nothing\.task"):
        landmarker_file("nothing.task")
    assert landmarker_file().exists()


def test_filling_is_linear_and_held_at_the_ends():
    found = np.array([False, True, False, False, True, False])
    filled = fill_missing(np.array([[1.0], [4.0]]), found)
    assert filled[:, 0].tolist() == pytest.approx([1, 1, 2, 3, 4, 4])
