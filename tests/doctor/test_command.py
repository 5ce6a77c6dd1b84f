from __future__ import annotations

import json

import pytest
import torch

from spfem.__main__ import main
from spfem.doctor.optional_files import FSGAN_NAME, VGG_NAME, list_optional_files
from spfem.manipulator import Manipulator
from spfem.manipulator.flame_space import FLAME_SPACE
from spfem.renderer.checkpoint import new_renderer
from spfem.renderer.checkpoint import to_released as renderer_to_released
from spfem.settings import ManipulatorSettings, RendererSettings
from tests.released.made_up import released_nets
from tests.released.test_segmenter_file import cheap_state


@pytest.fixture
def doctor(tmp_path, capsys):
    """Run the command on a data folder; give its status, report and error."""
    data = tmp_path / "data"
    (data / "optional").mkdir(parents=True)

    def run(*words):
        status = main(["doctor", "--data", str(data), *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def block(report, pattern):
    """Lines of one optional file, its own first."""
    lines = report.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"  {pattern}  ("))
    return lines[start : lines.index("", start)]


def test_an_empty_folder_is_fine_and_every_file_says_what_it_unlocks(doctor):
    status, report, error = doctor()
    assert (status, error) == (0, "")
    assert f"0 of {len(list_optional_files())} kinds are there" in report
    assert "not known" not in report
    for optional in list_optional_files():
        lines = " ".join(" ".join(block(report, optional.pattern)).split())
        assert "state not there" in lines
        for words in (optional.unlocks, optional.source, optional.licence):
            assert words in lines
        for line in block(report, optional.pattern)[1:]:
            assert line[11:13] == "  "  # one column of names, one of texts
            assert line[13] != " "
            assert len(line) <= 100
    assert "all is well" in report


def test_good_files_are_read_and_said_to_be_valid(doctor, tmp_path):
    folder = tmp_path / "mine"
    (folder / "ned" / "renderer" / "M003").mkdir(parents=True)
    (folder / "ned" / "manipulator").mkdir()
    torch.save({"state_dict": cheap_state()}, folder / FSGAN_NAME)
    settings = ManipulatorSettings(width=16, encoder_width=256, standardise=False)
    nets = released_nets(Manipulator(settings, FLAME_SPACE))
    torch.save(nets, folder / "ned" / "manipulator" / "02_nets_finetuned.pth")
    torch.save({}, folder / "ned" / "manipulator" / "02_optims_finetuned.pth")
    renderer = new_renderer(RendererSettings(width=16, blocks=2, discriminator_width=4), 0)
    for letter, network in zip(("G", "D", "Dm"), renderer.networks().values(), strict=True):
        state = renderer_to_released(network)
        torch.save(state, folder / "ned" / "renderer" / "M003" / f"20_net_{letter}.pth")
    status, report, _ = doctor("--files", str(folder))
    assert status == 0
    assert "3 of " in report
    assert f"valid    {FSGAN_NAME}" in block(report, FSGAN_NAME)[1]
    assert "valid" in block(report, "ned/manipulator/**/*_nets*.pth")[1]
    assert (
        "valid    ned/renderer/M003/20_net_G.pth" in block(report, "ned/renderer/**/*_net_G.pth")[1]
    )
    assert "get it" not in "".join(block(report, FSGAN_NAME))
    assert "maybe misplaced: ned/manipulator/02_optims_finetuned.pth" in report
    assert "maybe misplaced: ned/renderer" not in report


def test_broken_files_are_named_with_the_reason_and_fail(doctor, tmp_path):
    folder = tmp_path / "data" / "optional"
    state = cheap_state()
    del state["final.bias"]
    torch.save({"state_dict": state}, folder / FSGAN_NAME)
    torch.save({}, folder / VGG_NAME)
    (folder / "generic_model.pkl").write_text("<html>log in first</html>")
    status, report, error = doctor()
    assert status == 1
    assert "BROKEN" in block(report, FSGAN_NAME)[1]
    assert "lacks 1 entries (final.bias)" in " ".join(block(report, FSGAN_NAME))
    assert "instead of dcbb9e9d" in " ".join(block(report, VGG_NAME))
    assert "BROKEN" in block(report, "generic_model.pkl")[1]
    assert "get it" in " ".join(block(report, "generic_model.pkl"))
    assert error.startswith("spfem: AssetError: 3 of the above must be mended: generic_model.pkl")
    assert "all is well" not in report


def test_recordings_and_runs_are_counted(doctor, tmp_path):
    data = tmp_path / "data"
    (data / "mead" / "M003" / "video").mkdir(parents=True)
    (data / "mead" / "M003" / "video" / "001.mp4").touch()
    for name, complete in (("faces", True), ("pairs", False)):
        (data / "synthetic-demo" / name).mkdir(parents=True)
        record = data / "synthetic-demo" / name / "artifact.json"
        record.write_text(json.dumps({"complete": complete}))
    _, report, _ = doctor()
    assert f"1 videos of 1 people in {data / 'mead'}" in " ".join(report.split())
    assert f"not in {data / 'ravdess'}" in " ".join(report.split())
    assert "synthetic-demo  1 of 2 stages finished\n" in report


def test_files_that_are_not_known_are_listed_but_not_all(doctor, tmp_path):
    for number in range(13):
        (tmp_path / "data" / "optional" / f"photo{number:02}.jpg").touch()
    status, report, _ = doctor()
    assert status == 0
    assert report.count("maybe misplaced: photo") == 10
    assert "and 3 more files that are not known" in report


def test_a_folder_that_is_not_there_is_an_error(doctor, tmp_path):
    status, _, error = doctor("--files", str(tmp_path / "nowhere"))
    assert status == 1
    assert "nowhere (--files) is no folder" in error
