"""Lists of published clips: what is there, what is not, what must not be opened."""

from __future__ import annotations

import pytest
from studies.audit import read_published

from spfem.errors import InputError


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
