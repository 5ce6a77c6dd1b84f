"""The explorer's page, from the disk, in a browser without a network."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from studies.explorer_page import write_page

from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import correlation_map, describe_places, disparity_weights, feature_maps
from tests.browser.chromium import watch_requests
from tests.browser.explorer_tab import ExplorerTab, as_map
from tests.explore.made_up import made_clip, made_explorer, made_metrics

pytestmark = pytest.mark.browser

TOLERANCE = 0.02  # 1 part in 100 of the colour scale, from -1 to 1
METRICS = ("raw", "spatial_before", "spatial", "temporal_vd", "temporal_cm")


@pytest.fixture(scope="module")
def metrics():
    return made_metrics()


@pytest.fixture(scope="module")
def page(metrics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder with blanks, ä and #")
    return write_page(made_explorer(metrics), folder / "explorer.html")


@pytest.fixture
def opened(chromium, page, artefacts, request):
    """The page in a window of a size and theme, without a network; it must not complain."""
    width, theme = getattr(request, "param", (1366, "light"))
    context = chromium.new_context(
        viewport={"width": width, "height": 1000}, color_scheme=theme, offline=True
    )
    tab = context.new_page()
    elsewhere, wrong = watch_requests(tab), []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.set_default_timeout(20_000)
    tab.goto(page.as_uri())
    yield ExplorerTab(tab)
    tab.screenshot(path=artefacts / "at_the_end.png", full_page=True)
    context.close()
    assert not elsewhere
    assert not wrong


def wanted_maps(metrics, name, level, place, frames):
    """Maps of the page's three panels, computed without it; NaN on the border."""
    clips = (made_clip("neutral"), made_clip("happy"), made_clip("happy"))
    model, found = metrics[name], []
    if not name.startswith("temporal"):
        images = [
            images_from_frames(clip.faces[[frame]])
            for clip, frame in zip((clips[0], *clips[1:]), frames, strict=True)
        ]
        kind = "raw" if name == "raw" else "learned"
        return [correlation_map(model, images[0], image, place, level, kind) for image in images]
    for clip, frame in zip(clips, frames, strict=True):
        maps = feature_maps(model, images_from_frames(clip.faces))[level]
        found.append(describe_places(model, maps, level, np_frame(frame))[0].numpy())
    query = found[0][:, place[0] - 1, place[1] - 1]
    similar = [np.einsum("d,dhw->hw", query, each) for each in found]
    return [np.pad(each, 1, constant_values=np.nan) for each in similar]


def np_frame(frame):
    import torch

    return torch.tensor([frame])


@pytest.mark.parametrize("name", METRICS)
def test_numbers_of_the_page_are_those_of_the_metric(opened, metrics, name, tmp_path):
    random, spread = np.random.default_rng(METRICS.index(name)), []
    opened.pick("metric", name)
    for level in ("1", "0"):
        opened.pick("level", level)
        opened.slide("frame", int(random.integers(17)))
        opened.slide("offset", int(random.integers(-9, 10)))
        opened.click("chosen", *random.uniform(0.05, 0.95, 2))
        view = opened.read(
            "({place: [explorer.view.place.row, explorer.view.place.column],"
            " shape: explorer.view.shape, frames: explorer.view.frames})"
        )
        said, panels = opened.numbers(tmp_path)
        place, shape = tuple(view["place"]), tuple(view["shape"])
        for panel, wanted in zip(
            ("within", "matched", "mismatched"),
            wanted_maps(metrics, name, int(level), place, view["frames"]),
            strict=True,
        ):
            found = as_map(panels[panel], shape)
            assert np.array_equal(np.isnan(found), np.isnan(wanted))
            assert np.nanmax(np.abs(found - wanted)) < TOLERANCE
            spread.append(np.nanmax(wanted) - np.nanmin(wanted))
        t, u, v = view["frames"]
        over_time = panels["over_time"]
        assert over_time[t, u] == pytest.approx(panels["matched"][place], abs=1e-4)
        assert over_time[t, v] == pytest.approx(panels["mismatched"][place], abs=1e-4)
        words = re.findall(r"similarity (-?\d\.\d\d) at the same place, rank (\d+) of", said[1])
        for (value, rank), panel in zip(words, ("matched", "mismatched"), strict=True):
            here = panels[panel][place]
            assert float(value) == pytest.approx(here, abs=0.006)
            assert int(rank) == 1 + sum(each > here for each in panels[panel].values())
    assert max(spread) > 10 * TOLERANCE, "all places are alike: nothing was tested"


def test_every_control_changes_the_view_and_the_link_restores_it(opened, metrics, artefacts):
    tab, plain = opened.tab, opened.read("[...explorer.view.values[1]]")
    opened.control("probability").check()
    opened.slide("temperature", -1)
    found = np.array(opened.read("[...explorer.view.values[1]]"), float)
    powers = np.exp(np.array(plain, float) / 0.1)
    assert np.allclose(found, powers / np.nansum(powers), atol=1e-6, equal_nan=True)
    assert "probability" in opened.text()
    opened.control("probability").uncheck()
    opened.slide("threshold", 0.5)
    shown = np.array(opened.read("[...explorer.view.maps[1]]"), float)
    assert np.array_equal(np.isfinite(shown), np.nan_to_num(np.array(plain, float), nan=-2) >= 0.5)
    opened.slide("threshold", -1)
    opened.control("weights").check()
    weights = np.array(opened.read("[...explorer.view.weights]"), float)
    frame, level = opened.read("[explorer.state.frame, explorer.state.level]")
    face = images_from_frames(made_clip("neutral").faces[[frame]])
    exact = disparity_weights(metrics["spatial"], face, level)
    assert np.allclose(weights.reshape(exact.shape), exact, atol=0.01, equal_nan=True)
    opened.pick("compare", "spatial_before")
    assert opened.root.get_by_text("ASCCL before learning:").is_visible()
    assert opened.read("explorer.view.compared.maps.length") == 3
    opened.root.get_by_role("button", name="cheek").click()
    opened.settle()
    with tab.expect_download() as download:
        opened.root.get_by_role("button", name="Save PNG").click()
    download.value.save_as(artefacts / "saved.png")
    with Image.open(artefacts / "saved.png") as picture:
        assert picture.width > 1500
        assert len(picture.convert("RGB").getcolors(10**7)) > 500
    words, link = opened.text(), opened.read("explorer.link")
    again = tab.context.new_page()
    again.goto(f"{tab.url.partition('#')[0]}{link}")
    other = ExplorerTab(again)
    assert other.text() == words
    assert other.control("weights").is_checked()
    assert other.root.get_by_text("ASCCL before learning:").is_visible()
    again.close()


@pytest.mark.parametrize("opened", [(900, "dark"), (1366, "light"), (480, "light")], indirect=True)
def test_sizes_and_themes(opened, artefacts):
    tab = opened.tab
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.screenshot(path=artefacts / "opened.png", full_page=True)
    dark = tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    ink, paper = (
        tab.evaluate(f"getComputedStyle(document.querySelector('.spfem-explorer')).{name}")
        for name in ("color", "backgroundColor")
    )
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (light[0] > light[1]) == dark
    assert abs(light[0] - light[1]) > 450  # of 765


def test_keys_alone_reach_and_move_everything_and_focus_leaves_again(opened):
    tab, seen = opened.tab, []
    name = "document.activeElement.dataset?.name || document.activeElement.className"
    name += " || document.activeElement.textContent"
    tab.locator("a").first.focus()
    for _ in range(40):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate(name))
        if seen[-1] == "chosen":
            row, column = opened.read("[explorer.view.place.row, explorer.view.place.column]")
            for key in ("ArrowUp", "ArrowLeft"):
                tab.keyboard.press(key)
            opened.settle()
            moved = opened.read("[explorer.view.place.row, explorer.view.place.column]")
            assert moved == [row - 1, column - 1]
        if seen[-1] == "matrix":
            before = opened.read("explorer.view.frames")
            tab.keyboard.press("ArrowDown")
            opened.settle()
            assert opened.read("explorer.view.frames")[0] == before[0] + 1
            other = opened.read("explorer.view.frames")[2]
            tab.keyboard.press("ArrowRight")
            opened.settle()
            assert opened.read("explorer.view.frames")[2] == other + 1
        if seen[-1] == "Copy link":
            break
    controls = ["clips", "metric", "compare", "level", "frame", "offset"]
    assert [word for word in seen if word in controls] == controls
    assert seen.index("offset") < seen.index("chosen") < seen.index("matrix")
    tab.keyboard.press("Tab")
    assert not tab.evaluate(
        "document.querySelector('.spfem-explorer').contains(document.activeElement)"
    )


def test_playing_moves_the_frame_and_the_words_wait(opened):
    opened.slide("frame", 0)
    opened.root.get_by_role("button", name="Play neutral").click()
    assert opened.root.locator(".text").get_attribute("aria-live") == "off"
    opened.tab.wait_for_function(
        "document.querySelector('.spfem-explorer').explorer.state.frame >= 3"
    )
    opened.tab.wait_for_selector("button:text('Play neutral')")  # its end
    assert opened.read("explorer.state.frame") >= 14
    assert opened.root.locator(".text").get_attribute("aria-live") == "polite"
