from __future__ import annotations

import re

import pytest

from spfem.errors import InputError
from spfem.explore import write_page
from spfem.explore.page import FILES, module_text
from spfem.explore.page import MODULE as FOLDER
from spfem.explore.widget import LiveView
from tests.explore.made_up import made_explorer

IMPORTED = re.compile(r'^import \{ (.+) \} from "\./(\w+)\.js";', re.MULTILINE)
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:const|function|class) (\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def explorer():
    return made_explorer()


def test_both_hosts_have_one_module(explorer, tmp_path):
    text = write_page(explorer, tmp_path / "a.html").read_text("utf-8")
    assert module_text() in text
    assert LiveView(choice=list(explorer.choice))._esm == module_text()
    assert "import " not in module_text()
    assert {path.stem for path in FOLDER.glob("*.js")} == set(FILES)
    names = [name for path in FOLDER.glob("*.js") for name in DECLARED.findall(path.read_text())]
    assert len(names) == len(set(names)), "files in one scope must not share a name"
    for path in FOLDER.glob("*.js"):
        for imported, file in IMPORTED.findall(path.read_text()):
            assert FILES.index(file) < FILES.index(path.stem), "used before it is there"
            offered = (FOLDER / f"{file}.js").read_text()
            for name in imported.split(", "):
                assert re.search(
                    rf"^export (async )?(const|function|class) {name}\b", offered, re.M
                ), name


def test_a_page_fits_is_the_same_each_time_and_asks_nobody(explorer, tmp_path):
    page = write_page(explorer, tmp_path / "a.html")
    assert page.stat().st_size < 8_000_000
    assert page.read_bytes() == write_page(explorer, tmp_path / "b.html").read_bytes()
    assert not re.search(r"https?://", page.read_text("utf-8"))


def test_what_does_not_fit_is_left_out_and_too_little_room_is_said(explorer, tmp_path):
    whole = write_page(explorer, tmp_path / "whole.html")
    most = whole.stat().st_size - 20_000
    small = write_page(explorer, tmp_path / "small.html", most_bytes=most)
    assert small.stat().st_size <= most
    assert small.read_text().count("&#34;places") < whole.read_text().count("&#34;places")
    with pytest.raises(InputError, match="take more than 90000 bytes"):
        write_page(explorer, tmp_path / "none.html", most_bytes=90_000)
    assert not (tmp_path / "none.html").exists()
