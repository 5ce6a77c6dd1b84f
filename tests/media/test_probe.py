"""What a video is: one clock, that of the first shown frame; its rate; folders of pictures."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spfem.errors import InputError
from spfem.media.audio import read_audio
from spfem.media.container import picture_paths
from spfem.media.probe import frame_slots, probe_video
from spfem.media.video import read_video, stream_frames, write_video
from tests.media.clips import (
    RATE,
    click_seconds,
    clicks,
    flash_frames,
    flash_seconds,
    offset_milliseconds,
    remux,
    write_browser_clip,
    write_clip,
)

NEAR = 8  # milliseconds: a block of sound is found to the millisecond, Matroska counts in them


def result_of(source, tmp_path):
    """What an edit that changes nothing writes."""
    facts, out = probe_video(source), tmp_path / "result.mp4"
    write_video(out, stream_frames(source), facts.fps, audio_from=source)
    return out


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv", ".mov"])
@pytest.mark.parametrize("start", [0.4, 0.0])
def test_sound_is_counted_from_the_first_frame_shown(tmp_path, suffix, start):
    frames, sound = flash_frames(30, 12), clicks(1.6, [start + 0.4])
    stamps = [index + round(30 * start) for index in range(30)]
    path = write_clip(tmp_path / f"late{suffix}", frames, stamps=stamps, sounds=[sound])
    assert abs(offset_milliseconds(path)) < NEAR
    assert abs(click_seconds(read_audio(path)) - 0.4) < NEAR / 1000
    result = result_of(path, tmp_path)
    assert abs(offset_milliseconds(result)) < NEAR
    assert len(read_video(result).frames) == 30


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_a_hole_in_the_sound_stays_a_hole(tmp_path, codec):
    form = {"sounds": [clicks(2.0, [0.3, 1.4])], "sound_codec": codec}
    whole, holed = write_clip(tmp_path / "a.mkv", flash_frames(60, 42), **form), tmp_path / "b.mkv"
    remux(whole, holed, lambda kind, at: kind == "video" or not 0.6 < at < 1.1)
    for path in (holed, result_of(holed, tmp_path)):
        read = read_video(path)
        assert abs(click_seconds(read.audio, after=0.6) - flash_seconds(read)) < 0.02
        assert np.abs(read.audio[round(0.75 * RATE) : round(1.05 * RATE)]).max() < 0.01


@pytest.mark.parametrize("count", [39, 99])
def test_browsers_recordings_keep_their_frames(tmp_path, count):
    path = write_browser_clip(tmp_path / "take.webm", count)
    facts = probe_video(path)
    assert (facts.fps, facts.frames) == (30, count)
    assert facts.seconds == pytest.approx(count / 30)
    frames = read_video(result_of(path, tmp_path)).frames
    assert len(frames) == count
    assert int(frames.mean((1, 2, 3)).argmax()) == count - 9


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), 25, Fraction(30000, 1001), Fraction(60000, 1001)]
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_usual_rates_are_exact_in_every_format(tmp_path, rate, suffix):
    path = tmp_path / f"rate{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for image in flash_frames(24, 3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    facts = probe_video(path)
    assert facts.fps == rate
    assert facts.frames == len(read_video(path).frames) == 24


@given(
    st.lists(st.floats(-0.4, 0.4), min_size=3, max_size=60),
    st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(30)]),
)
def test_no_frame_comes_or_goes_by_jitter(jitter, fps):
    times = sorted(
        (index + Fraction(shift).limit_denominator(1000)) / fps
        for index, shift in enumerate(jitter)
    )
    slots = list(frame_slots(times, fps))
    late = [abs(slot - (time - times[0]) * fps) for slot, time in zip(slots, times, strict=True)]
    assert max(late) < 1
    assert len(set(slots)) == len(slots) or max(late) > 0.5


@given(st.integers(10, 60), st.sets(st.integers(1, 30), max_size=5))
def test_holes_are_held_to_the_frame(count, holes):
    kept = [index for index in range(count) if index not in holes]
    assert list(frame_slots([Fraction(index, 30) for index in kept], Fraction(30))) == kept


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_recordings_that_begin_between_key_frames(tmp_path, suffix):
    form = {"sounds": [clicks(2.0, [1.5])], "options": {"g": "20", "sc_threshold": "0"}}
    whole = write_clip(tmp_path / f"whole{suffix}", flash_frames(60, 45), **form)
    began = float(probe_video(whole).start)
    cut = remux(whole, tmp_path / f"cut{suffix}", lambda kind, at: at - began > 0.19)
    result = result_of(cut, tmp_path)
    for path in (cut, result):
        assert len(read_video(path).frames) == probe_video(path).frames == 40  # from frame 20 on
        assert abs(offset_milliseconds(path)) < NEAR


def test_dropped_frames_of_an_avi_file_are_held(tmp_path):
    stamps = [0, 1, 4, 5, 8]
    frames = np.stack([np.full((48, 64, 3), 40 * index + 20, np.uint8) for index in range(5)])
    path = write_clip(tmp_path / "a.avi", frames, stamps=stamps, codec="mjpeg", pix_fmt="yuvj420p")
    facts, video = probe_video(path), read_video(path)
    assert (facts.fps, facts.frames) == (30, 9)
    levels = video.frames.mean((1, 2, 3)).round(-1)
    assert levels.tolist() == [20, 60, 60, 60, 100, 140, 140, 140, 180]


def paint(folder, *numbers, size=8):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        frame = np.zeros((size, size, 3), np.uint8)
        frame[..., 2] = number  # red, as cv2 counts
        cv2.imwrite(str(folder / f"{number:06d}.png"), frame)
    return folder


def test_frames_in_order_and_a_gap_repeats_the_last_one(tmp_path):
    folder = paint(tmp_path / "img", 10, 2, 3, 5)
    (folder / "face.png").write_bytes(b"x")
    video = read_video(folder)
    assert [int(frame[0, 0, 0]) for frame in video.frames] == [2, 3, 3, 5, 5, 5, 5, 5, 10]
    assert (video.frames[..., 1:] == 0).all()
    assert (video.fps, video.audio) == (30, None)
    facts = probe_video(folder)
    assert (facts.width, facts.height, facts.frames, facts.has_audio) == (8, 8, 9, False)
    assert facts.frames == len(video.frames)


def test_pictures_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="holds no numbered picture"):
        picture_paths(tmp_path)
    folder = paint(tmp_path / "img", 1, 2)
    (folder / "000002.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"000002\.png is not a readable picture"):
        read_video(folder)
    paint(folder, 2, size=16)
    with pytest.raises(InputError, match=r"000002\.png has another size"):
        read_video(folder)
