"""One place of a face, where a metric finds it again, and when: the explorer's view for print."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from spfem.figures.heatmaps import add_scale, draw_face, draw_map, mark_place
from spfem.figures.matrices import draw_matrix
from spfem.figures.style import LOOKS, WIDTH, apply_style

HEIGHT = 4.3  # inches
PANELS = ("within this face", "same moment", "other moment")


def draw_place_view(
    faces: Sequence[np.ndarray],
    maps: Sequence[np.ndarray],
    place: tuple[int, int],
    moments: np.ndarray,
    frames: tuple[int, int, int],
    path: np.ndarray,
    emotions: tuple[str, str],
    title: str,
) -> Figure:
    """Draw a view, as a figure that no plotting state holds on to.

    Args:
        faces: (S, S, 3) uint8 RGB each: the chosen frame, the one that says the same, another.
        maps: (H, W) similarity of the place to those of each face; NaN where there are none.
        place: (row, column) on the maps.
        moments: (T, U), the place at every frame of one clip against every frame of the other.
        frames: of the faces.
        path: (N, 2) frames that say the same.
        emotions: of the clips.
        title: names the metric.
    """
    apply_style()
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplot_mosaic([["chosen", *PANELS], [*["time"] * 2, *["row"] * 2]])
    draw_face(axes["chosen"], faces[0])
    axes["chosen"].set_title(f"{emotions[0]}, frame {frames[0]}\nchosen place")
    for number, (name, face, values) in enumerate(zip(PANELS, faces, maps, strict=True)):
        draw_map(axes[name], face, values)
        axes[name].set_title(f"{emotions[number > 0]}, frame {frames[number]}\n{name}")
        axes[name].set_xlabel(f"{values[place]:.2f} at the place")
    for name in ("chosen", *PANELS):
        mark_place(axes[name], place, maps[0].shape, faces[0].shape)
    add_scale(axes[PANELS[-1]], "similarity")
    labels = [f"frame, {emotion}" for emotion in emotions]
    draw_matrix(axes["time"], moments, rows=labels[0], columns=labels[1], path=path)
    axes["time"].set_title(f"{title}: the place over time")
    row = moments[frames[0]]
    axes["row"].plot(row, color="black")
    for frame, look, name in zip(frames[1:], LOOKS[:2], PANELS[1:], strict=True):
        axes["row"].plot(frame, row[frame], look.marker, color=look.colour, label=name)
    axes["row"].set(xlabel=labels[1], ylabel="similarity", title=f"frame {frames[0]} against all")
    axes["row"].legend()
    return figure
