from dataclasses import replace

import numpy as np
import pytest

from spfem.errors import InputError, ShapeError
from spfem.released.deca_codes import to_expression
from spfem.released.ned import compose, crop_matrices, load_clip, save_clip, to_renderer_clip
from spfem.renderer.data import check_clip
from spfem.settings import RendererSettings
from tests.released.made_up_clips import assert_same_clip, make_clip


def without(clip, *folders):
    return replace(clip, arrays={k: v for k, v in clip.arrays.items() if k not in folders})


@pytest.mark.parametrize("eye_rows", [14, 34])
def test_clips_survive_a_file(tmp_path, eye_rows):
    clip = make_clip(eye_rows=eye_rows)
    save_clip(tmp_path / "clip.npz", clip)
    assert_same_clip(load_clip(tmp_path / "clip.npz"), clip)
    bare = replace(without(clip, "masks"), boxes=None, codes=None)
    save_clip(tmp_path / "bare.npz", bare)
    found = load_clip(tmp_path / "bare.npz")
    assert found.boxes is None
    assert_same_clip(replace(found, boxes=clip.boxes), replace(bare, boxes=clip.boxes))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
def test_other_files_are_named(tmp_path, content):
    path = tmp_path / "clip.npz"
    if content is None:
        np.savez(path, images=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"clip\.npz holds no clip"):
        load_clip(path)


def test_it_can_be_used_like_a_face_track():
    clip = make_clip()
    np.testing.assert_array_equal(clip.faces, clip.arrays["faces_aligned"])
    np.testing.assert_array_equal(clip.masks, clip.arrays["masks_aligned"])
    np.testing.assert_array_equal(clip.expression, to_expression(clip.codes))
    assert len(clip) == 3
    with pytest.raises(InputError, match="no DECA codes"):
        _ = replace(clip, codes=None).expression
    with pytest.raises(InputError, match="no masks_aligned"):
        _ = without(clip, "masks_aligned").masks


def test_align_goes_from_the_video_through_the_crop():
    clip = make_clip(size=32)
    for frame in range(len(clip)):
        left, top, right, bottom = clip.boxes[frame]
        # A pixel of the video by its index, the first pixel's centre at 0.
        pixel = np.array([left + 3, top + 5])
        scale = 32 / np.array([right - left, bottom - top])
        in_crop = (pixel + 0.5 - (left, top)) * scale - 0.5
        matrix = clip.arrays["align_transforms"][frame]
        wanted = matrix[:, :2] @ in_crop + matrix[:, 2]
        found = clip.align[frame, :, :2] @ (pixel + 0.5) + clip.align[frame, :, 2] - 0.5
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    # Without boxes the crop is the video.
    alone = replace(clip, boxes=None).align[0]
    matrix = clip.arrays["align_transforms"][0]
    places = alone[:, :2] @ (7.5, 3.5) + alone[:, 2] - 0.5
    np.testing.assert_allclose(places, matrix[:, :2] @ (7, 3) + matrix[:, 2], rtol=1e-5)


def test_corners_of_a_box_are_those_of_the_crop():
    boxes = np.array([(10, 20, 40, 60)])
    matrix = crop_matrices(boxes, 256)[0]
    np.testing.assert_allclose(matrix[:, :2] @ (10, 20) + matrix[:, 2], (0, 0), atol=1e-9)
    np.testing.assert_allclose(matrix[:, :2] @ (40, 60) + matrix[:, 2], (256, 256))
    twice = compose(crop_matrices(boxes * 2), crop_matrices(boxes))[0]
    place = matrix[:, :2] @ (1, 2) + matrix[:, 2]
    second = crop_matrices(boxes * 2)[0]
    np.testing.assert_allclose(
        twice[:, :2] @ (1, 2) + twice[:, 2], second[:, :2] @ place + second[:, 2]
    )


def test_renderer_clip_has_the_channels_of_ned():
    clip = make_clip(size=256, eye_rows=34)
    eyes = np.full((3, 34, 2), 100.0)
    eyes[:, 0:12] = np.random.default_rng(0).uniform(80, 120, (3, 12, 2))
    eyes[:, 12], eyes[:, 13] = (90, 110), (150, 112)
    eyes[:, 14:] = (127.9, 180.9)
    clip = replace(clip, arrays={**clip.arrays, "eye_landmarks_aligned": eyes})
    made = to_renderer_clip(clip)
    settings = RendererSettings(image_size=256, use_texture=False)
    check_clip(made, settings)
    np.testing.assert_array_equal(made.conditions[..., :3], clip.arrays["nmfcs_aligned"])
    np.testing.assert_array_equal(made.conditions[..., 6:9], clip.arrays["shapes_aligned"])
    np.testing.assert_array_equal(made.conditions[..., 9], clip.arrays["masks_aligned"])
    assert (made.conditions[:, 110, 90, 3:6] == (255, 0, 0)).all()  # red at the pupil
    np.testing.assert_array_equal(made.mouth_centres, np.tile((127, 180), (3, 1)))
    # Test mode has no mouth: the place of the template.
    short = replace(clip, arrays={**clip.arrays, "eye_landmarks_aligned": eyes[:, :14]})
    np.testing.assert_allclose(to_renderer_clip(short).mouth_centres[0], (126.5, 174))
    with pytest.raises(InputError, match="no nmfcs_aligned"):
        to_renderer_clip(without(clip, "nmfcs_aligned"))


@pytest.mark.parametrize(
    ("folder", "array"),
    [
        ("masks", np.zeros((3, 16, 16, 3), np.uint8)),
        ("nmfcs", np.zeros((2, 16, 16, 3), np.uint8)),
        ("shapes", np.zeros((3, 16, 16, 3), np.float32)),
        ("eye_landmarks", np.zeros((3, 13, 2))),
        ("align_transforms", np.zeros((3, 3, 3))),
        ("renderings", np.zeros((3, 16, 16, 3), np.uint8)),
    ],
)
def test_other_shapes_are_refused(folder, array):
    clip = make_clip()
    with pytest.raises(ShapeError, match=f"happy_001: {folder} is"):
        replace(clip, arrays={**clip.arrays, folder: array})


def test_lengths_must_agree():
    clip = make_clip()
    with pytest.raises(ShapeError, match="boxes are"):
        replace(clip, boxes=clip.boxes[:2])
    with pytest.raises(ShapeError, match="codes are of 2 frames"):
        replace(clip, codes=clip.codes.frames(slice(2)))
    with pytest.raises(ShapeError, match="neither images nor"):
        replace(clip, arrays={})
