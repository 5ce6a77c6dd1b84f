"""One view in numbers, from the packets that the page has too, and as a figure for print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from spfem.explore.clips import ExploredPair
from spfem.explore.explorer import METRIC_TITLES, CorrelationExplorer
from spfem.figures.heatmaps import add_scale, draw_face, draw_map, mark_place
from spfem.figures.matrices import draw_matrix
from spfem.figures.style import LOOKS, WIDTH, apply_style

MOUTH = (0.72, 0.5)  # of the height and width of an aligned face
FIRST_METRIC, FIRST_LEVEL = "spatial", 1


@dataclass(frozen=True)
class View:
    """A place of a frame, and every place that it is compared with.

    Attributes:
        pair: clips of T and U frames.
        metric: key of `METRIC_TITLES`.
        level: of the metric.
        place: (row, column) on the level's map.
        frames: of the first clip; of the second that says the same, and one that does not.
        within: (H, W) similarity to the places of the same face; the border is NaN.
        matched: (H, W), to those of the matched frame.
        mismatched: (H, W), to those of the other frame.
        moments: (T, U), the place at every frame against itself at every frame.
    """

    pair: ExploredPair
    metric: str
    level: int
    place: tuple[int, int]
    frames: tuple[int, int, int]
    within: np.ndarray
    matched: np.ndarray
    mismatched: np.ndarray
    moments: np.ndarray


def view_place(
    explorer: CorrelationExplorer,
    metric: str = FIRST_METRIC,
    level: int = FIRST_LEVEL,
    at: tuple[float, float] = MOUTH,
    frame: int | None = None,
) -> View:
    """Compare the place at shares (down, right) of the face at a frame; default in the middle."""
    choice, pair = explorer.choice, explorer.pair
    sides = [
        explorer.packet(("places", *choice[:3], emotion, metric, level))
        for emotion in (choice.first, choice.second)
    ]
    height, width = sides[0].header["shape"]
    row, column = (
        min(max(int(share * side), 1), side - 2)
        for share, side in zip(at, (height, width), strict=True)
    )
    first, second = (side.arrays["codes"] * side.header["scale"] for side in sides)
    number = (row - 1) * (width - 2) + column - 1
    frame = len(first) // 2 if frame is None else frame
    matched, other = pair.matched_frame(frame), pair.other_frame(frame)

    def to_places(places: np.ndarray) -> np.ndarray:
        similar = (places @ first[frame, number]).reshape(height - 2, width - 2)
        return np.pad(similar, 1, constant_values=np.nan)

    return View(
        pair,
        metric,
        sides[0].header["level"],
        (row, column),
        (frame, matched, other),
        *(to_places(places) for places in (first[frame], second[matched], second[other])),
        first[:, number] @ second[:, number].T,
    )


def draw_view(view: View) -> Figure:
    """Faces, maps and the place over time, as a figure that no plotting state holds on to."""
    apply_style()
    figure = Figure(figsize=(WIDTH, 4.3), layout="constrained")
    axes = figure.subplot_mosaic([["chosen", "within", "same", "other"], [*["time"] * 2, *["row"] * 2]])
    first, second, frames = view.pair.first, view.pair.second, view.frames
    shown = [("chosen", first, frames[0]), *zip(("within", "same", "other"), (first, second, second), frames)]
    for (name, clip, frame), values in zip(shown, (None, view.within, view.matched, view.mismatched)):
        ax, note = axes[name], {"chosen": "chosen place", "within": "within this face"}
        ax.set_title(f"{clip.emotion}, frame {frame}\n{note.get(name, f'{name} moment')}")
        if values is None:
            draw_face(ax, clip.faces[frame])
        else:
            draw_map(ax, clip.faces[frame], values)
            ax.set_xlabel(f"{values[view.place]:.2f} at the place")
        mark_place(ax, view.place, view.within.shape, clip.faces.shape[1:3])
    add_scale(axes["other"], "similarity")
    labels = [f"frame, {clip.emotion}" for clip in (first, second)]
    draw_matrix(axes["time"], view.moments, rows=labels[0], columns=labels[1], path=view.pair.path)
    axes["time"].set_title(f"{METRIC_TITLES[view.metric]}, level {view.level}: the place over time")
    row = view.moments[frames[0]]
    axes["row"].plot(row, color="black")
    for frame, look, name in zip(frames[1:], (LOOKS[0], LOOKS[1]), ("same", "other")):
        axes["row"].plot(frame, row[frame], look.marker, color=look.colour, label=f"{name} moment")
    axes["row"].set(xlabel=labels[1], ylabel="similarity", title=f"frame {frames[0]} against all")
    axes["row"].legend()
    return figure
