"""Edits with released networks: from a clip and made-up files of the true layout to the video."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest
import torch

from spfem.__main__ import main
from spfem.edit import EditRequest, edit_video, flame_route
from spfem.edit.chain import blend_aligned
from spfem.edit.flame_route import flame_conditions, load_flame_models
from spfem.errors import AssetError, CheckpointError, InputError, SettingsError
from spfem.face.conditions import ConditionPainter
from spfem.head import load_head_model
from spfem.manipulator import Manipulator, load_manipulator, manipulate
from spfem.manipulator.manipulate import reference_style
from spfem.manipulator.networks import FLAME_SPACE
from spfem.media.video import read_video
from spfem.released.deca import FLAME_FILES
from spfem.released.kinds import FSGAN_NAME
from spfem.released.ned import to_renderer_clip
from spfem.released.ned_export import ned_clip_of_track
from spfem.renderer.networks import load_renderer, new_renderer, save_renderer
from spfem.renderer.render import render_clips
from spfem.settings import ManipulatorSettings, RendererSettings
from tests.edit.made_up import save_models, speaking_frames, write_clip
from tests.media.clips import audio_bytes
from tests.released.made_up import released_nets, released_renderer_state

COUNT = 11
MANIPULATOR = ManipulatorSettings(width=16, encoder_width=256, mapping_width=16, standardise=False)
RENDERER = RendererSettings(width=16, blocks=5, downsamplings=2, kernel=5, discriminator_width=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Released files, and what the command line imported of them."""
    folder = tmp_path_factory.mktemp("released")
    torch.save(released_nets(Manipulator(MANIPULATOR, FLAME_SPACE, seed=3)), folder / "02_nets.pth")
    generator = new_renderer(RENDERER, 7).generator
    torch.save(released_renderer_state(generator), folder / "20_net_G.pth")
    for kind, name, out in (
        ("ned-manipulator", "02_nets.pth", "manipulator"),
        ("scmcl-manipulator", "02_nets.pth", "scmcl"),
        ("ned-renderer", "20_net_G.pth", "renderer"),
    ):
        words = [kind, str(folder / name), "--out", str(folder / f"{out}.safetensors")]
        assert main(["import-checkpoint", *words]) == 0
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    place = tmp_path_factory.mktemp("clip")
    return write_clip(place / "clip.mp4", speaking_frames(COUNT))


@pytest.fixture(scope="module")
def edited(clip, folder, deca_folder, tmp_path_factory):
    """The result of the command line, with every pixel."""
    place = tmp_path_factory.mktemp("edit")
    words = [
        *("edit", clip, "--reference", clip, "--out", place / "out.mp4"),
        *("--manipulator", folder / "manipulator.safetensors"),
        *("--renderer-file", folder / "renderer.safetensors"),
        *("--flame", deca_folder, "--keep", place / "kept", "--quality", "lossless"),
    ]
    assert main([str(word) for word in words]) == 0
    return place


@pytest.fixture(scope="module")
def models(folder, deca_folder):
    names = (folder / f"{name}.safetensors" for name in ("manipulator", "renderer"))
    return load_flame_models(*names, deca_folder, "cpu", by_label=False)


@pytest.fixture(scope="module")
def track(edited):
    from spfem.face.clip_track import ClipTrack

    return ClipTrack.load(next((edited / "kept").rglob("track.npz")))


@pytest.fixture(scope="module")
def exported(clip, track, models):
    """The clip as `export-ned --deca` writes it: the other way to codes, pictures and masks."""
    own = track.at_face_size(256)
    part = own.part(ConditionPainter(load_head_model(), 256), np.arange(COUNT))
    return ned_clip_of_track("clip", read_video(clip).frames, part, deca=models.deca)


@pytest.mark.slow
def test_the_video_shows_what_the_parts_make_one_after_the_other(
    clip, folder, edited, models, track, exported
):
    before, after = read_video(clip), read_video(edited / "out.mp4")
    assert (after.fps, after.frames.shape) == (before.fps, before.frames.shape)
    assert audio_bytes(edited / "out.mp4") == audio_bytes(clip)
    with av.open(str(edited / "out.mp4")) as container:
        comment = container.metadata["comment"]
    assert "manipulator manipulator.safetensors" in comment
    assert "renderer renderer.safetensors" in comment
    manipulator = load_manipulator(folder / "manipulator.safetensors")
    source = torch.from_numpy(exported.expression)
    style = reference_style(manipulator, [source])
    expression = manipulate(source, manipulator=manipulator, style=style).numpy()
    assert np.abs(expression - exported.expression).max() > 0.05
    seen = models.see_face(clip, track)
    conditions = flame_conditions(
        models.deca, seen, slice(0, COUNT), expression, exported.arrays["masks"]
    )
    generator = load_renderer(folder / "renderer.safetensors").generator
    faces = render_clips(generator, [conditions])[0]
    both = zip(before.frames, faces, conditions[..., -1], exported.align, strict=True)
    wanted = np.stack([blend_aligned(*parts) for parts in both])
    difference = np.abs(after.frames.astype(int) - wanted)
    assert np.quantile(difference, 0.99) <= 2  # of a frame of four: chunks and their rounding
    changed = np.abs(after.frames.astype(int) - before.frames).max(-1) > 20
    assert (changed.mean((1, 2)) > 0.05).all()
    assert not changed[:, :8].any()


@pytest.mark.slow
def test_conditions_of_the_own_expression_are_those_of_neds_preprocessing(
    clip, track, models, exported
):
    seen = models.see_face(clip, track)
    for name in ("shape", "expression", "pose", "camera", "detail"):
        own, other = getattr(seen.codes, name), getattr(exported.codes, name)
        np.testing.assert_allclose(own, other, atol=1e-4)
    np.testing.assert_array_equal(seen.eyes, exported.arrays["eye_landmarks"])
    np.testing.assert_allclose(seen.places.align, exported.align, atol=1e-3)
    made = flame_conditions(
        models.deca, seen, slice(2, 5), seen.expression[2:5], exported.arrays["masks"][2:5]
    )
    wanted = to_renderer_clip(exported).conditions[2:5]
    np.testing.assert_array_equal(made[..., 9], wanted[..., 9])
    drawn = [0, 1, 2, 6, 7, 8]  # the eyes are FLAME's own in an edit
    step = np.abs(made[..., drawn].astype(int) - wanted[..., drawn])
    assert np.quantile(step, 0.999) <= 2
    assert set(np.unique(made[..., 3:6])) == {0, 255}
    assert not made[..., 4:6].any()


@pytest.mark.slow
def test_neds_segmenter_cuts_the_face_where_the_user_has_it(
    clip, track, models, monkeypatch, capfd, folder, deca_folder, tmp_path
):
    for file in FLAME_FILES.values():
        (tmp_path / file.name).symlink_to(deca_folder / file.name)
    (tmp_path / FSGAN_NAME).touch()
    monkeypatch.setattr(flame_route, "load_segmenter", lambda path, device: path)
    masks = np.zeros((COUNT, 256, 256), np.uint8)
    masks[:, 100:150, 90:160] = 255
    asked = []

    def cut(segmenter, crops):
        asked.append((segmenter, sum(crop.shape == (256, 256, 3) for crop in crops)))
        return masks

    monkeypatch.setattr(flame_route, "segment_faces", cut)
    names = (folder / f"{name}.safetensors" for name in ("scmcl", "renderer"))
    loaded = load_flame_models(*names, tmp_path, "cpu", by_label=True)
    said = capfd.readouterr().err
    assert "SCMCL never trained the mapping network" in said
    assert "tracker's" not in said
    gone = replace(track, shown=np.arange(COUNT) < 8)
    seen = models.see_face(clip, track)
    frames = np.stack(list(loaded.draw_frames(clip, gone, seen, seen.expression)))
    assert asked == [(tmp_path / FSGAN_NAME, COUNT)]
    changed = (frames != read_video(clip).frames).any(-1)
    assert changed[:8].any((1, 2)).all()
    assert not changed[8:].any()  # no face to edit
    low, high = seen.places.boxes[:, :2].min(0), seen.places.boxes[:, 2:].max(0)
    rows, columns = np.flatnonzero(changed.any((0, 2))), np.flatnonzero(changed.any((0, 1)))
    share = (rows.max() - rows.min()) / (high - low)[1], np.ptp(columns) / (high - low)[0]
    np.testing.assert_allclose(share, (50 / 256, 70 / 256), atol=0.08)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"manipulator": None}, SettingsError, r"renderer.safetensors \(--renderer-file\) draws"),
        ({"renderer_file": None}, SettingsError, "edits FLAME codes.*add --renderer-file"),
        ({"renderer": "ned"}, InputError, "exclude each other"),
        (
            {"renderer_file": None, "manipulator": None, "flame": "x"},
            InputError,
            "FLAME folder x is for released networks",
        ),
        (
            {"manipulator": "02_nets.pth"},
            CheckpointError,
            r"02_nets.pth \(--manipulator\) .* import-checkpoint ned-manipulator .*02_nets.pth",
        ),
        (
            {"renderer_file": "20_net_G.pth"},
            CheckpointError,
            r"20_net_G.pth \(--renderer-file\) .* import-checkpoint ned-renderer",
        ),
        ({"renderer_file": "own.safetensors"}, SettingsError, "trained by this package"),
        ({"manipulator": "units.safetensors"}, SettingsError, "edits 52 face units"),
        ({"manipulator": "renderer.safetensors"}, CheckpointError, "wanted 'manipulator'"),
        ({"renderer_file": "none.safetensors"}, CheckpointError, "none.safetensors does not exist"),
        (
            {"flame": "empty"},
            AssetError,
            r"empty/generic_model.pkl does not exist: register at https://flame.* \(FLAME: "
            "registration, no commercial use",
        ),
    ],
)
def test_what_does_not_go_together_is_named_before_the_work(
    clip, folder, tmp_path, words, error, message
):
    if not (folder / "own.safetensors").exists():
        save_renderer(new_renderer(RENDERER, 0), folder / "own.safetensors")
        units = save_models(tmp_path / "units") / "manipulator" / "ned" / "seed0"
        next(units.glob("*.safetensors")).rename(folder / "units.safetensors")
    names = {"manipulator": "manipulator.safetensors", "renderer_file": "renderer.safetensors"}
    names = {"flame": "empty", **names, **words}
    if names["renderer_file"] is None and names["manipulator"] is not None:
        names["flame"] = None
    files = {
        key: value and (value if value in ("ned", "x") else folder / value)
        for key, value in names.items()
    }
    with pytest.raises(error, match=message):
        edit_video(EditRequest(clip, tmp_path / "out.mp4", emotion="happy", **files))
    assert not (tmp_path / "out.mp4").exists()


def test_a_manipulator_in_face_units_takes_the_place_of_the_packages(clip, folder, tmp_path):
    models = save_models(tmp_path / "units")
    file = next((models / "manipulator" / "ned" / "seed0").glob("*.safetensors"))
    keep = tmp_path / "kept"
    one, two = (
        edit_video(
            EditRequest(clip, tmp_path / "out.mp4", emotion="sad", keep=keep, **words)
        ).expression
        for words in ({"models": models}, {"manipulator": file})
    )
    np.testing.assert_array_equal(one, two)
