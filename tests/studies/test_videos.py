"""Videos and grids of results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import videos as comparisons
from studies import videos as qualitative
from studies.videos import (
    BOX_HEIGHT,
    BOX_WIDTH,
    closest_to_truth,
    comparison_frames,
    face_square,
    mouth_box,
    qualitative_rows,
    save_comparison,
)

from spfem.corpus.protocol import Edit
from spfem.face.landmarks import OUTER_LIPS
from spfem.media.video import read_video, write_video
from spfem.run.workspace import open_workspace
from tests.evaluation.made_up import make_scores

SIDE = 32
EDIT = Edit("intra", "A/neutral/level_1/004", "A/happy/level_3/005", "happy", "A")


def clip(level: int, frames: int = 4) -> np.ndarray:
    return (
        np.full((frames, SIDE, SIDE, 3), level, np.uint8)
        + np.arange(frames, dtype=np.uint8)[:, None, None, None]
    )


class MadeUpClip:
    def __init__(self, video: Path):
        self.video = video


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Results on disk: source 40, reference 80 (two frames), ned 120, ned+all 160, truth 200."""
    levels = {"source": 40, "reference": 80, "ned": 120, "ned+all": 160}
    for name, level in levels.items():
        frames = clip(level, 2 if name == "reference" else 4)
        sound = {"audio": np.full(2560, 0.1), "sample_rate": 16000} if name == "source" else {}
        write_video(tmp_path / f"{name}.mp4", frames, 25, **sound)
    clips = {
        EDIT.source: MadeUpClip(tmp_path / "source.mp4"),
        EDIT.reference: MadeUpClip(tmp_path / "reference.mp4"),
    }
    monkeypatch.setattr(comparisons, "clips_by_key", lambda _: clips)
    monkeypatch.setattr(
        comparisons, "result_video", lambda _, base, method, edit: tmp_path / f"{method}.mp4"
    )
    monkeypatch.setattr(comparisons, "read_truth", lambda *_: (clip(200), None))
    monkeypatch.setattr(comparisons, "make_corpus", lambda _: type("Corpus", (), {"fps": 25}))
    return open_workspace("11_x", scale="smoke", data=tmp_path / "d", figures=tmp_path / "f")


class MadeUpTrack:
    frame_size = (SIDE, 2 * SIDE)

    def __init__(self, left, top, size):
        corners = np.array([[left, top, 0], [left + size, top + size / 2, 0]], float)
        self.landmarks = np.stack([corners, np.add(corners, (2, 1, 0)), corners + 99])
        self.found = np.array([True, True, False])  # the frame without a face does not count


def test_the_square_holds_the_face_of_every_frame():
    rows, columns = face_square(MadeUpTrack(20, 10, 8), room=1.2)
    assert (rows.stop - rows.start) == (columns.stop - columns.start) == 12  # 1.2 x (8 + 2)
    assert columns == slice(19, 31)  # around 25
    assert rows == slice(6, 18)  # around 12.5, rounded to even
    rows, columns = face_square(MadeUpTrack(56, 0, 6), room=3.0)
    assert rows == slice(0, 24)  # pushed into the frame
    assert columns.stop == 2 * SIDE


def test_comparison_shows_every_clip_at_the_same_moment():
    frames = list(comparison_frames({"source": clip(10), "ned": clip(100), "truth": clip(200, 2)}))
    assert len(frames) == 4
    for moment, frame in enumerate(frames):
        row = frame[-1]  # below the labels
        assert row[0, 0] == 10 + moment
        assert row[SIDE + 4, 0] == 100 + moment
        assert row[-1, 0] == 200 + min(moment, 1)  # the shorter clip stays at its end


def test_saved_comparison_has_the_sound_of_the_source(workspace):
    save_comparison(workspace, EDIT, ["ned", "ned+all"])
    path = workspace.figures / "videos" / f"{EDIT.name}.mp4"
    video = read_video(path)
    assert len(video.frames) == 4
    assert video.frames.shape[2] == 5 * SIDE + 4 * 4
    assert np.array_equal(
        video.audio, read_video(comparisons.clips_by_key(0)[EDIT.source].video).audio
    )
    assert workspace.finish() == [f"videos/{EDIT.name}.mp4"]


def test_method_nearest_to_the_truth_is_chosen():
    scores = make_scores(methods=("ned", "ned+asccl", "ned+all"), seeds=(0,))
    by_method = {name: [s for s in scores if s.method == name] for name in ("ned+all", "ned")}
    assert closest_to_truth(by_method) == "ned"  # made-up errors rise with the position
    unknown = {
        name: [replace(s, scores={"mouth_error": np.nan}) for s in part]
        for name, part in by_method.items()
    }
    assert closest_to_truth(unknown) == "ned"  # the last


CELL = 100


class LipTrack:
    """A face over the square from (50, 20) to (250, 220) of a frame, its lips around `lips`."""

    frame_size = (300, 400)

    def __init__(self, lips, jaw=(0.1, 0.7, 0.9)):
        self.landmarks = np.zeros((3, 478, 3))
        self.landmarks[:, :, :2] = np.linspace((50, 20), (250, 220), 478)
        self.landmarks[:, list(OUTER_LIPS), :2] = lips
        self.found = np.array([True, True, False])
        self.expression = np.array(jaw)[:, None]


def test_the_box_stands_on_the_planted_mouth():
    rows, columns = qualitative.face_square(track := LipTrack((150, 170)))
    left, top, right, bottom = mouth_box(track, 0, CELL)
    assert (right - left, bottom - top) == (round(BOX_WIDTH * CELL), round(BOX_HEIGHT * CELL))
    scale = CELL / (rows.stop - rows.start)
    centre = (150 - columns.start) * scale, (170 - rows.start) * scale
    assert np.allclose([(left + right) / 2, (top + bottom) / 2], centre, atol=1)


def test_rows_show_the_moment_of_the_source_and_the_reference_its_own(monkeypatch):
    tracks = {
        EDIT.source: LipTrack((150, 170), (0.9, 0.1, 0)),
        EDIT.reference: LipTrack((150, 170), (0.1, 0.9, 0)),
    }
    clips = {
        name: np.stack([np.full((112, 112, 3), 10 * k + t, np.uint8) for t in range(3)])
        for k, name in enumerate(("source", "reference", "ned", "truth"))
    }
    monkeypatch.setattr(qualitative, "make_faces", lambda _: tracks)
    monkeypatch.setattr(qualitative, "edit_panels", lambda *_: clips)
    monkeypatch.setattr(qualitative, "close_ups", lambda _, __, panels: panels)
    rows, names = qualitative_rows(None, [EDIT, EDIT], ["ned"])
    assert names == list(clips)
    assert [int(cell[0, 0, 0]) for cell in rows[1]] == [0, 11, 20, 30]
