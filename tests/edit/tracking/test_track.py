"""Pass 1 on real tracker output: cuts between real people."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from spfem.edit.tracking.track import track_video
from spfem.media.video import stream_frames, write_video
from spfem.settings import FaceSettings
from tests.conftest import ROOT

REAL = ROOT.parent / "shared" / "real"
LENGTH = 10


def test_a_cut_to_another_real_person_is_no_reason_to_edit_them(tmp_path):
    clips = [REAL / name / "source.mp4" for name in ("neutral_035_2", "M012_happy_037")]
    if not all(path.exists() for path in clips):
        pytest.skip("no real clips")
    one, other = (np.stack(list(islice(stream_frames(path), LENGTH))) for path in clips)
    assert one.shape == other.shape
    path = tmp_path / "cut.mp4"
    write_video(path, np.concatenate([one, other, one]), 25)
    track = track_video(path, FaceSettings())
    assert track.found[: LENGTH - 1].all()
    assert not track.shown[LENGTH : 2 * LENGTH].any()
    assert track.found[2 * LENGTH + 1 :].all()
