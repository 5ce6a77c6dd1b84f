"""Expression change, and folders of published clips."""

from __future__ import annotations

import numpy as np
import pytest
from studies.audit import (
    direction_cosine,
    label_direction,
    mean_scores,
    nearest_label,
    read_published,
    strength,
)

from spfem.errors import InputError
from spfem.head.names import BLENDSHAPE_NAMES
from spfem.settings import EMOTIONS


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_the_apex_of_every_emotion_is_named(emotion):
    assert nearest_label(0.8 * label_direction(emotion)) == emotion


def test_a_smile_is_happy_and_not_sad():
    scores = np.zeros((4, 51))
    for side in ("Left", "Right"):
        scores[:, BLENDSHAPE_NAMES.index(f"mouthSmile{side}")] = 0.7
    change = mean_scores(scores, np.ones(4, bool))
    assert nearest_label(change) == "happy"
    assert direction_cosine(change, label_direction("happy")) > 0.5
    assert direction_cosine(change, label_direction("sad")) <= 0


def test_strength_is_the_share_of_the_way():
    wanted = label_direction("angry")
    assert strength(0.4 * wanted, wanted) == pytest.approx(0.4)
    assert direction_cosine(0.4 * wanted, wanted) == pytest.approx(1)
    assert direction_cosine(-0.4 * wanted, wanted) == pytest.approx(-1)


def _folder(tmp_path, rows, *files):
    lines = ["clip,driven_by,emotion_in_name,panels", *rows]
    (tmp_path / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_a_clip_with_all_its_panels(tmp_path):
    folder = _folder(
        tmp_path,
        ["é clip 1,,Happy,source|reference|ned"],
        *(f"é clip 1/{panel}.mp4" for panel in ("source", "reference", "ned")),
    )
    clips, problems = read_published(folder)
    assert not problems
    assert clips[0].methods == ("ned",)
    assert clips[0].emotion == "happy"
    assert clips[0].driven_by == "reference"


def test_what_is_wrong_is_listed_and_the_rest_kept(tmp_path):
    folder = _folder(
        tmp_path,
        [
            "good,label,joy,source|ned|ours",
            "good,label,happy,source|ned",
            "nosource,label,happy,source|ned",
            "lonely,label,happy,source",
            "../outside,label,happy,source|ned",
            "sly,label,happy,source|../../secret|ned",
            ",label,happy,source|ned",
        ],
        "good/source.mp4",
        "good/ned.mp4",
        "nosource/ned.mp4",
        "lonely/source.mp4",
        "sly/source.mp4",
        "sly/ned.mp4",
    )
    clips, problems = read_published(folder)
    assert [clip.name for clip in clips] == ["good", "sly"]
    assert [clip.methods for clip in clips] == [("ned",), ("ned",)]
    assert clips[0].emotion == ""
    reasons = {(problem.clip, problem.panel): problem.reason for problem in problems}
    assert "missing" in reasons["good", "ours"]
    assert "no source" in reasons["nosource", ""]
    assert "no method" in reasons["lonely", ""]
    assert "outside" in reasons["../outside", ""]
    assert "not opened" in reasons["sly", "../../secret"]
    assert "outside" in reasons["", ""]
    assert any("twice" in problem.reason for problem in problems)
    assert any("joy" in problem.reason for problem in problems)


@pytest.mark.parametrize("text", [None, "", "clip,video\na,b", "\x00\xff"])
def test_lists_that_cannot_be_used(tmp_path, text):
    if text is not None:
        (tmp_path / "clips.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"clips\.csv"):
        read_published(tmp_path)
