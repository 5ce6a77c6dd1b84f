"""Sound: round trips, sound tracks of every format kept in their place or named, bad input."""

from __future__ import annotations

import av
import numpy as np
import pytest

from spfem.errors import ArtifactError, InputError, ShapeError
from spfem.media.audio import read_audio, write_audio
from spfem.media.probe import probe_video
from spfem.media.video import check_result, list_losses, read_video, stream_frames, write_video
from tests.media.clips import (
    changing_sound,
    clicks,
    flash_frames,
    offset_milliseconds,
    write_clip,
)


def chirp(seconds=1.0, sample_rate=16000):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.4 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_round_trip_at_any_rate_has_no_shift(tmp_path, rate):
    write_audio(tmp_path / "a.m4a", chirp(sample_rate=rate), rate)
    read = read_audio(tmp_path / "a.m4a", 16000)
    assert read.dtype == np.float32
    assert abs(len(read) - 16000) <= 1024
    assert np.corrcoef(read[500:15000], chirp()[500:15000])[0, 1] > 0.999


def test_channels_are_averaged_not_amplified(tmp_path):
    sound = chirp()
    both = (np.stack([sound, 0.5 * sound], axis=1).reshape(1, -1) * 32767).astype(np.int16)
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), 0.75 * sound, atol=1e-3)


@pytest.mark.parametrize("delay", [0.2, -0.2])
def test_sample_zero_belongs_to_frame_zero(tmp_path, delay):
    sound, shift = chirp(), round(0.2 * 16000)
    path = write_clip(
        tmp_path / "late.mkv",
        flash_frames(30, 3),
        stamps=range(30, 60),
        sounds=[sound[None]],
        sound_codec="pcm_s16le",
        sound_start=1 + delay,
    )
    read = read_video(path).audio
    if delay > 0:
        assert np.abs(read[: shift - 20]).max() == 0
        np.testing.assert_allclose(read[shift + 20 :], sound[20 : len(read) - shift], atol=2e-2)
    else:
        np.testing.assert_allclose(read[:8000], sound[shift : shift + 8000], atol=2e-2)


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_audio(tmp_path / "none.m4a")
    for bad in (np.zeros((2, 5)), np.zeros(0), np.zeros(9, np.int16), np.full(9, np.nan)):
        with pytest.raises(ShapeError, match="audio"):
            write_audio(tmp_path / "a.m4a", bad, 16000)
    assert not list(tmp_path.iterdir())


def result_of(source, tmp_path):
    facts, out = probe_video(source), tmp_path / "result.mp4"
    losses = check_result(source, facts, out)
    write_video(out, stream_frames(source), facts.fps, audio_from=source)
    return out, losses


@pytest.mark.parametrize(
    ("name", "codec", "channels"),
    [
        ("a.mov", "pcm_s16le", 2),
        ("a.mkv", "pcm_f32le", 1),
        ("a.avi", "adpcm_ima_wav", 2),
        ("a.avi", "wmav2", 2),
        ("a.wmv", "wmav2", 2),
        ("a.flv", "adpcm_swf", 1),
        ("a.mkv", "flac", 2),
        ("a.mkv", "ac3", 2),
        ("a.avi", "libmp3lame", 2),
        ("a.mkv", "libopus", 2),
    ],
)
def test_sound_of_every_format_reaches_the_result_in_its_place(tmp_path, name, codec, channels):
    rate = 48000 if codec in ("ac3", "libopus") else 44100
    sounds = [clicks(1.0, [0.5], rate, channels)]
    frames = flash_frames(30, 15)
    path = write_clip(tmp_path / name, frames, sounds=sounds, sound_codec=codec, rate=rate)
    result, losses = result_of(path, tmp_path)
    for one in (path, result):  # MP3 and WMA in AVI begin with a silence that no header tells
        assert abs(offset_milliseconds(one)) < 50, one
    assert probe_video(result).sound.channels == channels
    changed = not any(known in codec for known in ("mp3", "opus", "flac", "ac3"))
    assert changed == any("AAC is written" in loss for loss in losses)


def test_all_sound_tracks_are_kept_with_place_and_language(tmp_path):
    sounds = [clicks(1.0, [0.5]), clicks(1.0, [0.8], channels=2)]
    form = {"sounds": sounds, "languages": ("eng", "deu")}
    path = write_clip(tmp_path / "two.mkv", flash_frames(30, 15), **form)
    result, losses = result_of(path, tmp_path)
    assert losses == ()
    tracks = probe_video(result).sounds
    assert [(track.channels, track.language) for track in tracks] == [(1, "eng"), (2, "deu")]
    starts = []
    for index in range(2):
        with av.open(str(result)) as container:
            frames = list(container.decode(container.streams.audio[index]))
            samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
            starts.append((np.argmax(np.abs(samples) > 0.25) + frames[0].pts) / 16000)
    assert starts == pytest.approx([0.5, 0.8], abs=0.01)


def write_odd(path, sounds):
    """A Matroska file whose first sound track has a format that nobody knows."""
    write_clip(path, flash_frames(30, 15), sounds=sounds, sound_codec="pcm_s16le")
    path.write_bytes(path.read_bytes().replace(b"A_PCM/INT/LIT", b"A_ODD/INT/LIT", 1))
    return path


def test_a_first_track_without_a_decoder_is_named_and_the_second_is_heard(tmp_path):
    path = write_odd(tmp_path / "odd.mkv", [clicks(1.0, [0.2]), clicks(1.0, [0.5])])
    facts = probe_video(path)
    assert [track.decodable for track in facts.sounds] == [False, True]
    assert facts.sound.index == facts.sounds[1].index
    result, losses = result_of(path, tmp_path)
    assert "sound track 1 (unknown codec: no decoder)" in losses[0]
    assert abs(offset_milliseconds(path)) < 8
    assert abs(offset_milliseconds(result)) < 8


def test_sound_that_cannot_be_written_is_refused_at_once(tmp_path):
    path = write_odd(tmp_path / "odd.mkv", [clicks(0.2, [0.1])])
    with pytest.raises(InputError, match="no sound track has a decoder"):
        check_result(path, probe_video(path), tmp_path / "out.mp4")
    with pytest.raises(InputError, match=r"sound changes from 16000 Hz .* to 24000 Hz"):
        read_video(changing_sound(tmp_path))


def test_places_that_cannot_be_written_to_are_refused_before(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", flash_frames(6, 3))
    facts = probe_video(path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="cannot be written"):
        check_result(path, facts, tmp_path / "file" / "out.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(ArtifactError, match="is a folder"):
        check_result(path, facts, tmp_path / "folder.mp4")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(ArtifactError, match="free some space"):
        check_result(path, facts, tmp_path / "out.mp4")
    assert {one.name for one in tmp_path.iterdir()} == {"a.mp4", "file", "folder.mp4"}


def test_what_is_lost_is_listed(tmp_path):
    plain = [av.VideoFrame.from_ndarray(image, format="rgb24") for image in flash_frames(4, 2)]
    frames = [frame.reformat(format="yuv420p10le") for frame in plain]
    path = write_clip(tmp_path / "ten.mp4", frames, pix_fmt="yuv420p10le")
    assert list_losses(probe_video(path)) == ("10 bits a colour (8 are written)",)
