"""Edits of made-up clips beside their source: planted blur, stillness, person and expression."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from studies.audit import COUNTED

from benchmarks import edits
from benchmarks.__main__ import main
from benchmarks.edits import measure_edit, summarise
from spfem.errors import InputError
from spfem.head.names import BLENDSHAPE_NAMES
from tests.evaluation.made_up import make_landmarks

FRAMES, SIDE = 24, 128
SMILE = [BLENDSHAPE_NAMES.index(f"mouthSmile{side}") for side in ("Left", "Right")]


@dataclass(frozen=True)
class MadeUpPanel:
    """Stands for a tracked panel; the aligned face is the frame, and a person is a number."""

    frames: np.ndarray
    track: SimpleNamespace
    usable: np.ndarray
    person: float = 0.0

    def embeddings(self, frames):
        return np.full((len(frames), 128), self.person / np.sqrt(128))


def panel(frames, *, smile=0.0, jaw=None, person=0.0, usable=None):
    scores = np.full((FRAMES, len(BLENDSHAPE_NAMES)), 0.1)
    scores[:, SMILE] += smile
    codes = np.zeros((FRAMES, 52))
    codes[:, 0] = np.sin(np.arange(FRAMES)) if jaw is None else jaw
    align = np.tile(np.eye(2, 3, dtype=np.float32), (FRAMES, 1, 1))
    track = SimpleNamespace(
        landmarks=make_landmarks(FRAMES), blendshapes=scores, expression=codes, faces=frames,
        masks=np.full((FRAMES, SIDE, SIDE), 255, np.uint8), align=align, fps=25.0,
        found=np.ones(FRAMES, bool), rotation=np.random.default_rng(0).normal(size=(FRAMES, 3)),
    )  # fmt: skip
    track = type("Track", (), {**vars(track), "__len__": lambda _: FRAMES})()
    return MadeUpPanel(frames, track, np.ones(FRAMES, bool) if usable is None else usable, person)


@pytest.fixture(scope="module")
def pictures():
    """Noise that a slow wave moves, so that frames differ."""
    random = np.random.default_rng(0)
    still = random.integers(60, 200, (SIDE, SIDE, 3)).astype(float)
    wave = 20 * np.sin(np.arange(FRAMES))[:, None, None, None]
    return np.clip(still + wave, 0, 255).astype(np.uint8)


def real(smile=0.5):
    change = np.zeros(len(BLENDSHAPE_NAMES))
    change[SMILE] = smile
    return change[COUNTED]


def test_the_source_itself_is_a_perfect_edit_that_shows_nothing(pictures):
    found = measure_edit(panel(pictures), panel(pictures), "happy", real())
    for metric in ("sharpness", "frame_difference", "detail_mouth", "detail_eyes"):
        assert found[metric] == pytest.approx(1, abs=0.01), metric
    assert found["jaw_correlation"] == pytest.approx(1)
    assert found["identity_distance"] == 0
    assert found["change_strength"] == pytest.approx(0)
    assert found["change_size"] == 0
    assert np.isnan(found["change_cosine"])  # too small for a direction


def test_planted_blur_stillness_person_and_jaw_are_told(pictures):
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in pictures])
    held = np.repeat(soft[::2], 2, axis=0)
    jaw = np.random.default_rng(1).normal(size=FRAMES)
    result = panel(held, jaw=jaw, person=0.3)
    found = measure_edit(panel(pictures), result, "happy", real())
    assert found["sharpness"] < 0.4
    assert found["detail_mouth"] < 0.2
    assert found["frame_difference"] < 0.9
    assert found["identity_distance"] == pytest.approx(0.3)
    assert abs(found["jaw_correlation"]) < 0.6


def test_what_does_not_show_the_same_moments_is_refused(pictures):
    with pytest.raises(InputError, match="same moments"):
        measure_edit(panel(pictures), panel(pictures[:, :100]), "happy", real())
    nowhere = np.zeros(FRAMES, bool)
    with pytest.raises(InputError, match="no frame"):
        measure_edit(panel(pictures), panel(pictures, usable=nowhere), "happy", real())


@pytest.fixture
def folder(tmp_path, monkeypatch, pictures):
    """Two clips, one with a smiling reference; the editor smiles by half, and fails on `bad`."""
    asked = []

    def open_panel(path, face_size):
        if path.parent.name == "gone":
            raise InputError(f"{path} shows no face")
        smile = {"reference": 0.6, "source": 0.0}.get(path.stem, 0.3)
        return panel(pictures, smile=smile)

    def edit(request):
        asked.append(request)
        if request.clip.parent.name == "bad":
            raise InputError("too short")

    monkeypatch.setattr(edits, "open_panel", open_panel)
    monkeypatch.setattr(edits, "edit_video", edit)
    for name in ("good", "bad", "gone"):
        (tmp_path / name).mkdir()
        for video in ("source", "reference", "ned"):
            (tmp_path / name / f"{video}.mp4").write_bytes(b"")
    rows = ["clip,driven_by,emotion_in_name,panels", "good,reference,happy,source|reference|ned"]
    rows += ["bad,label,sad,source|ned", "gone,label,sad,source|ned"]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    return SimpleNamespace(path=tmp_path, asked=asked)


def test_the_command_writes_numbers_only_and_says_what_was_left_out(folder, capsys):
    out = folder.path / "out" / "real_edits.csv"
    words = ["edits", str(folder.path), "--out", str(out), "--processes", "1"]
    assert main([*words, "--models", "somewhere"]) == 0
    table = pd.read_csv(out)
    assert list(table.columns) == ["clip", "emotion", "metric", "value"]
    assert table.value.dtype == float
    assert set(zip(table["clip"], table.emotion, strict=True)) == {("good", "happy")}
    strength = table.set_index("metric").value["change_strength"]
    assert strength == pytest.approx(0.5)
    assert {request.models for request in folder.asked} == {Path("somewhere")}
    said = capsys.readouterr().out
    assert "left out: bad happy: too short" in said
    assert "left out: gone source" in said
    assert "change_cosine" in said


def test_the_summary_holds_means_against_their_goals():
    rows = [("a", "happy", "sharpness", 0.9), ("a", "sad", "sharpness", 1.1)]
    rows += [("a", "happy", "identity_distance", 0.3), ("a", "sad", "identity_distance", np.nan)]
    table = pd.DataFrame(rows, columns=["clip", "emotion", "metric", "value"])
    found = summarise(table).set_index("metric")
    assert found.loc["sharpness", ["edits", "mean", "least", "most"]].tolist() == [2, 1.0, 0.9, 1.1]
    assert found.met.to_dict() == {"sharpness": "yes", "identity_distance": "no"}
    assert found.wanted.to_dict() == {
        "sharpness": "at least 0.95",
        "identity_distance": "at most 0.15",
    }
    assert found.loc["sharpness", "sad"] == 1.1
