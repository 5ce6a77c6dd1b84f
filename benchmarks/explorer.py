"""How long the explorer takes from a reader's input to the next painted frame, in Chromium."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from studies.explorer_page import write_page

from benchmarks.made_up import made_up_images, made_up_speech
from benchmarks.rows import Row
from spfem.correlation.asccl import SpatialCoherence
from spfem.errors import InputError
from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair
from spfem.explore.explorer import CorrelationExplorer
from spfem.scales import load_scale
from spfem.settings import SpatialSettings

if TYPE_CHECKING:
    from playwright.sync_api import Page


FPS, RATE = 25.0, 16_000
FIRST_FRAMES, SECOND_FRAMES = 35, 40  # as long as a sentence of the embedded corpus
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu")
FRAME_SECONDS = 1 / 60
# Notes what events of the reader take until the frame after them has been painted.
WATCH = """() => {
  window.took = [];
  const explorer = () => document.querySelector('.spfem-explorer').explorer;
  for (const kind of ['keydown', 'pointerdown', 'pointermove', 'input', 'change'])
    document.addEventListener(kind, ({timeStamp, buttons, target}) => {
      const drawn = explorer().drawn, onPanel = target.tagName === 'CANVAS';
      if (kind === 'pointermove' && !buttons) return;
      if (!onPanel && kind !== 'input' && kind !== 'change') return;
      const wait = () => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
          if (explorer().drawn === drawn) wait();
          else took.push((performance.now() - timeStamp) / 1000);
        };
        channel.port2.postMessage(null);
      });
      wait();
    }, true);
}"""
SLIDE = """([name, value]) => {
  const slider = document.querySelector(`.spfem-explorer [data-name='${name}']`);
  slider.value = value;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""


def made_up_source(side: int, frames: tuple[int, int]) -> ClipSource:
    """One pair: smooth pictures of `side` pixels, noise, moments in proportion."""

    def read_pair(actor: str, sentence: str, first: str, second: str) -> ExploredPair:
        clips = []
        for emotion in (first, second):
            seed = ("neutral", "happy").index(emotion)
            smooth, count = made_up_images(frames[seed], side, seed), frames[seed]
            faces = ((smooth + 1) * 127.5).byte().movedim(1, -1).contiguous().numpy()
            sound = made_up_speech(count / FPS, seed)
            clips.append(ExploredClip(f"made up, {emotion}", emotion, faces, sound, RATE, FPS))
        steps = np.arange(len(clips[0].faces))
        there = steps * len(clips[1].faces) // len(clips[0].faces)
        return ExploredPair(clips[0], clips[1], np.stack([steps, there], 1))

    return ClipSource({("nobody", "nothing"): ("neutral", "happy")}, read_pair)


def explorer_interactions(
    device: str,
    settings: SpatialSettings | None = None,
    frames: tuple[int, int] = (FIRST_FRAMES, SECOND_FRAMES),
    repeats: int = 40,
) -> list[Row]:
    """A row for each interaction with data already there, and one for the first view of a pair.

    Medians in seconds, from the event's own time stamp to the frame painted after it, against one
    frame of a screen (16.7 ms); `work` has the 95th percentile.

    Args:
        device: of the metrics, which answer for the first view alone.
        settings: of spatial metrics with initial weights; default those of the demo scale.
        frames: of both clips.
        repeats: counted turns of each interaction.
    """
    settings = settings or load_scale("demo").spatial
    torch.manual_seed(0)
    metric, before = (SpatialCoherence(settings).to(device).supervise() for _ in range(2))
    loaders = {"raw": lambda: metric, "spatial_before": lambda: before, "spatial": lambda: metric}
    source = made_up_source(settings.image_size, frames)
    explorer = CorrelationExplorer({"made up": source}, loaders)
    rows = [_first_view(explorer, device)]
    with tempfile.TemporaryDirectory() as folder:
        page = write_page(explorer, Path(folder) / "explorer.html")
        size = page.stat().st_size
        with _open_page(page) as tab:
            for name, act in _interactions(tab, np.random.default_rng(0)).items():
                seconds = _times(tab, act, repeats)
                work = (
                    f"Chromium, input to painted frame; 95th percentile "
                    f"{1e3 * np.percentile(seconds, 95):.1f} ms; page of {size / 1e6:.1f} MB; "
                    "reference: one frame of a screen"
                )
                median = float(np.median(seconds))
                rows.append(Row(f"explorer_{name}", device, "int8", work, FRAME_SECONDS, median))
    return rows


def _first_view(explorer: CorrelationExplorer, device: str) -> Row:
    """All packets of a pair's first view, its features cached, against those of a new pair."""
    choice = explorer.choice

    def fetch() -> float:
        start = time.perf_counter()
        explorer.packet(("pair", *choice)).to_wire()
        for emotion in (choice.first, choice.second):
            explorer.packet(("clip", *choice[:3], emotion)).to_wire()
            explorer.packet(("places", *choice[:3], emotion, "spatial", 1)).to_wire()
        return time.perf_counter() - start

    new, known = fetch(), float(np.median([fetch() for _ in range(5)]))
    work = "kernel, packets of a pair; its features cached; reference: not cached"
    return Row("explorer_first_view", device, "int16", work, new, known)


@contextmanager
def _open_page(page: Path) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    paths = [os.environ.get("SPFEM_CHROMIUM"), *map(shutil.which, BROWSERS)]
    path = next(filter(None, paths), None)
    if path is None:
        raise InputError("no Chromium here: apt-get install chromium, or set SPFEM_CHROMIUM=PATH")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 1366, "height": 1250})
        tab.goto(page.as_uri())
        tab.wait_for_function("document.querySelector('.spfem-explorer')?.explorer?.drawn > 0")
        tab.evaluate(WATCH)
        yield tab
        browser.close()


def _interactions(tab: Page, random: np.random.Generator) -> dict[str, Callable[[int], Any]]:
    """What a reader does, by name; each call with another number is another picture."""
    boxes: dict[str, Any] = {
        name: tab.locator(f"canvas.{name}").bounding_box() or {} for name in ("chosen", "matrix")
    }

    offered = tab.locator("[data-name='level'] option:not([disabled])").all()
    levels = [option.get_attribute("value") or "" for option in offered]

    def at(panel: str, right: float, down: float) -> tuple[float, float]:
        box = boxes[panel]
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    def anywhere(panel: str) -> tuple[float, float]:
        return at(panel, *random.uniform(0.2, 0.8, 2))

    def drag(turn: int) -> None:
        if turn == 0:
            tab.mouse.move(*at("chosen", 0.2, 0.5))
            tab.mouse.down()
        tab.mouse.move(*anywhere("chosen"))

    def key(turn: int) -> None:
        if turn == 0:
            tab.mouse.up()
            tab.locator("canvas.chosen").focus()
        tab.keyboard.press(("ArrowLeft", "ArrowRight")[turn % 2])

    def pick(name: str, values: tuple[str, str]) -> Callable[[int], Any]:
        control = tab.locator(f"[data-name='{name}']")
        return lambda turn: control.select_option(values[turn % 2])

    def slide(name: str, value: Callable[[int], float]) -> Callable[[int], Any]:
        return lambda turn: tab.evaluate(SLIDE, [name, value(turn)])

    return {
        "click": lambda turn: tab.mouse.click(*anywhere("chosen")),
        "dragged_place": drag,
        "key": key,
        "other_moment": lambda turn: tab.mouse.click(*anywhere("matrix")),
        "frame": slide("frame", lambda turn: turn % 30),
        "metric": pick("metric", ("spatial_before", "spatial")),
        "level": pick("level", (levels[-1], levels[0])),
        "compare": pick("compare", ("spatial_before", "")),
        "weights": lambda turn: tab.locator("[data-name='weights']").click(),
        "probability": lambda turn: tab.locator("[data-name='probability']").click(),
        "temperature": slide("temperature", lambda turn: -1 - 0.05 * (turn % 9)),
        "threshold": slide("threshold", lambda turn: 0.02 * (turn % 40)),
    }


def _times(tab: Page, act: Callable[[int], Any], repeats: int) -> np.ndarray:
    """Seconds (repeats,) of the slowest event of each turn, after four uncounted ones."""
    found = []
    for turn in range(repeats + 4):
        tab.wait_for_timeout(float(np.random.default_rng(turn).uniform(20, 40)))
        tab.evaluate("took.length = 0")
        act(turn)
        tab.wait_for_function("took.length > 0")
        tab.wait_for_timeout(30)
        found.append(max(tab.evaluate("took")))
    return np.array(found[4:])
