"""A participant in a real browser: three comparisons, a reload in the middle, the files saved."""

import json
import re

import pytest
from studies.user_study import StudySettings, make_study
from studies.user_study_answers import read_study

from tests.browser.chromium import open_browser
from tests.studies.study_folder import CLIPS, write_clips

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SETTINGS = StudySettings(trials=3, checks=1, repeats=1)
SHOWN = 5  # three comparisons, a check, a repeat
METHODS = {"dull": 40, "bright": 190}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    clips = write_clips(tmp_path_factory.mktemp("clips"), METHODS, (*CLIPS, "another-as-sad"))
    page, key = make_study(clips, tmp_path_factory.mktemp("made") / "s", settings=SETTINGS)
    return page, key


def _choose(tab, key):
    """Click what a lover of bright pictures clicks: never a spoilt video."""
    left = re.search(r"(\w+)\.mp4", tab.get_attribute("#left", "src"))[1]
    right = re.search(r"(\w+)\.mp4", tab.get_attribute("#right", "src"))[1]
    trial = next(t for t in key["trials"].values() if {left, right} == set(t["videos"]))
    best = trial.get("expected") or next(v for v, m in trial["videos"].items() if m == "bright")
    return "left" if best == left else "right"


def _save(tab, button, path):
    with tab.expect_download() as waiting:
        tab.click(button)
    waiting.value.save_as(path)
    return path


def test_study_from_consent_to_table(study, tmp_path):
    page, key_path = study
    key = json.loads(key_path.read_text())
    with open_browser() as browser:
        tab = browser.new_page(viewport={"width": 900, "height": 800})
        wrong = []
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") else None)
        tab.goto(page.as_uri())
        assert tab.locator("#start").is_disabled()
        tab.check("#agree")
        tab.click("#start")
        assert f"1 of {SHOWN}" in tab.inner_text("#count")
        for question in key["questions"]:
            tab.check(f"input[name={question}][value={_choose(tab, key)}]")
        assert tab.locator("#next").is_disabled()  # nothing was watched yet
        tab.click("#play")
        tab.wait_for_function("!left.paused && left.currentTime > 0.1 && right.currentTime > 0.1")
        tab.click("#next")
        assert f"2 of {SHOWN}" in tab.inner_text("#count")
        before = tab.get_attribute("#left", "src")

        tab.reload()
        assert f"2 of {SHOWN}" in tab.inner_text("#count")
        assert tab.get_attribute("#left", "src") == before
        for number in range(2, SHOWN + 1):
            assert f"{number} of {SHOWN}" in tab.inner_text("#count")
            tab.keyboard.press("Space")
            arrow = {"left": "ArrowLeft", "right": "ArrowRight"}[_choose(tab, key)]
            for _ in key["questions"]:
                tab.keyboard.press(arrow)
            tab.keyboard.press("Enter")
        assert tab.locator("#done").is_visible()
        tab.reload()
        assert tab.locator("#done").is_visible()
        _save(tab, "#json", tmp_path / "answers.json")
        assert not wrong
        tab.on("dialog", lambda dialog: dialog.accept())
        tab.click("#delete")
        tab.wait_for_selector("#consent", state="visible")
        assert tab.evaluate("localStorage.length") == 0

    tables = read_study(tmp_path, key_path)
    table = tables["preferences"].set_index(["question", "method"])
    for question in key["questions"]:
        assert table.loc[(question, "bright"), "share"] == 1
        assert table.loc[(question, "dull"), "share"] == 0
        assert table.loc[(question, "dull"), "comparisons"] == 3
    assert tables["participants"].checks_failed.tolist() == [0]
    assert (tables["agreement"].repeats_alike == 1).all()


def test_video_that_cannot_be_shown_may_be_skipped(study):
    page, _ = study
    with open_browser() as browser:
        tab = browser.new_page()
        tab.route("**/*.mp4", lambda route: route.abort())
        tab.goto(page.as_uri())
        tab.check("#agree")
        tab.click("#start")
        tab.wait_for_selector("#broken", state="visible")
        tab.click("#skip")
        assert "2 of" in tab.inner_text("#count")
        kept = tab.evaluate("JSON.parse(Object.values(localStorage)[0])")
        assert kept["answers"][0]["choices"] == {}
