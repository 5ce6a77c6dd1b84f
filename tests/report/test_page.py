import json
import re
import subprocess
import tomllib
from fnmatch import fnmatchcase
from html.parser import HTMLParser

import pandas as pd
import pytest

from spfem.errors import InputError
from spfem.run.report import frame_html, read_contents, table_html, write_report
from tests.browser.chromium import open_browser
from tests.conftest import ROOT
from tests.report.results_folder import make_results


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.anchors, self.unlabelled = [], set(), []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors.add(found.get("id"))
        self.targets += [v for k, v in attrs if k in ("href", "src") and v != "data:,"]
        if tag == "img" and not found.get("alt"):
            self.unlabelled.append(found)


@pytest.fixture
def folders(tmp_path):
    return make_results(tmp_path)


def _read(page):
    links = _Links()
    links.feed(page.read_text())
    return links


def test_sections_follow_the_notebooks_and_items_their_code(folders):
    sections = read_contents(*folders)
    assert [section["title"] for section in sections] == ["Early things", "Later <things>"]
    early, late = ([item["name"] for item in section["items"]] for section in sections)
    assert early == ["tables/zeta", "alpha", "face_M001"]
    assert set(late) == {"tables/main_results", "videos/clip"}
    zeta, alpha, _ = sections[0]["items"]
    assert list(alpha["files"]) == [".png", ".pdf"]
    assert (bool(zeta["table"]), bool(alpha["table"])) == (True, False)


def test_every_link_leads_somewhere_and_every_picture_has_words(folders):
    page = write_report(*folders)
    links = _read(page)
    assert not links.unlabelled
    assert {"alpha.pdf", "videos/clip.mp4", "notebooks/01_early.html"} <= set(links.targets)
    for target in links.targets:
        if target.startswith("#"):
            assert target[1:] in links.anchors
        else:
            assert (page.parent / target).is_file(), target


def test_the_explorer_is_linked_where_it_is_there(folders):
    assert "The explorer</a>" not in write_report(*folders).read_text()
    (folders[0] / "explorer.html").write_text("<p>alive</p>")
    page = write_report(*folders)
    assert "explorer.html" in _read(page).targets
    assert "click a place on a face" in page.read_text()


def test_captions_come_from_the_notebook_then_the_file_then_the_name(folders):
    text = write_report(*folders).read_text()
    for caption in ("Three &lt;bars&gt;.", "<figcaption>A face.", "<figcaption>Zeta."):
        assert caption in text
    assert "embedded corpus; scale smoke; seeds of the run: 7." in text
    assert "seeds of the run: 7; seeds: 1 to 3; clips: 4 to 8." in text
    assert "Later &lt;things&gt;" in text


def test_headline_holds_averages_in_bold_where_clear(folders):
    text = write_report(*folders).read_text()
    headline = text[text.index('id="headline"') : text.index("<section")]
    assert "<strong>1.23 [1, 1.5]</strong>" in headline
    assert "9.88" not in headline
    assert "<strong>3" not in headline


def test_page_is_the_same_when_written_again(folders):
    assert write_report(*folders).read_bytes() == write_report(*folders).read_bytes()


def test_committed_page_links_only_to_what_is_committed(folders):
    results, notebooks = folders
    subprocess.run(["git", "init", "-q", str(results.parent)], check=True)
    ignore = results.parent / ".gitignore"
    ignore.write_text("*.pdf\n")
    assert "alpha.pdf" not in _read(write_report(results, notebooks)).targets
    ignore.write_text("*\n")  # the page stays where it was made
    assert "alpha.pdf" in _read(write_report(results, notebooks)).targets


def test_tables_are_escaped_and_published_numbers_marked(folders):
    text = table_html(folders[0] / "tables" / "zeta.csv")
    assert "a|b" in text
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert len(_shaded(text, 2)) == 2
    assert "not absolute values" in write_report(*folders).read_text()


def _shaded(html, column):
    """Rows whose cell of a column is shaded."""
    marked = re.search(r"<style[^>]*>(.*?)</style>", html, re.S)[1]
    return re.findall(rf"row(\d+)_col{column}\b", marked)


def test_layout_of_its_own_is_taken_as_it_stands(tmp_path):
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "t.md").write_text("| who | best |\n| --- | --- |\n| x | **1.0** |\n")
    text = table_html(tmp_path / "t.csv")
    assert ">who<" in text
    assert "<strong>1.0</strong>" in text


def test_folder_without_results_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json is missing"):
        write_report(tmp_path)


def test_every_saved_thing_of_the_notebooks_has_a_caption():
    captions = tomllib.loads((ROOT / "notebooks" / "captions.toml").read_text())
    folders = {"figure": "", "table": "tables/", "gif": "videos/"}
    without = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        for call in re.split(r"(?=workspace\.save_(?:figure|table|gif)\()", code)[1:]:
            kind = re.match(r"workspace\.save_(\w+)", call)[1]
            words = re.findall(r'"([^"\n]+)"', call)
            names = [folders[kind] + re.sub(r"\{[^}]*\}", "*", word) for word in words]
            known = any(fnmatchcase(key, name) for key in captions for name in names)
            if "caption=" not in call and not known:
                without.append(f"{path.stem}: {names[:1]}")
    assert not without


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_page_in_a_browser(folders, width):
    page = write_report(*folders)
    with open_browser() as browser:
        tab = browser.new_page(viewport={"width": width, "height": 800})
        wrong = []
        tab.on("requestfailed", lambda request: wrong.append(request.url))
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") else None)
        tab.goto(page.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.click("nav a[href='#03_late']")
        assert tab.locator("h2[id='03_late']").is_visible()
        for picture in tab.locator("img").all():
            picture.scroll_into_view_if_needed()
        tab.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        tab.wait_for_function(
            "[...document.querySelectorAll('video')].every(v => v.readyState > 0)"
        )
        assert not wrong


def test_rows_of_published_numbers_are_marked():
    rows = [["A on MEAD, published", "1", ""], ["unpublished", "2", "published direction"]]
    assert _shaded(frame_html(pd.DataFrame(rows, columns=["of", "x", "why"]), "t"), 1) == ["0"]
