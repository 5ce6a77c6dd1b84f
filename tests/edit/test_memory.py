"""Memory of an edit does not grow with the length of the video."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.edit.measure_memory import SIZE


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
