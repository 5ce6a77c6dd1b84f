"""The command `corpus`: what it prints and writes."""

import csv
import os

import pytest

from spfem.__main__ import main
from spfem.settings import EMOTIONS
from tests.corpus.made_up import lay_out_mead, takes_of


@pytest.fixture
def root(tmp_path, recording):
    takes = takes_of(*recording, ["M003", "W015", "M005", "W021"], numbers=(1, 2, 17))
    return lay_out_mead(tmp_path / "mead", takes)


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_report_of_a_whole_folder(root, tmp_path, capsys):
    assert main(["corpus", str(root), "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert f"{len(EMOTIONS) * 12} clips of 4 actors" in text
    assert "no file is missing or damaged" in text
    assert text.rstrip().endswith(f"next: bash run_all.sh --corpus {root}")
    assert len(read(tmp_path / "out/clips.csv")) == len(EMOTIONS) * 12
    actors = read(tmp_path / "out/actors.csv")
    assert [(row["actor"], row["role"]) for row in actors] == [
        ("M003", "target"),
        ("M005", "train"),
        ("W015", "target"),
        ("W021", "held_out"),
    ]
    assert {row["pairs"] for row in actors} == {str(2 * (len(EMOTIONS) - 1))}
    assert read(tmp_path / "out/problems.csv") == []
    made = {row["tables"]: row["possible"] for row in read(tmp_path / "out/tables.csv")}
    assert made.pop("checks against the exact truth") == "no"
    assert set(made.values()) == {"yes"}


def test_report_of_a_damaged_folder(root, tmp_path, capsys):
    for name in ("001", "002", "017"):
        video = root / f"M003/video/front/sad/level_3/{name}.mp4"
        video.unlink()
        video.write_bytes(b"")
    assert main(["corpus", str(root), "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "3 left out, 1 used all the same" in text
    assert "M003/video/front/sad/level_3/017.mp4: empty: 0 bytes; copy it again" in text
    assert {row["reason"] for row in read(tmp_path / "out/problems.csv")} == {
        "empty",
        "missing emotion",
    }


def test_errors(root, tmp_path, capsys):
    assert main(["corpus", str(root), "--out", str(root / "report")]) == 1
    assert "stay untouched" in capsys.readouterr().err
    assert not (root / "report").exists()
    assert main(["corpus", str(tmp_path / "missing")]) == 1
    assert "not a folder" in capsys.readouterr().err
    for path in root.rglob("*.mp4"):
        path.unlink()
        path.touch()
    assert main(["corpus", str(root)]) == 1
    answer = capsys.readouterr()
    assert "empty" in answer.out
    assert "no clip can be used" in answer.err
    assert os.listdir(root)
