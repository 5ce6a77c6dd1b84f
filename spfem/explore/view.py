"""One view in numbers, from the packets that the browser has too, and as a figure for print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from spfem.explore.clips import ExploredPair
from spfem.explore.explorer import CorrelationExplorer
from spfem.stages.metric_loaders import METRIC_TITLES

MOUTH = (0.72, 0.5)  # of the height and width of an aligned face


@dataclass(frozen=True)
class View:
    """A place of a frame, and every place that it is compared with.

    Attributes:
        pair: clips of T and U frames.
        title: names metric and level.
        place: (row, column) on the level's map.
        frames: of the first clip; of the second that says the same, and one that does not.
        maps: (H, W) similarity to the places of each of them; the border is NaN.
        moments: (T, U), the place at every frame against itself at every frame.
    """

    pair: ExploredPair
    title: str
    place: tuple[int, int]
    frames: tuple[int, int, int]
    maps: tuple[np.ndarray, ...]
    moments: np.ndarray

    def draw(self) -> Figure:
        """Faces, maps and the place over time, for print and for readers without a browser."""
        from spfem.picture_plots import draw_place_view  # needs seaborn, which takes a second

        clips = (self.pair.first, self.pair.second)
        faces = [clips[n > 0].faces[frame] for n, frame in enumerate(self.frames)]
        return draw_place_view(
            faces, self.maps, self.place, self.moments, self.frames, self.pair.path,
            (clips[0].emotion, clips[1].emotion), self.title,
        )  # fmt: skip


def view_place(
    explorer: CorrelationExplorer,
    metric: str = "spatial",
    level: int = 1,
    at: tuple[float, float] = MOUTH,
    frame: int | None = None,
) -> View:
    """Compare the place at shares (down, right) of the face at a frame; default in the middle."""
    choice = explorer.choice
    sides = [
        explorer.packet(("places", *choice[:3], emotion, metric, level)) for emotion in choice[3:]
    ]
    shape, level = sides[0].header["shape"], sides[0].header["level"]
    row, column = (min(max(int(a * n), 1), n - 2) for a, n in zip(at, shape, strict=True))
    first, second = (side.arrays["codes"] * side.header["scale"] for side in sides)
    number = (row - 1) * (shape[1] - 2) + column - 1
    frame = len(first) // 2 if frame is None else frame
    moments = explorer.packet(("pair", *choice)).arrays
    frames = (frame, int(moments["matched"][frame]), int(moments["other"][frame]))
    similar = [
        places[at] @ first[frame, number]
        for places, at in zip((first, second, second), frames, strict=True)
    ]
    inner = (shape[0] - 2, shape[1] - 2)
    maps = tuple(np.pad(row.reshape(inner), 1, constant_values=np.nan) for row in similar)
    over_time = first[:, number] @ second[:, number].T
    title = f"{METRIC_TITLES[metric]}, level {level}"
    return View(explorer.pair, title, (row, column), frames, maps, over_time)
