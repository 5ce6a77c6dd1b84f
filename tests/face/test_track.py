from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.face.track import FaceTrack, track_clip
from spfem.media.video import write_video
from spfem.settings import FaceSettings
from tests.face.planted import planted_track


def test_every_field_survives_the_file(planted, tmp_path):
    faces = np.random.default_rng(0).integers(0, 255, (24, 16, 16, 3), dtype=np.uint8)
    track = planted_track(planted, faces)
    track.save(tmp_path / "a" / "b.npz")
    again = FaceTrack.load(tmp_path / "a" / "b.npz")
    for field in fields(FaceTrack):
        assert np.array_equal(getattr(track, field.name), getattr(again, field.name)), field.name
    assert len(again) == 24


def test_damaged_files_are_named(planted, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.npz"):
        FaceTrack.load(tmp_path / "nothing.npz")
    path = tmp_path / "cut.npz"
    planted_track(planted, np.zeros((24, 8, 8, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut\.npz"):
        FaceTrack.load(path)
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(InputError, match=r"other\.npz"):
        FaceTrack.load(tmp_path / "other.npz")


def test_a_clip_that_is_too_long_is_refused_with_advice(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", np.zeros((6, 16, 24, 3), np.uint8), 25)
    monkeypatch.setattr("spfem.face.track.MOST_FRAMES", 5)
    with pytest.raises(InputError, match=r"a\.mp4 has more than 5 frames.*cut it"):
        track_clip(tmp_path / "a.mp4", FaceSettings())
