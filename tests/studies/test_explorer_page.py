from __future__ import annotations

import json
import re
from html import unescape

import pytest
from studies.explorer_page import write_page

from spfem.explore.widget import FILES, LiveView, module_text
from spfem.explore.widget import MODULE as FOLDER
from tests.explore.made_up import SPOKEN, made_explorer, made_source

IMPORTED = re.compile(r'^import \{ (.+) \} from "\./(\w+)\.js";', re.MULTILINE)
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:const|function|class) (\w+)", re.MULTILINE)
ASK = re.compile('<script type="text/plain" id="(.+?)"')
CHOICES = re.compile(r'openPage\(document.getElementById\("explorer"\), (.+)\);')


@pytest.fixture(scope="module")
def explorer():
    another = {("C", "one"): ("neutral", "sad"), ("D", "two"): ("happy", "neutral")}
    return made_explorer(source=made_source({**SPOKEN, **another}))


@pytest.fixture(scope="module")
def whole(explorer, tmp_path_factory):
    return write_page(explorer, tmp_path_factory.mktemp("whole") / "explorer.html")


def read_page(page):
    """Pairs that are offered, and what is held."""
    text = page.read_text("utf-8")
    held = {tuple(json.loads(unescape(ask))) for ask in ASK.findall(text)}
    return [tuple(pair) for pair in json.loads(CHOICES.search(text)[1])], held


def test_both_hosts_have_one_module(explorer, whole):
    text = whole.read_text("utf-8")
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


def test_a_page_fits_is_the_same_each_time_and_asks_nobody(explorer, whole, tmp_path):
    assert whole.stat().st_size < 8_000_000
    assert whole.read_bytes() == write_page(explorer, tmp_path / "b.html").read_bytes()
    assert not re.search(r"https?://", whole.read_text("utf-8"))


@pytest.mark.parametrize(("share", "offered"), [(0.4, 8), (0.2, 2)])
def test_what_does_not_fit_is_left_out_further_clips_first(
    explorer, whole, tmp_path, share, offered
):
    most, (everybody, everything) = int(share * whole.stat().st_size), read_page(whole)
    page = write_page(explorer, tmp_path / "small.html", most_bytes=most)
    assert page.stat().st_size <= most
    pairs, held = read_page(page)
    assert held < everything
    assert pairs == [pair for pair in everybody if pair in pairs]
    assert len(pairs) == offered
    assert pairs[0] == explorer.choice
    for *words, first, second in pairs:  # whoever is offered can be looked at
        assert ("pair", *words, first, second) in held
        for emotion in (first, second):
            assert {("clip", *words, emotion), ("places", *words, emotion, "spatial", 1)} <= held
