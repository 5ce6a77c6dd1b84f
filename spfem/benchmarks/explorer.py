"""How long the explorer takes from a control's change to the picture that is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spfem.benchmarks.made_up import made_up_images, made_up_speech
from spfem.benchmarks.table import Row
from spfem.correlation.spatial import SpatialCoherence
from spfem.explore import CorrelationExplorer, ExploredClip, ExploredPair
from spfem.scales import load_scale
from spfem.settings import SpatialSettings

if TYPE_CHECKING:
    from spfem.explore.widget import ExplorerWidget

FPS, RATE = 25.0, 16_000
FIRST_FRAMES, SECOND_FRAMES = 60, 70


@dataclass(frozen=True)
class MadeUpClips:
    """A source of one pair: smooth pictures of `side` pixels, noise, moments in proportion."""

    side: int
    frames: tuple[int, int]

    def actors(self) -> Sequence[str]:
        """One."""
        return ("nobody",)

    def sentences(self, actor: str) -> Sequence[str]:
        """One."""
        return ("nothing",)

    def emotions(self, actor: str, sentence: str) -> Sequence[str]:
        """Two."""
        return ("neutral", "happy")

    def pair(self, actor: str, sentence: str, first: str, second: str) -> ExploredPair:
        """The same clips, whatever emotions are asked for."""
        clips = []
        for seed, (emotion, count) in enumerate(zip((first, second), self.frames, strict=True)):
            smooth = made_up_images(count, self.side, seed)
            faces = ((smooth + 1) * 127.5).byte().movedim(1, -1).contiguous().numpy()
            sound = made_up_speech(count / FPS, seed)
            clips.append(ExploredClip(f"made up, {emotion}", emotion, faces, sound, RATE, FPS))
        frames = np.arange(self.frames[0])
        path = np.stack([frames, frames * self.frames[1] // self.frames[0]], 1)
        return ExploredPair(clips[0], clips[1], path)


def explorer_interactions(
    device: str,
    settings: SpatialSettings | None = None,
    frames: tuple[int, int] = (FIRST_FRAMES, SECOND_FRAMES),
    repeats: int = 30,
) -> list[Row]:
    """A row for each interaction: the whole canvas drawn anew, and ours; medians in seconds.

    Measured from the change of a control, or a click, to the bytes that a browser gets, for a
    pair and a metric used before. `work` has the 95th percentile and the processor's time.

    Args:
        device: of the metric.
        settings: of a spatial metric with initial weights; default those of the demo scale.
        frames: of both clips.
        repeats: counted turns of each interaction.
    """
    settings = settings or load_scale("demo").spatial
    torch.manual_seed(0)
    metric = SpatialCoherence(settings).to(device).supervise()
    source = MadeUpClips(settings.image_size, frames)
    explorer = CorrelationExplorer(
        {"made up": source}, {"raw": lambda: metric, "spatial": lambda: metric}
    )
    widget = explorer.widget()
    sent: list[int] = []
    widget.canvas.send_binary = lambda png: sent.append(len(png))
    whole = _times(lambda turn: widget.canvas.draw(), max(3, repeats // 6))
    rows = []
    for name, act in _interactions(widget, np.random.default_rng(0)).items():
        before = len(sent)
        seconds = _times(act, repeats)
        assert len(sent) == before + repeats + 1, f"{name} did not send one picture each time"
        slow, busy = np.percentile(seconds[:, 0], 95), np.median(seconds[:, 1])
        work = (
            f"picture sent, {np.median(sent[before:]) / 1024:.0f} KiB; 95th percentile "
            f"{1e3 * slow:.0f} ms, processor {1e3 * busy:.0f} ms; reference: all drawn anew"
        )
        medians = float(np.median(whole[:, 0])), float(np.median(seconds[:, 0]))
        rows.append(Row(f"explorer_{name}", device, "float32", work, *medians))
    return rows


def _interactions(
    widget: ExplorerWidget, random: np.random.Generator
) -> dict[str, Callable[[int], None]]:
    """What a reader does, by name; each call with another number is another picture."""
    explorer = widget.explorer
    controls = widget.controls.widgets

    def turn(name: str, value: Callable[[int], Any]) -> Callable[[int], None]:
        return lambda number: setattr(controls[name], "value", value(number))

    def click(_: int) -> None:
        height, width = explorer.map_shape
        widget.on_patch(int(random.integers(1, height - 1)), int(random.integers(1, width - 1)))

    def temperature(number: int) -> None:
        widget.controls.as_probability.value = number % 2 == 0

    return {
        "click": click,
        "other_moment": turn("mismatch_frames", lambda n: (-1, 1)[n % 2]),
        "frame": turn("frame", lambda n: n % explorer.frame_count),
        "row": turn("row", lambda n: 1 + n % (explorer.map_shape[0] - 2)),
        "level": turn("level", lambda n: n % 2),
        "metric": turn("metric", lambda n: ("raw", "spatial")[n % 2]),
        "weights": turn("show_weights", lambda n: n % 2 == 0),
        "probability": temperature,
        "threshold": turn("threshold", lambda n: round(0.02 * (n % 45), 2)),
    }


def _times(act: Callable[[int], object], repeats: int) -> np.ndarray:
    """Wall and processor seconds (repeats, 2), after one uncounted call."""
    found = []
    for number in range(repeats + 1):
        start, busy = time.perf_counter(), time.process_time()
        act(number)
        found.append((time.perf_counter() - start, time.process_time() - busy))
    return np.array(found[1:])
