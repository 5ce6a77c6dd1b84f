"""Sound in the formats that people have: tried before work, kept or named."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from spfem.errors import ArtifactError, InputError
from spfem.media.probe import probe_video
from spfem.media.video import check_result, list_losses, read_video, stream_frames, write_video
from tests.media.clips import change_codec, clicks, flash_frames, offset_milliseconds, write_clip

FORMATS = [
    ("a.mov", "pcm_s16le", 2),
    ("a.avi", "pcm_s16le", 2),
    ("a.mkv", "pcm_s16le", 2),
    ("a.mkv", "pcm_f32le", 1),
    ("a.avi", "adpcm_ima_wav", 2),
    ("a.avi", "wmav2", 2),
    ("a.wmv", "wmav2", 2),
    ("a.flv", "adpcm_swf", 1),
    ("a.mkv", "flac", 2),
    ("a.mkv", "ac3", 2),
    ("a.avi", "libmp3lame", 2),
    ("a.mkv", "libopus", 2),
]


def result_of(source, tmp_path):
    facts, out = probe_video(source), tmp_path / "result.mp4"
    losses = check_result(source, facts, out)
    write_video(out, stream_frames(source), facts.fps, audio_from=source)
    return out, losses


@pytest.mark.parametrize(("name", "codec", "channels"), FORMATS)
def test_sound_of_every_format_reaches_the_result_in_its_place(tmp_path, name, codec, channels):
    rate = 48000 if codec in ("ac3", "libopus") else 44100
    sound = clicks(1.0, [0.5], rate, channels)
    path = write_clip(
        tmp_path / name, flash_frames(30, 15), sounds=[sound], sound_codec=codec, rate=rate
    )
    result, losses = result_of(path, tmp_path)
    for one in (path, result):
        assert abs(offset_milliseconds(one)) < 50, (
            one
        )  # MP3 and WMA in AVI begin with a silence that no header tells
    facts = probe_video(result)
    assert facts.sound.channels == channels
    changed = not any(known in codec for known in ("mp3", "opus", "flac", "ac3"))
    assert changed == any("AAC is written" in loss for loss in losses)


def test_all_sound_tracks_are_kept_with_their_language(tmp_path):
    path = tmp_path / "two.mkv"
    sounds = [clicks(1.0, [0.5]), clicks(1.0, [0.8], channels=2)]
    write_clip(path, flash_frames(30, 15), sounds=sounds)
    result, losses = result_of(path, tmp_path)
    assert losses == ()
    assert [track.channels for track in probe_video(result).sounds] == [1, 2]
    starts = []
    for index in range(2):
        with av.open(str(result)) as container:
            frames = list(container.decode(container.streams.audio[index]))
            samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
            starts.append((np.argmax(np.abs(samples) > 0.25) + frames[0].pts) / 16000)
    assert starts == pytest.approx([0.5, 0.8], abs=0.01)


def without_decoder(path, track=0):
    """Give a Matroska file's PCM tracks, from the left, a format that nobody knows."""
    data, name = path.read_bytes(), b"A_PCM/INT/LIT"
    place = -1
    for _ in range(track + 1):
        place = data.index(name, place + 1)
    path.write_bytes(data[:place] + b"A_ODD/INT/LIT" + data[place + len(name) :])
    return path


def test_a_first_track_without_a_decoder_is_named_and_the_second_is_heard(tmp_path):
    sounds = [clicks(1.0, [0.2]), clicks(1.0, [0.5])]
    path = write_clip(
        tmp_path / "odd.mkv", flash_frames(30, 15), sounds=sounds, sound_codec="pcm_s16le"
    )
    without_decoder(path)
    facts = probe_video(path)
    assert [track.decodable for track in facts.sounds] == [False, True]
    assert facts.sound.index == facts.sounds[1].index
    result, losses = result_of(path, tmp_path)
    assert "sound track 1 (unknown codec: no decoder)" in losses[0]
    assert abs(offset_milliseconds(path)) < 8
    assert abs(offset_milliseconds(result)) < 8


def test_sound_that_cannot_be_written_is_refused_at_once(tmp_path):
    path = write_clip(
        tmp_path / "odd.mkv",
        flash_frames(6, 3),
        sounds=[clicks(0.2, [0.1])],
        sound_codec="pcm_s16le",
    )
    facts = probe_video(without_decoder(path))
    with pytest.raises(InputError, match="no sound track has a decoder"):
        check_result(path, facts, tmp_path / "out.mp4")


def sound_packets(rate):
    """MP3 of a second."""
    encoder = av.CodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "fltp"
    encoder.time_base = Fraction(1, rate)
    packets = []
    for at in range(0, rate, 1152):
        block = clicks(1.0, [0.3], rate)[:, at : at + 1152]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = rate, at
        packets += encoder.encode(frame)
    return packets


def picture_packets(height):
    """Motion JPEG of fifteen frames."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width, encoder.pix_fmt = height, 64, "yuvj420p"
    encoder.time_base = Fraction(1, 30)
    packets = []
    for index, image in enumerate(flash_frames(15, 3, height=height)):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
        frame.pts = index
        packets += encoder.encode(frame)
    return packets


def changing_pictures(folder):
    """A clip whose pictures grow in the middle."""
    whole = write_clip(
        folder / "whole.mkv",
        flash_frames(30, 3),
        codec="mjpeg",
        pix_fmt="yuvj420p",
        sounds=[clicks(1.0, [0.1])],
    )
    parts = [picture_packets(48), picture_packets(96)]
    return change_codec(whole, folder / "growing.mkv", parts, "video")


def changing_sound(folder):
    """A clip whose sound changes its rate in the middle."""
    whole = write_clip(
        folder / "whole.mkv",
        flash_frames(60, 3),
        sounds=[clicks(2.0, [0.1])],
        sound_codec="libmp3lame",
    )
    parts = [sound_packets(16000)[:20], sound_packets(24000)]
    return change_codec(whole, folder / "changing.mkv", parts, "audio")


def test_sound_that_changes_in_the_middle_is_refused_with_its_time(tmp_path):
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
    path = write_clip(
        tmp_path / "ten.mp4",
        [
            av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p10le")
            for image in flash_frames(4, 2)
        ],
        pix_fmt="yuv420p10le",
    )
    assert list_losses(probe_video(path)) == ("10 bits a colour (8 are written)",)
