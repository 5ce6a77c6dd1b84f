"""Clips and folders of NED, read."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.media.video import write_video
from spfem.released.deca_codes import to_expression
from spfem.released.ned import compose, crop_matrices, open_ned_folder, read_clips, to_renderer_clip
from spfem.released.ned_export import NOTE_NAME, ClipToWrite, new_folder, write_ned_folder
from spfem.renderer.data import check_clip
from spfem.settings import RendererSettings
from tests.released.made_up_clips import ALL, assert_same_clip, make_clip


def without(clip, *folders):
    return replace(clip, arrays={k: v for k, v in clip.arrays.items() if k not in folders})


def test_it_can_be_used_like_a_face_track():
    clip = make_clip()
    np.testing.assert_array_equal(clip.expression, to_expression(clip.codes))
    assert len(clip) == 3
    with pytest.raises(InputError, match="no DECA codes"):
        _ = replace(clip, codes=None).expression
    with pytest.raises(InputError, match="no masks_aligned"):
        without(clip, "masks_aligned").need("masks_aligned")


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
    settings = RendererSettings(image_size=256)
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


def write(folder, clips, **options):
    items = [
        ClipToWrite(clip, None, partial(np.zeros, (len(clip), 60, 80, 3), "u1")) for clip in clips
    ]
    with new_folder(folder) as aside:
        return write_ned_folder(aside, items, **options)


def read(folder):
    return list(read_clips(open_ned_folder(folder)))


def test_two_videos_come_back_counted_through(tmp_path):
    clips = [make_clip("happy_001", 3), make_clip("sad_002", 4, seed=1)]
    assert write(tmp_path / "M003", clips) == 7
    folder = tmp_path / "M003"
    for name in ALL - {"DECA"}:
        assert len(list((folder / name).iterdir())) == 7, name
    assert {p.name for p in (folder / "images").iterdir()} == {f"{i:06d}.png" for i in range(7)}
    assert {p.name for p in (folder / "DECA").iterdir()} == {f"{i:06d}.pkl" for i in range(7)}
    assert len(list((folder / "full_frames").iterdir())) == 7
    assert {p.name for p in (folder / "videos").iterdir()} == {
        "happy_001.txt",
        "sad_002.txt",
        "_frame_info.txt",
    }
    for found, wanted in zip(read(folder), clips, strict=True):
        assert_same_clip(found, wanted)
    assert open_ned_folder(folder).missing == ()
    assert json.loads((folder / NOTE_NAME).read_text())["frames"] == 7


def test_box_files_alone_tell_the_videos_apart(tmp_path):
    clips = [make_clip("a", 3), make_clip("b", 4, seed=1)]
    write(tmp_path / "M003", clips)
    (tmp_path / "M003/videos/_frame_info.txt").unlink()  # NED does not write it
    for found, wanted in zip(read(tmp_path / "M003"), clips, strict=True):
        assert_same_clip(found, wanted)


def test_without_any_list_it_is_one_clip(tmp_path):
    clips = [make_clip("a", 3), make_clip("b", 4, seed=1)]
    write(tmp_path / "M003", clips)
    shutil.rmtree(tmp_path / "M003/videos")
    (found,) = read(tmp_path / "M003")
    assert (found.name, len(found), found.fps, found.boxes) == ("M003", 7, 30.0, None)
    both = np.concatenate([clip.arrays["images"] for clip in clips])
    np.testing.assert_array_equal(found.arrays["images"], both)


def test_masks_are_files_of_one_and_of_three_channels(tmp_path):
    import cv2

    write(tmp_path / "a", [make_clip()])
    shapes = {
        name: cv2.imread(str(tmp_path / "a" / name / "000000.png"), cv2.IMREAD_UNCHANGED).shape
        for name in ("masks", "masks_aligned")
    }
    assert shapes == {"masks": (16, 16), "masks_aligned": (16, 16, 3)}


def test_split_sequences_hold_fifty_frames_of_one_video(tmp_path):
    clips = [
        make_clip("a", 103, size=4, eye_rows=34),
        make_clip("b", 49, size=4, eye_rows=34, seed=1),
        make_clip("c", 50, size=4, eye_rows=34, seed=2),
    ]
    assert write(tmp_path / "M003", clips, split=True) == 150
    folder = tmp_path / "M003"
    for name in ("images", "DECA", "eye_landmarks", "masks_aligned"):
        sequences = sorted((folder / name).iterdir())
        assert [s.name for s in sequences] == ["000000", "000001", "000002"]
        assert [len(list(s.iterdir())) for s in sequences] == [50, 50, 50]
    assert (folder / "shapes/000002/000149.png").is_file()
    assert not (folder / "full_frames").exists()
    found = read(folder)
    assert [(clip.name, len(clip)) for clip in found] == [("a", 100), ("c", 50)]
    np.testing.assert_array_equal(found[0].arrays["nmfcs"], clips[0].arrays["nmfcs"][:100])
    np.testing.assert_array_equal(
        found[1].arrays["eye_landmarks"], clips[2].arrays["eye_landmarks"]
    )
    assert json.loads((folder / NOTE_NAME).read_text())["dropped"] == [
        "a: 3 frames at the end",
        "b: 49 frames at the end",
    ]
    with pytest.raises(InputError, match="no clip has 50 frames"):
        write(tmp_path / "short", clips[1:2], split=True)
    assert not (tmp_path / "short").exists()


def test_what_is_missing_is_said(tmp_path):
    write(tmp_path / "a", [make_clip(codes=False)])
    assert (
        "no FLAME coefficients" in json.loads((tmp_path / "a" / NOTE_NAME).read_text())["no DECA"]
    )
    for name in ALL - {"images", "DECA", "shapes"}:
        shutil.rmtree(tmp_path / "a" / name)
    opened = open_ned_folder(tmp_path / "a")
    assert set(opened.missing) == ALL - {"images", "shapes"}
    (found,) = read_clips(opened)
    assert set(found.arrays) == {"images", "shapes"}


def test_size_of_the_video_is_taken_from_it_without_full_frames(tmp_path):
    clip, video = make_clip("a", 3), tmp_path / "source.mp4"
    write_video(video, np.zeros((3, 60, 80, 3), np.uint8), 30)
    with new_folder(tmp_path / "M003") as aside:
        write_ned_folder(aside, [ClipToWrite(clip, video)])
    (found,) = read(tmp_path / "M003")
    assert found.frame_size == (60, 80)
    (tmp_path / "M003/videos/a.mp4").unlink()
    (found,) = read(tmp_path / "M003")
    assert (found.frame_size, found.boxes) == ((16, 16), None)


def test_existing_folders_and_doubled_names_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").touch()
    with pytest.raises(InputError, match="exists and is not empty"):
        write(tmp_path / "a", [make_clip()])
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["mine.txt"]
    with pytest.raises(InputError, match="two clips are called happy_001"):
        write(tmp_path / "b", [make_clip(), make_clip()])
    with pytest.raises(InputError, match="no clip to write"):
        write(tmp_path / "b", [])
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", [make_clip()])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "empty"]


class Hostile:
    def __reduce__(self):
        return print, ("it ran",)


def spoil(folder, what):
    if what == "hostile pickle":
        (folder / "DECA/000001.pkl").write_bytes(pickle.dumps({"shape": Hostile()}))
    elif what == "cut pickle":
        content = (folder / "DECA/000001.pkl").read_bytes()
        (folder / "DECA/000001.pkl").write_bytes(content[:300])
    elif what == "missing mask":
        (folder / "masks/000002.png").unlink()
    elif what == "additional shape":
        shutil.copy(folder / "shapes/000000.png", folder / "shapes/000009.png")
    elif what == "gap":
        for path in folder.rglob("000001.*"):
            path.unlink()
    elif what == "larger picture":
        shutil.copy(folder / "full_frames/000000.png", folder / "faces/000002.png")
    elif what == "larger folder":
        for path in (folder / "nmfcs").iterdir():
            shutil.copy(folder / "full_frames/000000.png", path)
    elif what == "damaged picture":
        (folder / "faces_aligned/000001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    elif what == "damaged table":
        (folder / "eye_landmarks/000001.txt").write_text("1 2\n3 4\n")
    elif what == "too few boxes":
        (folder / "videos/_frame_info.txt").unlink()
        (folder / "videos/happy_001.txt").write_text("a.mp4 25 fps 2 frames\n1 1 9 9\n1 1 9 9\n")
    elif what == "other frame info":
        (folder / "videos/_frame_info.txt").write_text("happy_001_0 0\nhappy_001_1 5\n")
    elif what == "no frames":
        for path in folder.rglob("0000*"):
            path.unlink()


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("hostile pickle", r"000001\.pkl.*builtins\.print"),
        ("cut pickle", r"000001\.pkl cannot be read"),
        ("missing mask", r"masks lacks 1 of the 3 frames of images, the first: 000002"),
        ("additional shape", r"shapes has 1 frames that images lacks, the first: 000009"),
        ("gap", r"images lacks frame 000001 in its midst"),
        ("larger picture", r"000002\.png is \(60, 80, 3\)"),
        ("larger folder", r"nmfcs: pictures of happy_001 are 80 x 60"),
        ("damaged picture", r"000001\.png claims 0 x 0"),
        ("damaged table", r"eye_landmarks.000001\.txt holds \(2, 2\)"),
        ("too few boxes", "tells of 2 frames, which are not the 3"),
        ("other frame info", "tells of 2 frames"),
        ("no frames", "neither in images nor in faces_aligned"),
    ],
)
def test_damaged_and_hostile_folders_are_refused(tmp_path, capsys, what, complaint):
    folder = tmp_path / "M003"
    write(folder, [make_clip()])
    spoil(folder, what)
    with pytest.raises(InputError, match=complaint):
        read(folder)
    assert "it ran" not in capsys.readouterr().out


def test_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        open_ned_folder(tmp_path / "nothing")
