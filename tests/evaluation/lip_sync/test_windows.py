"""Windows begin where SyncNet's do; 30 fps becomes 25 by the nearest frames."""

import numpy as np
import pytest

from spfem.errors import ShapeError
from spfem.evaluation.lip_sync import frames_at_25, lip_windows, sound_windows, window_count


@pytest.mark.parametrize("fps", [30, 29.97, 24, 50, 60])
def test_resampled_frames_are_the_nearest_in_time(fps):
    index = frames_at_25(120, fps)
    assert len(index) == pytest.approx(120 * 25 / fps, abs=1)
    times = index / fps
    assert np.abs(times - np.arange(len(index)) / 25).max() <= 0.5 / fps + 1e-9
    assert (np.diff(index) >= 0).all()


def test_no_frame_or_rate_is_refused():
    for count, fps in ((0, 25), (4, 0)):
        with pytest.raises(ShapeError, match="frames and a rate"):
            frames_at_25(count, fps)


def test_windows_of_lips_and_sound_start_together():
    index = np.array([0, 3])
    lips = lip_windows(np.arange(10), index)
    assert lips.tolist() == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]]
    rows = np.repeat(np.arange(40.0)[:, None], 13, axis=1)
    sound = sound_windows(rows, index)
    assert sound.shape == (2, 13, 20)
    assert sound[1, 0].tolist() == list(range(12, 32))  # 4 rows a frame
    assert window_count(10, 40) == 6
    assert window_count(10, 39) == 5  # the sound is too short for the last
    assert window_count(4, 99) == 0
