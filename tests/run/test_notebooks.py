"""Runs of notebooks: unchanged ones, failures, two at a time, two runs at once."""

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from spfem.__main__ import main
from spfem.errors import SettingsError, SpfemError
from spfem.run import notebooks as module
from spfem.run.notebooks import NEEDS, reproduce
from tests.conftest import ROOT

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
    monkeypatch.setattr(module, "open_pool", ThreadPoolExecutor)  # whose threads see the project
    return tmp_path


def _settings(project, **changes):
    folders = {"data": project / "data", "figures": project / "figures"}
    return {"scale": "smoke", **folders, **changes}


def test_misspelt_parameter_is_an_error_before_anything_runs(project):
    with pytest.raises(SettingsError, match="'sede' is not one of 00_one"):
        reproduce(**_settings(project, parameters=(("sede", "1"),)))
    assert not (project / "figures").exists()


@pytest.mark.slow
def test_run_then_unchanged_then_damaged_output(project, capsys):
    reproduce(**_settings(project))
    results = project / "figures" / "synthetic-smoke"
    manifest = json.loads((results / "manifest.json").read_text())
    assert set(manifest) == {"00_one.txt"}
    row = manifest["00_one.txt"]
    facts = ("made_by", "inputs", "settings", "commit", "versions", "threads", "device", "seconds")
    assert set(facts) <= set(row)
    assert (results / "notebooks" / "00_one.html").exists()
    assert "00_one.txt" in (results / "index.html").read_text()
    assert "no results of this corpus and scale are committed" in capsys.readouterr().out
    reproduce(**_settings(project))
    assert "unchanged" in capsys.readouterr().out
    (results / "00_one.txt").write_text("damaged")
    reproduce(**_settings(project))
    assert (results / "00_one.txt").read_text() == "made"


@pytest.mark.slow
def test_recordings_name_the_results_and_a_new_clip_runs_again(project, capsys):
    (project / "Own clips").mkdir()
    settings = _settings(project, corpus=str(project / "Own clips"))
    reproduce(**settings)
    assert (project / "figures" / "own-clips-smoke" / "00_one.txt").read_text() == "made"
    capsys.readouterr()
    reproduce(**settings)
    assert "unchanged" in capsys.readouterr().out
    (project / "Own clips" / "new.mp4").touch()
    reproduce(**settings)
    assert "unchanged" not in capsys.readouterr().out


@pytest.mark.slow
def test_failing_notebook_is_kept_and_named(project):
    _notebook(project / "notebooks" / "01_bad.ipynb", "raise ValueError('on purpose')")
    with pytest.raises(SpfemError, match=r"01_bad\.ipynb failed in cell .*on purpose"):
        reproduce(**_settings(project))
    folder = project / "figures" / "synthetic-smoke" / "notebooks"
    assert (folder / "failed_01_bad.ipynb").exists()
    assert not (folder / "01_bad.ipynb").exists()


def test_expected_errors_are_one_line(capsys):
    assert main(["reproduce", "--only", "99"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("spfem: SettingsError: --only 99")
    assert message.count("\n") == 1


@pytest.fixture
def noted(monkeypatch):
    """Times at which pretended notebooks began and ended."""
    times = []

    def note(path, executed, parameters, alone):
        times.append((path.stem, time.monotonic()))
        time.sleep(0.2)
        executed.parent.mkdir(parents=True, exist_ok=True)
        executed.write_text("")
        executed.with_suffix(".html").write_text("")
        times.append((path.stem, time.monotonic()))
        return 0.2

    monkeypatch.setattr(module, "_execute", note)
    return times


def test_two_runs_of_one_corpus_and_scale_wait_for_each_other(project, noted, capsys):
    settings = _settings(project, force=True, only="0")
    runs = [threading.Thread(target=reproduce, kwargs=settings) for _ in range(2)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert len(noted) == 4
    assert noted[1][1] <= noted[2][1]
    said = capsys.readouterr().out
    assert said.count("another run makes synthetic-smoke; this one begins when it ends") == 1


def test_notebooks_run_side_by_side_but_after_those_they_need(project, noted):
    for name in ("01_two", "02_three", "03_four", "77_own"):
        shutil.copy(project / "notebooks" / "00_one.ipynb", project / "notebooks" / f"{name}.ipynb")
    reproduce(**_settings(project))
    begun, ended = {}, {}
    for name, when in noted:
        (ended if name in begun else begun)[name] = when
    assert begun["01_two"] >= ended["00_one"]
    assert begun["02_three"] >= ended["01_two"]
    assert begun["03_four"] < ended["02_three"]  # both need no more than 01
    assert begun["77_own"] >= max(ended["02_three"], ended["03_four"])  # its needs are not known


def test_every_notebook_says_what_it_needs():
    numbers = [path.name[:2] for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
    assert list(NEEDS) == numbers
    assert all(other < number for number, needs in NEEDS.items() for other in needs)
