"""Audio files: round trip, channels, start times, bad input."""

from fractions import Fraction

import av
import numpy as np
import pytest

from spfem.errors import InputError, ShapeError
from spfem.media.audio import read_audio, write_audio
from spfem.media.video import read_video


def chirp(seconds=1.0, sample_rate=16000):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.4 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.float32)


def test_round_trip_has_no_shift(tmp_path):
    sound = chirp()
    write_audio(tmp_path / "a.m4a", sound, 16000)
    read = read_audio(tmp_path / "a.m4a")
    assert read.dtype == np.float32
    assert np.corrcoef(read[500:15000], sound[500:15000])[0, 1] > 0.999


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


def test_resampled_to_the_wanted_rate(tmp_path):
    write_audio(tmp_path / "a.m4a", chirp(sample_rate=44100), 44100)
    read = read_audio(tmp_path / "a.m4a", 16000)
    assert abs(len(read) - 16000) <= 400
    assert np.corrcoef(read[500:15000], chirp()[500:15000])[0, 1] > 0.999


@pytest.mark.parametrize("delay", [Fraction(1, 5), Fraction(-1, 5)])
def test_sample_zero_belongs_to_frame_zero(tmp_path, delay):
    sound, path = chirp(), tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "0"})
        video.height, video.width, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
        frame.pts = round((1 + delay) * 16000)
        container.mux(audio.encode(frame))
        for index in range(25):
            picture = av.VideoFrame(32, 32, "rgb24")
            picture.pts, picture.time_base = 25 + index, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    read = read_video(path).audio
    shift = round(abs(delay) * 16000)
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
