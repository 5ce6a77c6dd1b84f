"""Whole edits of drawn clips with small untrained models, and which models an edit takes."""

from __future__ import annotations

import os
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
import torch

from spfem.edit import EditRequest, edit_video
from spfem.edit.video import write_comparison
from spfem.errors import CheckpointError, FaceNotFoundError, InputError, SettingsError
from spfem.head import load_head_model
from spfem.manipulator import pretrained_manipulator
from spfem.media.probe import probe_video
from spfem.media.video import read_video, write_video
from spfem.run.artifacts import RECORD_NAME
from spfem.run.edit_models import load_edit_manipulator, open_edit_models
from tests.conftest import ROOT
from tests.edit.made_up import save_models, speaking_frames, write_clip
from tests.edit.measure_memory import SIZE
from tests.media.clips import audio_bytes, moving_frames

COUNT = 14


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def heads():
    return speaking_frames(COUNT)


@pytest.fixture(scope="module")
def clip(heads, tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", heads)


@pytest.fixture(scope="module")
def edited(clip, models, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "happy.mp4"
    return edit_video(
        EditRequest(clip, out, emotion="happy", intensity=0.5, models=models, compare=True)
    )


def edit(clip, tmp_path, models, **words):
    words = {"emotion": "happy", "models": models, **words}
    return edit_video(EditRequest(clip, tmp_path / "out.mp4", **words))


def test_result_keeps_rate_length_and_sound_and_says_what_it_is(clip, edited):
    before, after = read_video(clip), read_video(edited.out)
    assert after.fps == before.fps
    assert after.frames.shape == before.frames.shape
    assert audio_bytes(edited.out) == audio_bytes(clip)
    difference = np.abs(after.frames.astype(int) - before.frames).max(-1)
    assert difference[:, :6, :6].max() < 12  # a second encoding
    assert (difference.max(axis=(1, 2)) > 15).all()
    assert edited.expression.shape == (COUNT, 52)
    for path in (edited.out, edited.comparison):
        with av.open(str(path)) as container:
            comment = container.metadata["comment"]
        assert comment.startswith("manipulated video")
        assert "method ned, emotion happy, intensity 0.5, renderer moved" in comment
    assert probe_video(edited.comparison).frames == COUNT
    assert audio_bytes(edited.comparison) == audio_bytes(clip)


def test_a_second_edit_only_renders(clip, models, edited, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the clip was tracked and learned before")

    monkeypatch.setattr("spfem.face.clip_track.track_landmarks", refuse)
    monkeypatch.setattr("spfem.run.edit_models.train_renderer", refuse)
    result = edit(clip, tmp_path, models, emotion="sad")
    assert not np.array_equal(result.expression, edited.expression)
    assert np.array_equal(result.source.landmarks, edited.source.landmarks)


def test_what_was_left_half_made_is_made_again(clip, models, tmp_path, monkeypatch):
    kept = tmp_path / "kept"

    def kill(*_, **__):
        raise KeyboardInterrupt

    for place in ("face.clip_track.track_landmarks", "edit.surface.MovedRenderer.forward"):
        with monkeypatch.context() as patch:
            patch.setattr(f"spfem.{place}", kill)
            with pytest.raises(KeyboardInterrupt):
                edit(clip, tmp_path, models, keep=kept)
        assert not (tmp_path / "out.mp4").exists()
    assert [path.parent.name for path in kept.rglob(RECORD_NAME)] == ["track"]
    with monkeypatch.context() as patch:
        patch.setattr("spfem.face.clip_track.track_landmarks", kill)  # the track is whole
        result = edit(clip, tmp_path, models, keep=kept)
    assert result.out.exists()


def test_neds_renderer_is_adapted_and_goes_on_after_a_kill(clip, models, tmp_path, monkeypatch):
    kept = tmp_path / "kept"

    def kill(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("spfem.edit.neural.LARGEST_FACE_SIZE", {"cpu": 64})
    with monkeypatch.context() as patch:
        patch.setattr("spfem.run.edit_models.train_renderer", kill)
        with pytest.raises(KeyboardInterrupt):
            edit(clip, tmp_path, models, keep=kept, renderer="ned")
    assert not (tmp_path / "out.mp4").exists()
    records = sorted(path.parent.name for path in kept.rglob(RECORD_NAME))
    assert records == ["renderer-seed0", "track"]
    with monkeypatch.context() as patch:
        patch.setattr("spfem.face.clip_track.track_landmarks", kill)  # the track is whole
        result = edit(clip, tmp_path, models, keep=kept, renderer="ned")
    before, after = read_video(clip).frames.astype(int), read_video(result.out).frames
    assert (np.abs(after - before).max(axis=(1, 2, 3)) > 20).all()
    with av.open(str(result.out)) as container:
        assert "renderer ned" in container.metadata["comment"]


def test_no_run_is_needed_and_an_expression_can_be_taken_off(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("spfem.run.edit_models.project_folder", lambda: tmp_path / "nothing")
    kept, results = tmp_path / "kept", {}
    for emotion, intensity in (("happy", 1.0), ("happy", 2.0), ("neutral", 1.0)):
        results[emotion, intensity] = edit_video(
            EditRequest(clip, tmp_path / "out.mp4", emotion=emotion, intensity=intensity, keep=kept)
        )
    once, twice = results["happy", 1.0], results["happy", 2.0]
    source, names = once.source.expression, load_head_model().expression_names
    smile = [names.index("mouthSmileLeft"), names.index("mouthSmileRight")]
    assert (once.expression[:, smile] > source[:, smile] + 0.1).all()
    assert (results["neutral", 1.0].expression[:, smile] < source[:, smile] + 0.1).all()
    wanted = np.clip(source + 2 * (once.expression - source), 0, 1)
    np.testing.assert_allclose(twice.expression, wanted, atol=1e-5)
    with pytest.raises(CheckpointError, match=r"run_all\.sh .* --renderer moved"):
        edit_video(
            EditRequest(clip, tmp_path / "ned.mp4", emotion="sad", keep=kept, renderer="ned")
        )


def test_a_lossless_result_keeps_every_pixel_outside_the_face(clip, models, edited, tmp_path):
    result = edit(clip, tmp_path, models, lossless=True)
    before, after = read_video(clip).frames, read_video(result.out).frames
    same = (before == after).all(-1)
    assert same[:, :20].all()
    assert same[:, :, :20].all()
    assert 0.02 < (~same).mean() < 0.6


def test_the_chosen_person_is_edited_and_the_other_stays(heads, tmp_path):
    other = speaking_frames(COUNT, 128, african=0.5)
    other = np.pad(other, ((0, 0), (16, 16), (0, 0), (0, 0)), mode="edge")
    clip = write_clip(tmp_path / "two.mp4", np.concatenate([other, heads], axis=2))
    before = read_video(clip).frames.astype(int)
    for face, side in ((None, "right"), (1, "left")):
        result = edit(clip, tmp_path, None, face=face, keep=tmp_path / "kept")
        changed = np.abs(read_video(result.out).frames - before).max(-1) > 25
        left, right = changed[..., :120].mean(), changed[..., 150:].mean()
        assert result.source.found.all()
        assert (left < 0.002) == (side == "right")
        assert (right < 0.002) == (side == "left")
    with pytest.raises(InputError, match="face 3 does not exist"):
        edit(clip, tmp_path, None, face=3, keep=tmp_path / "kept")


def test_frames_in_which_the_face_is_gone_stay(heads, models, tmp_path):
    frames = np.concatenate([heads, np.full_like(heads[:9], 90), heads])
    clip = write_clip(tmp_path / "leaves.mp4", frames)
    result = edit(clip, tmp_path, models)
    gone = slice(COUNT, COUNT + 9)
    assert not result.source.shown[gone].any()
    assert result.source.shown[: COUNT - 1].all()
    assert result.source.shown[-COUNT + 2 :].all()
    before, after = read_video(clip).frames.astype(int), read_video(result.out).frames
    assert np.abs(after - before)[gone].max() < 12
    assert np.isfinite(result.expression).all()


def test_odd_sizes_and_rotation_flags(heads, models, tmp_path):
    odd = np.pad(heads, ((0, 0), (0, 1), (0, 3), (0, 0)), mode="edge")
    sideways = np.rot90(odd, -1, axes=(1, 2))
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=25, options={"crf": "15"})
        stream.height, stream.width, stream.pix_fmt = *sideways.shape[1:3], "rgb24"
        stream.set_display_rotation(90)
        for frame in sideways:
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    shown = probe_video(path)
    assert (shown.height, shown.width) == (161, 163)  # upright again
    result = edit(path, tmp_path, models, without_sound=True)
    assert result.source.found.all()
    after = read_video(result.out).frames
    assert after.shape[1:3] == (162, 164)  # one edge row and column more
    before = read_video(path).frames.astype(int)
    assert np.abs(after[:, :161, :163] - before)[:, :6, :6].max() < 16


def test_large_frames_are_tracked_small_and_blended_in_full(heads, models, tmp_path):
    enlarged = (cv2.resize(frame, (400, 400)) for frame in heads[:10])
    frames = (np.pad(frame, ((450, 230), (1200, 320), (0, 0)), mode="edge") for frame in enlarged)
    path = tmp_path / "large.mp4"
    write_video(path, frames, 25)
    result = edit(path, tmp_path, models, without_sound=True)
    assert result.source.frame_size == (1080, 1920)
    assert result.source.found.all()
    facts = probe_video(result.out)
    assert (facts.width, facts.height) == (1920, 1080)


def test_pictures_without_a_face_or_of_too_few_frames(models, tmp_path, heads):
    empty = write_clip(tmp_path / "empty.mp4", np.full((12, 96, 96, 3), 90, np.uint8))
    with pytest.raises(FaceNotFoundError, match=r"empty\.mp4: no face in any of 12 frames"):
        edit(empty, tmp_path, models)
    short = write_clip(tmp_path / "short.mp4", heads[:6])
    with pytest.raises(InputError, match="needs at least 10"):
        edit(short, tmp_path, models)
    single = write_clip(tmp_path / "single.mp4", heads[:1])
    with pytest.raises(InputError, match=r"has 1 frames; .* needs at least 10.* longer clip"):
        edit(single, tmp_path, models)
    silent = tmp_path / "silent.mp4"
    write_video(silent, heads[:6], 25)
    with pytest.raises(InputError, match="no sound"):
        edit(silent, tmp_path, tmp_path / "no such models")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"emotion": None}, "needs an emotion or a reference"),
        ({"emotion": "glad"}, "'glad' is unknown"),
        ({"intensity": 2.1}, r"intensity 2\.1 must lie from 0 to 2"),
        ({"intensity": -0.1}, r"intensity -0\.1"),
        ({"renderer": "gan"}, "'gan' is unknown; choose one of moved, ned"),
        ({"intensity": float("nan")}, "intensity nan"),
        ({"face": 0}, "face 0 does not exist"),
    ],
)
def test_requests_that_make_no_sense(clip, models, tmp_path, words, message):
    with pytest.raises(InputError, match=message):
        edit(clip, tmp_path, models, **words)


def test_models_are_opened_only_for_a_request_that_makes_sense(clip, models, tmp_path):
    def refuse(request):
        raise AssertionError("models were opened")

    out = tmp_path / "out.mp4"
    for words in ({"emotion": "glad"}, {"reference": tmp_path / "nowhere.mp4"}):
        with pytest.raises(InputError):
            edit_video(EditRequest(clip, out, **words), refuse)
    asked = []

    def opened(request):
        asked.append(request)
        return open_edit_models(request)

    request = EditRequest(clip, out, "sad", models=models)
    assert edit_video(request, opened).out == out
    assert asked == [request]


def test_sources_are_never_overwritten(clip, models, tmp_path):
    with pytest.raises(InputError, match="would be overwritten"):
        edit_video(EditRequest(clip, clip, emotion="sad", models=models))
    with pytest.raises(InputError, match="end in"):
        edit_video(EditRequest(clip, tmp_path / "out.avi", emotion="sad", models=models))


def test_missing_and_foreign_models_are_named(clip, tmp_path, models):
    with pytest.raises(CheckpointError, match=r"holds ned \(seed0\)"):
        edit(clip, tmp_path, models, method="ned+asccl")
    with pytest.raises(CheckpointError, match="holds no manipulator"):
        edit(clip, tmp_path, tmp_path / "nowhere")
    names = tuple(f"flame{index}" for index in range(51))
    foreign = save_models(tmp_path / "foreign", names=names)
    with pytest.raises(CheckpointError, match=r"another expression space \(51 .* 'flame0'"):
        edit(clip, tmp_path, foreign)


def test_reference_gives_the_style(clip, models, edited, tmp_path):
    result = edit(clip, tmp_path, models, emotion=None, reference=clip, compare=True)
    assert np.allclose(result.expression, result.source.expression, atol=1e-4)  # its own style
    assert probe_video(result.comparison).width > 3 * 160


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A project folder in which nothing was run."""
    monkeypatch.setattr("spfem.run.edit_models.project_folder", lambda: tmp_path)
    return tmp_path


def _weights(manipulator):
    return torch.cat([value.flatten() for value in manipulator.state_dict().values()])


def test_without_models_the_shipped_manipulator_is_taken(nowhere):
    taken = load_edit_manipulator(None, "ned", seed=3)
    assert torch.equal(_weights(taken), _weights(pretrained_manipulator()))


def test_models_that_are_named_are_taken_instead(nowhere):
    folder = save_models(nowhere / "run")
    taken = load_edit_manipulator(folder, "ned", seed=0)
    assert len(_weights(taken)) != len(_weights(pretrained_manipulator()))


def test_a_method_that_is_not_shipped_needs_a_run(nowhere):
    with pytest.raises(CheckpointError, match=r"run_all\.sh .* without it ned needs no run"):
        load_edit_manipulator(None, "ned+asccl", seed=0)
    save_models(nowhere / "data" / "synthetic-demo", method="ned+asccl")
    assert load_edit_manipulator(None, "ned+asccl", seed=0).settings.width == 16
    with pytest.raises(SettingsError, match="'glad' is unknown"):
        load_edit_manipulator(None, "glad", seed=0)


def test_comparison_has_every_panel_every_frame_and_the_sound(tmp_path):
    source = write_clip(tmp_path / "source.mp4", moving_frames(20, 96, 96))
    result = tmp_path / "result.mp4"
    write_video(result, moving_frames(20, 96, 96)[..., ::-1], 25, audio_from=source)
    reference = tmp_path / "reference.mp4"
    write_video(reference, moving_frames(6, 50, 96), 30)
    out = tmp_path / "out.mp4"
    write_comparison(out, source, result, reference=reference, comment="manipulated")
    facts = probe_video(out)
    assert facts.frames == 20
    assert facts.fps == 25
    assert facts.width > 2.5 * 96
    assert audio_bytes(out) == audio_bytes(source)
    frames = read_video(out).frames.astype(int)
    height = frames.shape[1] - 96
    left = frames[:, height : height + 96, :96]
    assert np.abs(left - read_video(source).frames).mean() < 8


def _peak_bytes(folder, frames):
    answer = subprocess.run(
        [sys.executable, "-m", "tests.edit.measure_memory", str(folder), str(frames)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return 1024 * int(answer.stdout.split()[-1])


@pytest.mark.slow
def test_four_times_the_frames_take_no_more_memory(tmp_path):
    short, long = 96, 384  # the encoder looks ahead by half of the short one
    first, second = _peak_bytes(tmp_path, short), _peak_bytes(tmp_path, long)
    added = (long - short) * SIZE[0] * SIZE[1] * 3  # what the frames alone would take
    assert second - first < 0.2 * added
    assert second < 1.05 * first
