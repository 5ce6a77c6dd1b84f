"""Own videos: cuts between people, pieces that join, and what makes a track anew."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pytest

from spfem.face.clip_track import MARGIN_FRAMES, ClipTrack, fit_clip, track_video
from spfem.media.video import stream_frames, write_video
from spfem.reading.reader import FaceReader, read_clip
from spfem.run import faces as module
from spfem.run.faces import make_track
from spfem.settings import FaceSettings
from tests.conftest import ROOT
from tests.edit.made_up import speaking_frames
from tests.face.planted import planted_clip

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
    track = track_video(path, FaceSettings(), fit_clip)
    assert track.found[: LENGTH - 1].all()
    assert not track.shown[LENGTH : 2 * LENGTH].any()
    assert track.found[2 * LENGTH + 1 :].all()


def test_another_reader_tracks_a_clip_anew(tmp_path, monkeypatch):
    reader, clip = tmp_path / "reader.safetensors", tmp_path / "clip.mp4"
    reader.write_bytes(b"one")
    clip.write_bytes(b"pictures")
    done = []

    def tracked(path, settings, fit, *, face):
        done.append(path)
        frames = {"landmarks": (478, 3), "blendshapes": (51,), "expression": (52,)}
        frames |= {"rotation": (3,), "scale": (), "translation": (2,), "align": (2, 3)}
        arrays = {name: np.zeros((2, *shape), np.float32) for name, shape in frames.items()}
        seen = np.ones(2, bool)
        arrays |= {"identity": np.zeros(3, np.float32), "found": seen, "shown": seen}
        error = np.zeros(2, np.float32)
        return ClipTrack(
            fps=25.0, frame_size=(8, 8), face_size=96, reprojection_error=error, **arrays
        )

    monkeypatch.setattr(module, "track_video", tracked)
    monkeypatch.setattr(module, "pretrained_file", lambda kind: reader)
    first, second = (make_track(tmp_path / "track", clip, FaceSettings()) for _ in range(2))
    assert first.digest == second.digest
    assert len(done) == 1
    reader.write_bytes(b"another")
    assert make_track(tmp_path / "track", clip, FaceSettings()).digest != first.digest
    assert len(done) == 2


def test_a_cut_to_another_drawn_head_in_the_same_place_is_not_edited(tmp_path, capfd):
    one, other = speaking_frames(12), speaking_frames(8, african=0.5)
    path = tmp_path / "cut.mp4"
    write_video(path, np.concatenate([one, other, one]), 25)
    track = track_video(path, FaceSettings(face_size=64), fit_clip)
    assert track.shown[:12].all()
    assert not track.shown[12:20].any()
    assert track.shown[21:].all()
    said = capfd.readouterr().err
    assert (
        "8 of 32 frames may show somebody else and stay as they are, the first is frame 12" in said
    )


def test_a_small_face_in_a_large_frame_is_found(tmp_path):
    face = speaking_frames(3, 300)
    frames = np.pad(face, ((0, 0), (1300, 560), (2900, 640), (0, 0)), mode="edge")
    path = tmp_path / "far.mp4"
    write_video(path, frames, 25)
    track = track_video(path, FaceSettings(face_size=64), fit_clip)
    assert track.frame_size == (2160, 3840)
    assert track.found.all()
    middle = track.landmarks[..., :2].mean((0, 1))
    assert np.abs(middle - (3050, 1450)).max() < 60


SETTINGS = replace(FaceSettings(face_size=64), fit_iterations=3)


@pytest.mark.parametrize("read", [False, True])
def test_pieces_join_without_a_seam_and_agree_with_the_whole(head, read):
    def fit(piece_frames):
        by_pieces = partial(fit_clip, piece_frames=piece_frames)
        if not read:
            return by_pieces(head, tracked, SETTINGS)
        return read_clip(head, tracked, SETTINGS, FaceReader.pretrained(), by_pieces)

    tracked = planted_clip(head, frames=2 * MARGIN_FRAMES + 56, noise=0.2).tracked
    whole, align = fit(200)
    pieces, joined = fit(30)
    assert pieces.expression.shape == whole.expression.shape
    assert joined.shape == align.shape
    # The identity is seen in fewer frames, so codes differ a little; nothing may jump at a seam.
    assert np.abs(pieces.rotation - whole.rotation).max() < 0.02
    assert np.corrcoef(pieces.expression[:, 0], whole.expression[:, 0])[0, 1] > 0.98
    difference = pieces.expression[:, 0] - whole.expression[:, 0]
    assert np.abs(np.diff(difference))[[29, 59, 89]].max() < (0.03 if read else 0.01)
    assert pieces.reprojection_error.mean() < 1.1 * whole.reprojection_error.mean()
    assert 0 <= whole.expression.min() <= whole.expression.max() <= 1
    if read:
        assert np.array_equal(align, fit_clip(head, tracked, SETTINGS, piece_frames=200)[1])
