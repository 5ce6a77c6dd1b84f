import json
import multiprocessing
import time
from dataclasses import dataclass

import pytest

from spfem.errors import ArtifactError
from spfem.files import alone, digest, remove_half_written, write_json, writing
from spfem.methods import find_method
from spfem.run.artifacts import open_stage
from spfem.scales import load_scale


@dataclass(frozen=True)
class Settings:
    size: int = 3


def _open(folder, **changes):
    arguments = {"settings": Settings(), "inputs": {"a": "1"}, "code": (find_method,)}
    return open_stage(folder, "stage", **{**arguments, **changes})


def _write_half(target):
    with writing(target) as aside:
        aside.write_text("half")
        raise RuntimeError


def test_digest_refuses_what_it_cannot_describe():
    with pytest.raises(ArtifactError, match="type set"):
        digest({1, 2})


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
    "change", [{"settings": Settings(5)}, {"inputs": {"a": "2"}}, {"code": (load_scale,)}]
)
def test_each_part_of_the_key_counts(tmp_path, change):
    first = _open(tmp_path / "one")
    second = _open(tmp_path / "two", **change)
    assert first.digest != second.digest


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


def test_what_killed_jobs_leave_is_no_foreign_file_and_is_removed(tmp_path):
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / ".artifact.0123.part.json").write_text("{")  # killed while it opened the stage
    stage = _open(folder)
    assert not stage.complete
    (folder / "deep").mkdir()
    (folder / "deep" / ".item.0123.part.npz").write_text("half")
    (folder / "deep" / "item.npz").write_text("whole")
    remove_half_written(folder)
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"artifact.json", "item.npz"}


@pytest.mark.parametrize("kept", [True, False])
def test_items_stay_where_only_inputs_differ_if_the_stage_says_so(tmp_path, kept):
    folder = tmp_path / "stage"
    _open(folder).finish()
    (folder / "item").write_text("old")
    stage = _open(folder, inputs={"a": "2"}, keep_items=kept)
    assert not stage.complete
    assert (folder / "item").exists() == kept
    _open(folder, settings=Settings(4), keep_items=kept)
    assert not (folder / "item").exists()


def _add_one(folder):
    with alone(folder):
        path = folder.with_name("count")
        number = int(path.read_text())
        time.sleep(0.002)
        path.write_text(str(number + 1))


def test_alone_keeps_other_processes_out(tmp_path):
    (tmp_path / "count").write_text("0")
    context = multiprocessing.get_context("fork")
    jobs = [
        context.Process(target=lambda: [_add_one(tmp_path / "stage") for _ in range(20)])
        for _ in range(3)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert (tmp_path / "count").read_text() == "60"


def _hold(folder, moment):
    with alone(folder, kind="run"):
        moment.set()
        time.sleep(0.3)
        folder.with_name("done").touch()


def test_who_waits_for_another_process_says_so(tmp_path, capsys):
    context = multiprocessing.get_context("fork")
    moment = context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "run", moment))
    other.start()
    assert moment.wait(10)
    with alone(tmp_path / "run"):  # another kind of lock
        assert not (tmp_path / "done").exists()
    with alone(tmp_path / "run", kind="run", notice="waiting for the other"):
        assert (tmp_path / "done").exists()
    other.join()
    assert capsys.readouterr().out == "waiting for the other\n"
