import json
import threading
import time

import nbformat
import pytest

from spfem.__main__ import main
from spfem.errors import SettingsError, SpfemError
from spfem.run import notebooks as module
from spfem.run.notebooks import RunSettings, reproduce

PARAMETERS = """scale: str = "demo"  # a
corpus: str = "synthetic"  # b
data: str = "data"  # c
figures: str = "figures"  # d
device: str = "auto"  # e
"""
WORK = """from spfem.run.workspace import open_workspace
workspace = open_workspace("{name}", corpus=corpus, scale=scale, data=data, figures=figures)
path = workspace.figures / "{name}.txt"
path.write_text("made")
workspace.note_file(path)
workspace.finish()
"""


def _notebook(path, code):
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "x", "language": "python"}
    cell = nbformat.v4.new_code_cell(PARAMETERS)
    cell.metadata["tags"] = ["parameters"]
    book.cells = [cell, nbformat.v4.new_code_cell(code)]
    nbformat.write(book, path)


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    _notebook(tmp_path / "notebooks" / "00_one.ipynb", WORK.format(name="00_one"))
    monkeypatch.setattr(module, "project_folder", lambda: tmp_path)
    monkeypatch.setattr("spfem.run.workspace.project_folder", lambda: tmp_path)
    return tmp_path


def _settings(project, **changes):
    return RunSettings(scale="smoke", data=project / "data", figures=project / "figures", **changes)


def test_misspelt_parameter_is_an_error_before_anything_runs(project):
    with pytest.raises(SettingsError, match="'sede' is not one of 00_one"):
        reproduce(_settings(project, parameters=(("sede", "1"),)))
    assert not (project / "figures").exists()


@pytest.mark.slow
def test_run_then_unchanged_then_damaged_output(project, capsys):
    reproduce(_settings(project))
    results = project / "figures" / "synthetic-smoke"
    manifest = json.loads((results / "manifest.json").read_text())
    assert set(manifest) == {"00_one.txt"}
    row = manifest["00_one.txt"]
    assert {
        "made_by",
        "inputs",
        "settings",
        "commit",
        "versions",
        "threads",
        "device",
        "seconds",
    } <= set(row)
    assert (results / "notebooks" / "00_one.html").exists()
    assert "00_one.txt" in (results / "index.html").read_text()
    assert "no results of this corpus and scale are committed" in capsys.readouterr().out
    reproduce(_settings(project))
    assert "unchanged" in capsys.readouterr().out
    (results / "00_one.txt").write_text("damaged")
    reproduce(_settings(project))
    assert (results / "00_one.txt").read_text() == "made"


@pytest.mark.slow
def test_recordings_name_the_results_and_a_new_clip_runs_again(project, capsys):
    (project / "Own clips").mkdir()
    settings = _settings(project, corpus=str(project / "Own clips"))
    reproduce(settings)
    assert (project / "figures" / "own-clips-smoke" / "00_one.txt").read_text() == "made"
    capsys.readouterr()
    reproduce(settings)
    assert "unchanged" in capsys.readouterr().out
    (project / "Own clips" / "new.mp4").touch()
    reproduce(settings)
    assert "unchanged" not in capsys.readouterr().out


@pytest.mark.slow
def test_failing_notebook_is_kept_and_named(project):
    _notebook(project / "notebooks" / "01_bad.ipynb", "raise ValueError('on purpose')")
    with pytest.raises(SpfemError, match=r"01_bad\.ipynb failed in cell .*on purpose"):
        reproduce(_settings(project))
    folder = project / "figures" / "synthetic-smoke" / "notebooks"
    assert (folder / "failed_01_bad.ipynb").exists()
    assert not (folder / "01_bad.ipynb").exists()


def test_expected_errors_are_one_line(capsys):
    assert main(["reproduce", "--only", "99"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("spfem: SettingsError: --only 99")
    assert message.count("\n") == 1


def test_two_runs_of_one_corpus_and_scale_wait_for_each_other(project, monkeypatch, capsys):
    running, most = [], []

    def note(path, executed, parameters):
        running.append(path)
        most.append(len(running))
        time.sleep(0.2)
        executed.parent.mkdir(parents=True, exist_ok=True)
        executed.write_text("")
        executed.with_suffix(".html").write_text("")
        running.pop()

    monkeypatch.setattr(module, "_execute", note)
    runs = [
        threading.Thread(target=reproduce, args=(_settings(project, force=True),)) for _ in range(2)
    ]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert most == [1, 1]
    said = capsys.readouterr().out
    assert said.count("another run makes synthetic-smoke; this one begins when it ends") == 1
