"""The papers' qualitative grid: a row an edit, a column a method, the mouth boxed and enlarged.

Source: the released comparison pictures (spec/evaluation.md, F3), whose columns are source,
reference, baseline and methods; the truth, which only the embedded corpus has, comes last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spfem.comparisons import CLOSE_UP, close_ups, edit_panels, face_square
from spfem.corpus.protocol import Edit
from spfem.drawing import draw_bars
from spfem.errors import ShapeError
from spfem.face.landmark_sets import OUTER_LIPS
from spfem.face.track_file import FaceTrack
from spfem.media.video import read_video
from spfem.picture_plots import draw_grid
from spfem.plots import METRIC_LABELS, new_figure
from spfem.stages import make_faces
from spfem.stages.moved_edits import make_moved_edits
from spfem.workspace import Workspace

BOX_WIDTH = 0.5  # of the close-up; a wide smile fits in
BOX_HEIGHT = 0.28
SHEET_ROW = 0.98  # inches, height of a row of the sheet
MOVED_LOOKS = {
    "copy": "source",
    "ned_renderer_ned": "NED's renderer",
    "ned": "moved",
    "exact": "true units",
    "truth": "truth",
}
"""Rows of the table of moved pixels that are looked at -> label."""
NED_RENDERER = "ned_renderer_"  # how names of rows by NED's renderer begin
LEVELS = {"copy": ":", "truth": "--"}  # rows drawn as lines, and their style
MOVED_LABELS: Mapping[str, str] = {
    "mouth_error": METRIC_LABELS["mouth_error"],
    "emotion_accuracy": METRIC_LABELS["emotion_accuracy"],
    "detail_mouth": "mouth detail ↑\nby the truth's",
    "detail_eyes": "eye detail ↑\nby the truth's",
}
"""Metrics of moved pixels that are drawn -> their labels."""


def mouth_box(track: FaceTrack, moment: int, side: int = CLOSE_UP) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the box around the mouth, in pixels of a close-up.

    Its size is fixed, so that mouths of several methods can be compared.

    Args:
        track: of the clip that the close-up was cut from.
        moment: index of the frame.
        side: of the close-up.
    """
    rows, columns = face_square(track)
    lips = track.landmarks[moment][list(OUTER_LIPS), :2]
    scale = side / (rows.stop - rows.start)
    x, y = (lips.mean(0) - (columns.start, rows.start)) * scale
    width, height = round(BOX_WIDTH * side), round(BOX_HEIGHT * side)
    left = int(np.clip(round(float(x)) - width // 2, 0, side - width))
    top = int(np.clip(round(float(y)) - height // 2, 0, side - height))
    return left, top, left + width, top + height


def with_mouth_below(picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """A square picture (S, S, 3) uint8 RGB with its mouth boxed, and the mouth enlarged below."""
    left, top, right, bottom = box
    side = picture.shape[1]
    height = round(side * (bottom - top) / (right - left))
    mouth = cv2.resize(
        picture[top:bottom, left:right], (side, height), interpolation=cv2.INTER_CUBIC
    )
    boxed = cv2.rectangle(picture.copy(), (left, top), (right - 1, bottom - 1), (255, 255, 255), 1)
    return np.concatenate([boxed, mouth])


def widest_mouth(track: FaceTrack) -> int:
    """Index of the frame with the widest open jaw among those that show a face."""
    return int(np.where(track.found, track.expression[:, 0], -np.inf).argmax())


def qualitative_rows(
    workspace: Workspace, edits: Sequence[Edit], methods: Sequence[str], seed: int = 0
) -> tuple[list[list[np.ndarray]], list[str]]:
    """Cells of the grid, a row an edit at the widest mouth of its source.

    Args:
        workspace: where the edits of the methods are.
        edits: of the protocol.
        methods: names of trained methods.
        seed: of their training.

    Returns:
        Rows of pictures (H, W, 3) uint8 RGB, and the names of the columns.
    """
    faces, rows, names = make_faces(workspace), [], []
    for edit in edits:
        clips = close_ups(workspace, edit, edit_panels(workspace, edit, methods, seed))
        names = list(clips)
        source, reference = faces[edit.source], faces[edit.reference]
        moment = widest_mouth(source)
        moments = {"reference": widest_mouth(reference)}
        boxes = {"reference": mouth_box(reference, moments["reference"])}
        usual = mouth_box(source, moment)
        rows.append(
            [
                with_mouth_below(frames[moments.get(name, moment)], boxes.get(name, usual))
                for name, frames in clips.items()
            ]
        )
    return rows, names


def moved_pixels_sheet(workspace: Workspace) -> Figure:
    """Every edit of the table of moved pixels at the widest mouth of its source.

    A column an emotion; for each source, `MOVED_LOOKS` under each other.

    Raises:
        CorpusError: if the corpus has no true counterparts.
    """
    made, faces = make_moved_edits(workspace), make_faces(workspace)
    rows: list[list[np.ndarray]] = []
    labels = []
    for source in dict.fromkeys(edit.source for edit in made.edits):
        moment = widest_mouth(faces[source])
        looks: dict[str, list[np.ndarray]] = {row: [] for row in MOVED_LOOKS}
        for edit in (edit for edit in made.edits if edit.source == source):
            panels = {row: read_video(made.rows[row].video(edit)).frames[[moment]] for row in looks}
            for row, clip in close_ups(workspace, edit, panels).items():
                looks[row].append(clip[0])
        rows += looks.values()
        actor, _, _, number = source.split("/")
        labels += [f"{actor} {number}: {title}" for title in MOVED_LOOKS.values()]
    figure, axes = new_figure(height=0.4 + SHEET_ROW * len(rows))
    emotions = list(dict.fromkeys(edit.emotion for edit in made.edits))
    draw_grid(axes[0, 0], rows, row_labels=labels, column_labels=emotions)
    return figure


def draw_moved_pixels(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw what pictures and what codes lose: bars by codes, coloured by renderer.

    Args:
        table: rows with row, metric, value, ci_low, ci_high, of `moved_pixels_table`.
        titles: row -> which codes it shows.

    Raises:
        ShapeError: if a row has no title.
    """
    if nameless := sorted(set(table.row) - set(titles)):
        raise ShapeError(f"rows without a title: {', '.join(nameless)}")
    by_ned = table.row.str.startswith(NED_RENDERER)
    renderer = np.where(by_ned, "NED's renderer", "moved pixels")
    bars = table.assign(renderer=renderer, codes=table.row.map(titles))
    figure, axes = new_figure(len(MOVED_LABELS), 1, height=7.6, sharex=True)
    for ax, (metric, label) in zip(axes.flat, MOVED_LABELS.items(), strict=True):
        part = bars[(bars.metric == metric) & ~bars.row.isin(list(LEVELS))]
        draw_bars(ax, part, group="codes", series="renderer", write_values=True, legend=False)
        levels = table[table.metric == metric].set_index("row").value
        for row, style in LEVELS.items():
            ax.axhline(levels[row], linestyle=style, color="#444444", label=titles[row])
        ax.set_ylabel(label)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure
