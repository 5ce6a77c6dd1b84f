"""Sound beside pictures: packets kept, their place kept, foreign formats encoded anew."""

from fractions import Fraction

import av
import numpy as np
import pytest

from spfem.media.video import read_video, write_video
from tests.media.test_video import audio_bytes, moving_frames

RATE = 16000


def chirp(seconds):
    """A tone whose pitch rises, so that any shift is seen."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.4 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.float32)


def write_apart(path, codec, *, video_start, sound_start, seconds=1.2):
    """A file whose video and sound begin at times of their own."""
    samples = chirp(seconds)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        sound = container.add_stream(codec, rate=RATE, layout="mono")
        for index, image in enumerate(moving_frames(20)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index + round(video_start * 25), Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        resampler = av.AudioResampler(format=sound.format.name, layout="mono", rate=RATE)
        for start in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[None, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate = RATE
            frame.pts, frame.time_base = start + round(sound_start * RATE), Fraction(1, RATE)
            for part in resampler.resample(frame):
                container.mux(sound.encode(part))
        container.mux(sound.encode(None))


def lag(first, second):
    """Samples by which `second` comes later."""
    count = min(len(first), len(second))
    product = np.fft.rfft(first[:count], 2 * count).conj() * np.fft.rfft(second[:count], 2 * count)
    shift = int(np.argmax(np.fft.irfft(product)))
    return shift if shift < count else shift - 2 * count


@pytest.mark.parametrize(("video_start", "sound_start"), [(0, 0.32), (0.4, 0), (0.4, 0.4)])
def test_copied_sound_keeps_its_offset_to_the_pictures(tmp_path, video_start, sound_start):
    source, copy = tmp_path / "source.mkv", tmp_path / "copy.mp4"
    write_apart(source, "aac", video_start=video_start, sound_start=sound_start)
    write_video(copy, moving_frames(20), 25, audio_from=source)
    assert audio_bytes(copy) == audio_bytes(source)
    before, after = read_video(source), read_video(copy)
    assert len(after.frames) == len(before.frames) == 20
    assert abs(lag(before.audio, after.audio)) <= RATE // 500  # Matroska counts milliseconds


@pytest.mark.parametrize(("video_start", "sound_start"), [(0, 0.32), (0.4, 0)])
def test_sound_that_mp4_cannot_hold_is_encoded_in_place(tmp_path, video_start, sound_start):
    source, copy = tmp_path / "source.mov", tmp_path / "copy.mp4"
    write_apart(source, "pcm_mulaw", video_start=video_start, sound_start=sound_start)
    write_video(copy, moving_frames(20), 25, audio_from=source)
    with av.open(str(copy)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    before, after = read_video(source), read_video(copy)
    assert abs(lag(before.audio, after.audio)) <= RATE // 500
    middle = slice(RATE // 2, RATE * 3 // 4)
    assert np.corrcoef(before.audio[middle], after.audio[middle])[0, 1] > 0.95
