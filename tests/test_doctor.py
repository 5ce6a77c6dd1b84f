"""The doctor names what is there, what is broken, what is missing, and what to do about each."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest
import torch

from spfem import doctor as looked
from spfem.__main__ import main
from spfem.doctor import (
    RUN_GB,
    VGG_NAME,
    bundled_model_facts,
    disk_facts,
    installed_versions,
    list_optional_files,
    machine_facts,
    package_facts,
    read_pins,
    shipped_model_facts,
)
from spfem.errors import AssetError
from spfem.manipulator import Manipulator
from spfem.manipulator.networks import FLAME_SPACE
from spfem.released.kinds import FSGAN_NAME
from spfem.settings import ManipulatorSettings
from tests.released.made_up import released_nets
from tests.released.test_segment import cheap_state

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def doctor(tmp_path, capsys, monkeypatch):
    """Run the command on a data folder; give its status, report and error."""
    (tmp_path / "data" / "optional").mkdir(parents=True)
    monkeypatch.setattr(looked, "requires", lambda name: ["numpy==2.4.6"])

    def run(*words):
        status = main(["doctor", "--data", str(tmp_path / "data"), *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def block(report, pattern):
    """Lines of one optional file, its own first."""
    lines = report.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"  {pattern}  ("))
    return lines[start : lines.index("", start)]


def troubles(facts):
    return {fact.name: fact.trouble for fact in facts if fact.trouble}


def test_an_empty_folder_is_fine_and_every_file_says_what_it_unlocks(doctor):
    status, report, error = doctor()
    assert (status, error) == (0, "")
    assert f"0 of {len(list_optional_files())} kinds are there" in report
    for optional in list_optional_files():
        lines = " ".join(" ".join(block(report, optional.pattern)).split())
        for words in ("state not there", optional.unlocks, optional.source, optional.licence):
            assert words in lines
    assert max(len(line) for line in report.splitlines() if "/" not in line) <= 100
    assert "not known" not in report
    assert "all is well" in report


def test_good_files_are_valid_and_strangers_are_named(doctor, tmp_path):
    folder = tmp_path / "mine"
    (folder / "ned" / "manipulator").mkdir(parents=True)
    torch.save({"state_dict": cheap_state()}, folder / FSGAN_NAME)
    settings = ManipulatorSettings(width=16, encoder_width=256, standardise=False)
    nets = released_nets(Manipulator(settings, FLAME_SPACE))
    torch.save(nets, folder / "ned" / "manipulator" / "02_nets_finetuned.pth")
    for number in range(13):
        (folder / f"photo{number:02}.jpg").touch()
    status, report, _ = doctor("--files", str(folder))
    assert status == 0
    assert "2 of " in report
    assert f"valid    {FSGAN_NAME}" in block(report, FSGAN_NAME)[1]
    assert "get it" not in "".join(block(report, FSGAN_NAME))
    assert "valid" in block(report, "ned/manipulator/**/*_nets*.pth")[1]
    assert report.count("photo") == 10
    assert "maybe misplaced: photo00.jpg, " in report
    assert "photo09.jpg and 3 more" in report


def test_broken_files_are_named_with_the_reason_and_fail(doctor, tmp_path):
    folder = tmp_path / "data" / "optional"
    state = cheap_state()
    del state["final.bias"]
    torch.save({"state_dict": state}, folder / FSGAN_NAME)
    torch.save({}, folder / VGG_NAME)
    (folder / "generic_model.pkl").write_text("<html>log in first</html>")
    status, report, error = doctor()
    assert status == 1
    assert "lacks 1 entries (final.bias)" in " ".join(block(report, FSGAN_NAME))
    assert "instead of dcbb9e9d" in " ".join(block(report, VGG_NAME))
    assert "BROKEN" in block(report, "generic_model.pkl")[1]
    assert "get it" in " ".join(block(report, "generic_model.pkl"))
    assert error.startswith("spfem: AssetError: 3 of the above must be mended: generic_model.pkl")
    assert "all is well" not in report


def test_a_folder_that_is_not_there_is_an_error(doctor):
    status, _, error = doctor("--files", "nowhere")
    assert status == 1
    assert "nowhere (--files) is no folder" in error


def test_recordings_are_counted(tmp_path):
    (tmp_path / "mead" / "M003").mkdir(parents=True)
    (tmp_path / "mead" / "M003" / "001.mp4").touch()
    found = {fact.name: fact.found for fact in looked.recording_facts(tmp_path)}
    assert found["mead"].startswith("1 videos in ")
    assert found["ravdess"].endswith("(CC BY-NC-SA 4.0)")


def test_missing_extras_say_what_installs_them_and_moved_versions_are_named(tmp_path, monkeypatch):
    wanted = ["numpy==9", 'none-such==1; extra == "run"', 'snake-none==1; extra == "workflow"',
              'spfem[run]; extra == "test"']  # fmt: skip
    monkeypatch.setattr(looked, "requires", lambda name: wanted)
    pins = tmp_path / "constraints.txt"
    pins.write_text("# tested\nNum_Py==0\nnumpy==9  # odd\nother==1\n")
    assert read_pins(pins) == {"num-py": "0", "numpy": "9", "other": "1"}
    facts = {fact.name: fact for fact in package_facts(pins)}
    assert facts["spfem itself"].found == "1 of 1 packages"
    assert troubles(facts.values()) == {"[run]": 'run_all.sh needs them: pip install "spfem[run]"'}
    assert 'without snake-none; pip install "spfem[workflow]"' in facts["[workflow]"].found
    assert facts["as tested"].found == "0 of 1"
    assert facts["moved"].found.endswith("(tested: 9)")
    assert "not compared" in package_facts(tmp_path / "none.txt")[-1].found


def test_of_a_package_that_is_there_twice_the_one_that_imports_find_counts(tmp_path, monkeypatch):
    for place, version in (("first", "2.0+cpu"), ("copies", "1.0")):
        folder = tmp_path / place / "made_up-1.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: Made_Up\nVersion: {version}\n"
        )
    monkeypatch.setattr("sys.path", [str(tmp_path / "first"), str(tmp_path / "copies")])
    assert installed_versions() == {"made-up": "2.0"}
    assert installed_versions(str(tmp_path / "copies")) == {"made-up": "1.0"}


def test_this_machine_and_its_models_are_well_and_others_are_not(tmp_path, monkeypatch):
    assert not troubles([*machine_facts(), *shipped_model_facts(), *bundled_model_facts()])
    other = tmp_path / "face_landmarker.task"
    other.write_bytes(b"other")
    gone = AssetError("weights were not found; reinstall")
    monkeypatch.setattr("spfem.face.tracker.landmarker_file", lambda: other)
    path = "spfem.face.identity_network.find_identity_weights"
    monkeypatch.setattr(path, lambda: (_ for _ in ()).throw(gone))
    found = troubles(bundled_model_facts())
    assert "not the tested model" in found["face landmarks"]
    assert found["identity"] == str(gone)
    monkeypatch.setattr(looked.sys, "version_info", (3, 10, 1))
    assert "Python 3.11 to 3.13 is needed" in troubles(machine_facts())["Python"]


@pytest.mark.parametrize(("free_gb", "lacking"), [(100.0, ()), (2.0, ("full",)), (1.0, ("demo",))])
def test_a_small_disk_is_a_trouble_only_for_the_default_run(
    tmp_path, monkeypatch, free_gb, lacking
):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9e12, 0, free_gb * 1e9))
    facts = {fact.name: fact for fact in disk_facts(tmp_path / "not" / "yet")}
    for scale in RUN_GB:
        fits = facts[f"a {scale} run"].found.endswith(": fits")
        assert fits == (scale not in lacking and not (scale == "full" and lacking))
    assert ("--data" in facts["a demo run"].trouble) == ("demo" in lacking)


def test_what_is_there_is_not_needed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9e12, 0, 1e9))
    (tmp_path / "synthetic-demo").mkdir()
    with (tmp_path / "synthetic-demo" / "clip.npz").open("wb") as file:
        file.truncate(1_000_000_000)  # takes no blocks
    facts = {fact.name: fact for fact in disk_facts(tmp_path)}
    assert "1.0 GB of it there: fits" in facts["a demo run"].found
