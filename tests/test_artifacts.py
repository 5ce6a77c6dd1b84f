import json
from dataclasses import dataclass

import pytest

from spfem.artifacts import digest, file_digest, open_stage, source_digest, write_json, writing
from spfem.errors import ArtifactError


@dataclass(frozen=True)
class Settings:
    size: int = 3


def _open(folder, **changes):
    arguments = {"settings": Settings(), "inputs": {"a": "1"}, "sources": ("errors.py",)}
    return open_stage(folder, "stage", **{**arguments, **changes})


def _write_half(target):
    with writing(target) as aside:
        aside.write_text("half")
        raise RuntimeError


def test_digest_depends_on_values_not_on_key_order():
    assert digest({"a": 1, "b": (2, 3)}) == digest({"b": [2, 3], "a": 1})
    assert digest(Settings(3)) != digest(Settings(4))
    assert digest(1) != digest("1")


def test_digest_refuses_what_it_cannot_describe():
    with pytest.raises(ArtifactError, match="type set"):
        digest({1, 2})


def test_source_digest_sees_files_and_folders():
    assert source_digest("errors.py") != source_digest("scales.py")
    assert source_digest("head") == source_digest("head")


def test_writing_leaves_nothing_when_it_fails(tmp_path):
    target = tmp_path / "a" / "value.json"
    with pytest.raises(RuntimeError):
        _write_half(target)
    assert list(target.parent.iterdir()) == []


def test_writing_keeps_the_old_file_when_it_fails(tmp_path):
    target = tmp_path / "value.json"
    write_json(target, {"old": 1})
    with pytest.raises(RuntimeError):
        _write_half(target)
    assert json.loads(target.read_text()) == {"old": 1}


def test_stage_is_reused_resumed_and_remade(tmp_path):
    folder = tmp_path / "stage"
    stage = _open(folder)
    (folder / "item").write_text("kept")
    assert not stage.complete
    resumed = _open(folder)
    assert (folder / "item").exists()
    assert not resumed.complete
    resumed.finish(count=1)
    assert _open(folder).complete
    assert _open(folder).record["facts"] == {"count": 1}
    remade = _open(folder, settings=Settings(9))
    assert not remade.complete
    assert not (folder / "item").exists()


@pytest.mark.parametrize(
    "change", [{"settings": Settings(5)}, {"inputs": {"a": "2"}}, {"sources": ("scales.py",)}]
)
def test_each_part_of_the_key_counts(tmp_path, change):
    first = _open(tmp_path / "one")
    second = _open(tmp_path / "two", **change)
    assert first.digest != second.digest


def test_force_starts_anew(tmp_path):
    _open(tmp_path / "stage").finish()
    assert not _open(tmp_path / "stage", force=True).complete


def test_foreign_folder_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ArtifactError, match="no stage of spfem made"):
        _open(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_damaged_record_is_remade(tmp_path):
    folder = tmp_path / "stage"
    _open(folder).finish()
    (folder / "artifact.json").write_text("{")
    assert not _open(folder).complete


def test_file_digest_reads_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")
    (tmp_path / "b").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")
