import numpy as np
import pytest

from spfem.errors import InputError
from spfem.media.video import ReplayedFrames, stream_frames, write_video


@pytest.fixture
def video(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (6, 16, 24, 3), np.uint8)
    write_video(tmp_path / "a.mp4", frames, 25)
    return tmp_path / "a.mp4"


@pytest.mark.parametrize(("held", "decoded"), [(6, 1), (5, 2), (0, 2)])
def test_every_reading_gives_the_same_frames(video, monkeypatch, held, decoded):
    readings = []

    def counted(path):
        readings.append(path)
        return stream_frames(path)

    monkeypatch.setattr("spfem.media.video.stream_frames", counted)
    frames = ReplayedFrames(video, held_bytes=held * 16 * 24 * 3)
    wanted = np.stack(list(stream_frames(video)))
    assert np.array_equal(np.stack(list(frames)), wanted)
    assert np.array_equal(np.stack(list(frames)), wanted)
    assert len(readings) == decoded


def test_a_clip_that_is_too_long_is_refused_with_advice(video):
    assert len(list(ReplayedFrames(video, most_frames=6))) == 6
    with pytest.raises(InputError, match=r"more than 5 frames.*cut it"):
        list(ReplayedFrames(video, most_frames=5))
