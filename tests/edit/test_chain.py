import numpy as np
import pytest
import torch

from spfem.edit.chain import Wish, blend_aligned, colour_shift, edit_expression, put_back
from spfem.errors import InputError, ShapeError
from spfem.face.align import unalign_face
from spfem.face.track import FaceTrack
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator import ExpressionSpace, Manipulator
from spfem.renderer.blend import blend_face
from spfem.settings import ManipulatorSettings

FRAMES, SIDE = 12, 32


@pytest.fixture
def track():
    random = np.random.default_rng(0)
    align = np.tile(np.array([[0.5, 0, 2], [0, 0.5, 3]], np.float32), (FRAMES, 1, 1))
    masks = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
    masks[:, 8:24, 8:24] = 255
    found = np.ones(FRAMES, bool)
    found[3] = False
    return FaceTrack(
        fps=25.0,
        frame_size=(60, 56),
        found=found,
        landmarks=random.uniform(0, 50, (FRAMES, 478, 3)).astype(np.float32),
        blendshapes=np.zeros((FRAMES, 51), np.float32),
        identity=np.zeros(48, np.float32),
        expression=random.uniform(0, 0.5, (FRAMES, 52)).astype(np.float32),
        rotation=np.zeros((FRAMES, 3), np.float32),
        scale=np.ones(FRAMES, np.float32),
        translation=np.zeros((FRAMES, 2), np.float32),
        reprojection_error=np.zeros(FRAMES, np.float32),
        align=align,
        faces=np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8),
        masks=masks,
    )


@pytest.fixture(scope="module")
def manipulator():
    settings = ManipulatorSettings(width=8, encoder_width=16, mapping_width=8)
    space = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))
    return Manipulator(settings, space).eval()


def test_put_back_touches_masked_places_of_found_frames_only(track):
    frames = np.full((FRAMES, 60, 56, 3), 100, np.uint8)
    pictures = np.full((FRAMES, SIDE, SIDE, 3), 180, np.uint8)
    track.faces[...] = 200  # whose colour the pictures take
    result = put_back(frames, track, pictures, track.masks)
    changed = (result != 100).any(-1)
    assert not changed[3].any()
    assert changed[0].any()
    rows, columns = np.nonzero(changed[0])
    # The mask covers 8..24 aligned pixels: twice (x - 2) and (y - 3) in the frame.
    assert rows.min() >= 9
    assert rows.max() <= 43
    assert columns.min() >= 11
    assert columns.max() <= 45
    assert (result[0, 26, 28] > 150).all()


def test_a_blend_near_the_face_is_that_of_the_whole_frame():
    random = np.random.default_rng(2)
    frame = random.integers(0, 255, (200, 260, 3), dtype=np.uint8)
    picture = random.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[6:26, 6:26] = 255
    # Steps of a whole pixel are free of rounding, and the square reaches beyond the left border.
    matrix = np.array([[0.5, 0, 4], [0, 0.5, -40]], np.float32)
    placed = unalign_face(picture, matrix, frame.shape[:2])
    inside = unalign_face(mask, matrix, frame.shape[:2], nearest=True)
    whole = blend_face(frame, placed, inside, side=2 * SIDE)
    near = blend_aligned(frame, picture, mask, matrix)
    assert np.array_equal(near, whole)
    assert (near != frame).any()
    away = np.array([[0.5, 0, -900], [0, 0.5, -40]], np.float32)
    assert np.array_equal(blend_aligned(frame, picture, mask, away), frame)


def test_the_colour_shift_is_the_planted_one():
    random = np.random.default_rng(1)
    pictures = random.integers(60, 120, (4, 16, 16, 3)).astype(np.uint8)
    faces = (pictures + np.array([20, 0, 10])).astype(np.uint8)
    masks = np.zeros((4, 16, 16), np.uint8)
    masks[:, 4:12, 4:12] = 255
    np.testing.assert_allclose(colour_shift(pictures, faces, masks), [20, 0, 10])
    assert not colour_shift(pictures, faces, masks * 0).any()


@pytest.mark.parametrize("anchored", [False, True])
def test_intensity_goes_from_the_source_to_the_full_edit(track, manipulator, anchored):
    def edit(intensity):
        wish = Wish("happy", intensity=intensity)
        return edit_expression(manipulator, track.expression, wish, anchored=anchored)

    full = edit_expression(manipulator, track.expression, Wish("happy"), anchored=anchored)
    assert edit(0.0).tobytes() == track.expression.tobytes()
    assert edit(1.0).tobytes() == full.tobytes()
    assert np.allclose(edit(0.5), (track.expression + full) / 2, atol=1e-6)


def test_a_second_emotion_is_mixed_in(track, manipulator):
    def edit(**wish):
        return edit_expression(manipulator, track.expression, Wish(**wish), anchored=False)

    alone = {name: edit(emotion=name) for name in ("happy", "sad")}
    for share, name in ((0.0, "happy"), (1.0, "sad")):
        mixed = edit(emotion="happy", second_emotion="sad", second_share=share)
        assert mixed.tobytes() == alone[name].tobytes()
    half = edit(emotion="happy", second_emotion="sad")
    assert all(np.abs(half - whole).max() > 1e-5 for whole in alone.values())
    with pytest.raises(InputError, match="'glad' is unknown"):
        edit(emotion="happy", second_emotion="glad")


def test_clip_shorter_than_the_window_is_refused(track, manipulator):
    with pytest.raises(ShapeError):
        edit_expression(manipulator, track.expression[:6], Wish("sad"), anchored=False)
    assert torch.get_num_threads() >= 1
