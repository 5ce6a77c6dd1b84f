"""What NED would have made of a clip, from our track."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.face.align import align_faces, umeyama
from spfem.face.landmarks import LEFT_EYE, RIGHT_EYE
from spfem.head import load_head_model
from spfem.released.ned import MASKS, PICTURES, TABLES, to_renderer_clip
from spfem.released.ned_export import TEMPLATE, ned_clip_of_track, template_transform
from tests.face.planted import planted_clip, planted_track

FRAMES = 6


@pytest.fixture(scope="module")
def frames():
    """Smooth pictures, so that resampling hardly changes them."""
    random = np.random.default_rng(0)
    coarse = random.uniform(60, 200, (FRAMES, 6, 6, 3)).astype(np.float32)
    import cv2

    return np.stack([cv2.resize(c, (128, 128), interpolation=cv2.INTER_CUBIC) for c in coarse])


@pytest.fixture(scope="module")
def track():
    planted = planted_clip(load_head_model(), FRAMES)
    faces = np.zeros((FRAMES, 64, 64, 3), np.uint8)
    faces[:, 8:56, 12:52] = 255  # its red makes the masks
    return planted_track(planted, faces)


@pytest.fixture(scope="module")
def clip(frames, track):
    return ned_clip_of_track("a", frames.clip(0, 255).astype(np.uint8), track, mouth=True)


def test_every_folder_is_there_in_the_shapes_of_ned(clip):
    assert set(clip.arrays) == {*PICTURES, *MASKS, *TABLES}
    assert clip.size == 256
    assert clip.arrays["eye_landmarks"].shape == (FRAMES, 34, 2)
    whole = clip.arrays["eye_landmarks"][:, :14]
    np.testing.assert_array_equal(whole, np.trunc(whole))  # integers, as released
    assert clip.codes is None
    assert (clip.fps, clip.frame_size) == (25.0, (128, 128))
    assert set(np.unique(clip.arrays["masks"])) == {0, 255}


def test_aligned_eyes_lie_at_those_of_the_template(clip):
    eyes = clip.arrays["eye_landmarks_aligned"]
    left, right = eyes[:, :6].mean(1), eyes[:, 6:12].mean(1)
    np.testing.assert_allclose(left, np.tile(TEMPLATE["left eye"], (FRAMES, 1)), atol=5)
    np.testing.assert_allclose(right, np.tile(TEMPLATE["right eye"], (FRAMES, 1)), atol=5)


def test_places_of_the_video_go_where_align_says(clip, track, frames):
    # The middle of the tracked eyes, by way of `align`, is the middle of the aligned eyes.
    middle = track.landmarks[:, [*LEFT_EYE, *RIGHT_EYE], :2].mean(1)
    moved = np.einsum("tab,tb->ta", clip.align[:, :, :2], middle) + clip.align[:, :, 2] - 0.5
    drawn = clip.arrays["eye_landmarks_aligned"][:, :12].mean(1)
    np.testing.assert_allclose(moved, drawn, atol=3)
    # And so do colours: the video warped in one step shows the aligned face.
    direct = align_faces(frames.clip(0, 255).astype(np.uint8), clip.align, 256)
    inside = clip.need("masks_aligned") > 0
    assert inside.mean() > 0.05
    difference = np.abs(direct.astype(int) - clip.need("faces_aligned"))[inside]
    assert np.median(difference) <= 2


def test_masks_and_drawings_lie_on_the_face(clip):
    mask, drawn = clip.arrays["masks"] > 0, clip.arrays["nmfcs"].any(-1)
    assert (mask & drawn).sum() / drawn.sum() > 0.5
    assert (clip.arrays["faces"][~mask] == 0).all()
    assert (clip.need("faces_aligned")[clip.need("masks_aligned") == 0] == 0).all()
    assert to_renderer_clip(clip).conditions.shape == (FRAMES, 256, 256, 10)


def test_template_fit_is_a_similarity_that_undoes_a_planted_one():
    random = np.random.default_rng(1)
    points = random.uniform(0, 256, (68, 2))
    first = template_transform(points)
    assert np.isclose(first[0, 0], first[1, 1])
    assert np.isclose(first[0, 1], -first[1, 0])
    turn = np.array([[0.8, -0.3], [0.3, 0.8]])
    moved = points @ turn.T + (5, -7)
    second = template_transform(moved)
    # Both ways lead to the same place.
    np.testing.assert_allclose(
        points @ first[:, :2].T + first[:, 2], moved @ second[:, :2].T + second[:, 2], atol=1e-6
    )
    known = np.array(list(TEMPLATE.values()))
    np.testing.assert_allclose(umeyama(known, known), [[1, 0, 0], [0, 1, 0]], atol=1e-9)


def test_frames_without_a_face_keep_the_last_landmarks(frames, track):
    found = np.array([False, True, True, False, False, True])
    pictures = frames.clip(0, 255).astype(np.uint8)
    pictures[3:5] = 0  # black, so that no pupil can be seen
    clip = ned_clip_of_track("a", pictures, replace(track, found=found))
    transforms, eyes = clip.arrays["align_transforms"], clip.arrays["eye_landmarks"]
    for frame, kept in [(0, 1), (3, 2), (4, 2)]:
        np.testing.assert_array_equal(transforms[frame], transforms[kept])
        np.testing.assert_array_equal(eyes[frame, :12], eyes[kept, :12])
    assert (transforms[2] != transforms[1]).any()
    np.testing.assert_array_equal(eyes[3, 12], np.trunc(eyes[3, :6].mean(0)))


def test_frames_of_another_clip_are_refused(track):
    with pytest.raises(ShapeError, match="are not of a track"):
        ned_clip_of_track("a", np.zeros((FRAMES - 1, 128, 128, 3), np.uint8), track)
    with pytest.raises(ShapeError, match="are not of a track"):
        ned_clip_of_track("a", np.zeros((FRAMES, 64, 64, 3), np.uint8), track)


@pytest.mark.slow
def test_with_the_files_of_deca_codes_and_drawings_are_theirs(frames, track, deca):
    from spfem.released.deca_conditions import draw_deca_conditions

    clip = ned_clip_of_track("a", frames.clip(0, 255).astype(np.uint8), track, deca=deca)
    assert len(clip.codes) == FRAMES
    np.testing.assert_array_equal(clip.codes.image_size, (256, 256))
    np.testing.assert_array_equal(clip.arrays["nmfcs"], draw_deca_conditions(deca, clip.codes).nmfc)
