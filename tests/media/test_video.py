"""Video files: round trips, sync, replayed frames, bad input, nothing half-written."""

import resource
import signal
from fractions import Fraction

import av
import numpy as np
import pytest

from spfem.errors import ArtifactError, InputError, ShapeError
from spfem.media.audio import read_audio, write_audio
from spfem.media.probe import probe_video
from spfem.media.video import read_video, stream_frames, write_video
from tests.media.clips import audio_bytes, moving_frames


def tone(seconds, sample_rate=16000, hertz=440.0):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_round_trip_keeps_pictures_rate_and_sound(tmp_path):
    frames, rate = moving_frames(), Fraction(30000, 1001)
    sound = tone(0.4)
    write_video(tmp_path / "a.mp4", frames, rate, audio=sound, sample_rate=16000, comment="me")
    clip = read_video(tmp_path / "a.mp4")
    assert clip.frames.shape == frames.shape
    assert clip.frames.dtype == np.uint8
    assert clip.fps == rate
    assert np.abs(clip.frames.astype(int) - frames).mean() < 6
    assert clip.sample_rate == 16000
    assert abs(len(clip.audio) - len(sound)) <= 1024
    middle = slice(2000, 5000)
    assert np.corrcoef(clip.audio[middle], sound[middle])[0, 1] > 0.99  # no shift
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["comment"] == "me"
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_copied_sound_is_bit_exact_and_in_place(tmp_path):
    source, copy = tmp_path / "source.mp4", tmp_path / "copy.mp4"
    write_video(source, moving_frames(25), 25, audio=tone(1.0, 44100), sample_rate=44100)
    write_video(copy, moving_frames(25)[..., ::-1], 25, audio_from=source)
    assert audio_bytes(copy) == audio_bytes(source)
    np.testing.assert_array_equal(read_video(copy).audio, read_video(source).audio)


def test_no_sound_gives_none_and_copies_as_silence(tmp_path):
    write_video(tmp_path / "a.mp4", moving_frames(), 25)
    write_video(tmp_path / "b.mp4", moving_frames(), 25, audio_from=tmp_path / "a.mp4")
    clip = read_video(tmp_path / "b.mp4")
    assert clip.audio is None
    assert clip.sample_rate is None
    assert not probe_video(tmp_path / "b.mp4").has_audio
    with pytest.raises(InputError, match="no audio track"):
        read_audio(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "reader", [read_video, probe_video, lambda path: list(stream_frames(path))]
)
def test_bad_files_give_one_line_that_names_the_file(tmp_path, reader):
    good, sound = tmp_path / "good.mp4", tmp_path / "sound.m4a"
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3), dtype=np.uint8)
    write_video(good, noise, 25)
    data = good.read_bytes()
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is no video\n" * 50)
    (tmp_path / "truncated.mp4").write_bytes(data[: len(data) // 2])
    write_audio(sound, tone(0.2), 16000)
    for name in ("missing.mp4", "empty.mp4", "text.mp4", "truncated.mp4", "sound.m4a", "."):
        path = tmp_path / name
        with pytest.raises(InputError) as caught:
            reader(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_wrong_arguments(tmp_path):
    target = tmp_path / "a.mp4"
    frames = moving_frames()
    for pictures, sound, message in (
        ([], {}, "no frame"),
        (np.zeros((2, 32, 32, 3), np.float32), {}, "uint8"),
        ([frames[0], frames[1, :16]], {}, "frame 1"),
        (frames, {"audio": tone(0.4)}, "sample_rate"),
        (frames, {"audio": np.zeros((2, 9)), "sample_rate": 16000}, "audio"),
    ):
        with pytest.raises(ShapeError, match=message):
            write_video(target, pictures, 25, **sound)
    with pytest.raises(InputError, match="does not exist"):
        write_video(target, moving_frames(), 25, audio_from=tmp_path / "none.mp4")
    assert not list(tmp_path.iterdir())


def test_full_disk_leaves_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3), dtype=np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(ArtifactError, match="full"):
            write_video(tmp_path / "a.mp4", noise, 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())
