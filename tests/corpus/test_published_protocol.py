from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import pytest

from spfem.corpus.protocol import FOLDER, load_protocol
from spfem.errors import InputError
from spfem.files import project_folder
from spfem.settings import EMOTIONS

STATISTICS = project_folder().parent / "shared/published/aligned_path36_stats.csv"


def test_roles_of_mead_are_those_of_the_papers():
    mead = load_protocol("mead")
    assert len(mead.metric_actors) == 36
    assert sum(actor.startswith("M") for actor in mead.metric_actors) == 21
    assert [mead.role(a) for a in ("W021", "M005", "M003", "M012", "W009")] == [
        "held_out",
        "train",
        "target",
        "target",
        None,
    ]
    assert set(mead.cross_references) == set(mead.target_actors)
    assert set(mead.cross_references.values()) == set(mead.target_actors)
    assert mead.cross_references["M003"] == "W015"
    assert mead.fps == 30
    assert mead.levels["neutral"] == 1
    assert {mead.levels[e] for e in EMOTIONS[1:]} == {3}


@pytest.mark.skipif(not STATISTICS.is_file(), reason="needs the statistics of the released paths")
def test_metric_actors_and_shared_sentences_of_mead_are_those_of_the_released_paths():
    mead = load_protocol("mead")
    with STATISTICS.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["actor"] for row in rows} == set(mead.metric_actors)
    for row in rows:
        has = {r["emotion_clip"] for r in rows if (r["actor"], r["emotion"]) == _cell(row)}
        neutral = mead.sentence("neutral", row["neutral_clip"])
        assert neutral == mead.sentence(row["emotion"], row["emotion_clip"], has)
        assert neutral.startswith("shared-")


def _cell(row: dict[str, str]) -> tuple[str, str]:
    return row["actor"], row["emotion"]


def test_ravdess_has_three_roles_and_no_map():
    ravdess = load_protocol("ravdess")
    actors = [f"Actor_{n:02d}" for n in range(1, 25)]
    roles = [ravdess.role(actor) for actor in actors]
    assert roles == ["target"] * 6 + ["train"] * 17 + ["held_out"]
    assert not ravdess.cross_references
    assert ravdess.fps == Fraction(30000, 1001)
    assert "02" not in ravdess.emotions  # calm
    assert ravdess.facts["metric_actors"].evidence == "ours"


def _change(tmp_path: Path, name: str, **entry: object) -> Path:
    content = json.loads((project_folder() / FOLDER / "mead.json").read_text())
    content["facts"][name] |= entry
    (tmp_path / "mead.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "entry", "complaint"),
    [
        ("target_actors", {"value": ["M003", "M005"]}, "both of the metrics and a target"),
        ("target_actors", {"value": ["M003", "M003"]}, "listed twice"),
        ("held_out_actors", {"value": ["M003"]}, "held-out"),
        ("cross_references", {"value": {"M003": "M999"}}, "no target"),
        ("cross_references", {"value": {"M003": "M003"}}, "its own"),
        ("emotions", {"value": {"joy": "joy"}}, "emotion"),
        ("levels", {"value": dict.fromkeys(EMOTIONS, 4)}, "level"),
        ("test_numbers", {"value": ["1"]}, "digits"),
        ("shared_sentences", {"value": ["001"]}, "not as many"),
        ("fps", {"value": "0"}, "not positive"),
        ("fps", {"value": "many"}, "damaged"),
        ("fps", {"evidence": "hearsay"}, "fps has no known evidence"),
        ("fps", {"source": ""}, "fps has no known evidence"),
        ("fps", {"unknown": 1}, "damaged"),
        ("levels", {"value": 3}, "damaged"),
    ],
)
def test_contradictions_are_refused(tmp_path, name, entry, complaint):
    with pytest.raises(InputError, match=complaint):
        load_protocol("mead", _change(tmp_path, name, **entry))


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_protocol("mead", tmp_path)
    for text in ("", "[]", "{}", '{"facts": {}}'):
        (tmp_path / "mead.json").write_text(text)
        with pytest.raises(InputError, match="damaged"):
            load_protocol("mead", tmp_path)
    (tmp_path / "ravdess.json").write_text((project_folder() / FOLDER / "mead.json").read_text())
    with pytest.raises(InputError, match="protocol of 'mead'"):
        load_protocol("ravdess", tmp_path)
