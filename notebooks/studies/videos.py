"""Results to look at: clips of an edit side by side as videos, and the papers' qualitative grid.

The order of panels is that of the papers' comparison videos with a reference (spec/evaluation.md,
V1) and of the released comparison pictures (F3): source, reference, baseline, methods, with the
truth last, which only the embedded corpus has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spfem.corpus.protocol import Edit
from spfem.errors import ShapeError
from spfem.evaluation.scores import ClipScore
from spfem.face.landmarks import OUTER_LIPS
from spfem.face.track import FaceTrack
from spfem.media.video import read_video
from spfem.panels import GAP, PAPER, label_strips, side_by_side
from spfem.plots import METRIC_LABELS, new_figure, title_of
from spfem.run.data import make_corpus, make_faces
from spfem.run.edits import MOVED, clips_by_key, read_truth, result_video
from spfem.run.workspace import Workspace
from studies.drawing import draw_bars
from studies.moved_pixels import NED_RENDERER, make_moved_edits
from studies.pictures import draw_grid

FACE_ROOM = 1.15  # side of a close-up by the extent of the tracked landmarks
CLOSE_UP = 112  # pixels
LABEL_SHARE = 0.75  # width of labels beside rows by width of a panel
COMMENT = "comparison with manipulated videos: facial expressions were changed with spfem"


def edit_panels(
    workspace: Workspace, edit: Edit, methods: Sequence[str], base: str = MOVED
) -> dict[str, np.ndarray]:
    """The clips (T, H, W, 3) uint8 RGB of one edit, by name: source, reference, each method, truth.

    `make_edits` has made them before. All but the reference, another sentence, show the same
    moments.
    """
    clips = clips_by_key(workspace)
    source = clips[edit.source]
    panels = {
        "source": read_video(source.video).frames,
        "reference": read_video(clips[edit.reference].video).frames,
    }
    for method in methods:
        panels[method] = read_video(result_video(workspace, base, method, edit)).frames
    if (truth := read_truth(workspace, source, edit.emotion)) is not None:
        panels["truth"] = truth[0]
    return panels


def face_square(track: FaceTrack, room: float = FACE_ROOM) -> tuple[slice, slice]:
    """Rows and columns of the square that holds the face in every frame of a clip.

    `room` is its side by the largest extent of the landmarks; it stays in the frame.
    """
    places = track.landmarks[track.found][..., :2]
    low, high = places.min(axis=(0, 1)), places.max(axis=(0, 1))
    side = min(int(room * float((high - low).max())), *track.frame_size)
    left, top = (
        int(np.clip(round(float(centre) - side / 2), 0, length - side))
        for centre, length in zip((low + high) / 2, track.frame_size[::-1], strict=True)
    )
    return slice(top, top + side), slice(left, left + side)


def close_ups(
    workspace: Workspace, edit: Edit, panels: Mapping[str, np.ndarray], side: int = CLOSE_UP
) -> dict[str, np.ndarray]:
    """The `edit_panels` cut to the face, (T, side, side, 3), so that small pictures show it.

    All but the reference are cut where the source's face is.
    """
    faces = make_faces(workspace)
    squares = {"reference": face_square(faces[edit.reference])}
    source = face_square(faces[edit.source])
    cut = {}
    for name, frames in panels.items():
        rows, columns = squares.get(name, source)
        cubic = {"dsize": (side, side), "interpolation": cv2.INTER_CUBIC}
        cut[name] = np.stack([cv2.resize(frame[rows, columns], **cubic) for frame in frames])  # type: ignore[call-overload]
    return cut


def comparison_frames(
    panels: Mapping[str, np.ndarray], *, height: int | None = None
) -> Iterator[np.ndarray]:
    """Yield the moments of clips (T, H, W, 3) uint8 RGB side by side, each under its title.

    The first clip decides how many are shown, a shorter one stays at its last frame.

    Raises:
        ShapeError: if a clip has no frame, or frames another form.
    """
    empty = [name for name, frames in panels.items() if not len(frames)]
    if empty or not panels:
        raise ShapeError(f"a comparison needs frames; these have none: {', '.join(empty) or 'all'}")
    titles = [title_of(name) for name in panels]
    for moment in range(len(next(iter(panels.values())))):
        shown = [frames[min(moment, len(frames) - 1)] for frames in panels.values()]
        yield side_by_side(shown, titles, height=height)


def save_comparison(
    workspace: Workspace, edit: Edit, methods: Sequence[str], base: str = MOVED
) -> None:
    """Save `videos/<edit>.mp4`: an edit's panels side by side, with the sound of the source."""
    workspace.save_video(
        comparison_frames(edit_panels(workspace, edit, methods, base)),
        edit.name,
        make_corpus(workspace).fps,
        audio_from=clips_by_key(workspace)[edit.source].video,
        comment=COMMENT,
    )


def emotion_rows(
    clips: Mapping[str, Mapping[str, np.ndarray]], names: Sequence[str]
) -> Iterator[np.ndarray]:
    """Yield the moments (H, W, 3) of several edits of one source: emotions beside each other.

    `clips` are `edit_panels` by emotion; `names` those of the panels that are shown, from the top.

    Raises:
        ShapeError: if a panel is missing, or sizes differ.
    """
    for emotion, panels in clips.items():
        if missing := [name for name in names if name not in panels]:
            raise ShapeError(f"the edit to {emotion} has no panel {', '.join(missing)}")
    titles, moments = [title_of(name) for name in names], [len(p[names[0]]) for p in clips.values()]
    for moment in range(min(moments, default=0)):
        rows = [
            [panels[name][min(moment, len(panels[name]) - 1)] for panels in clips.values()]
            for name in names
        ]
        yield rows_of_panels(rows, titles, list(clips))


def rows_of_panels(
    rows: Sequence[Sequence[np.ndarray]], row_labels: Sequence[str], column_labels: Sequence[str]
) -> np.ndarray:
    """Put panels of one size in rows and columns, labels at the left and the top.

    Args:
        rows: uint8 (H, W, 3) RGB panels.
        row_labels: one a row; those with ` + ` take two lines.
        column_labels: one a column.

    Returns:
        uint8 (H, W, 3) RGB with even sides.

    Raises:
        ShapeError: if panels differ in size or labels do not fit.
    """
    shapes = {panel.shape for row in rows for panel in row}
    if len(shapes) != 1 or len(row_labels) != len(rows):
        raise ShapeError(
            f"rows need panels of one size and a label each; got sizes {sorted(shapes)}, "
            f"{len(rows)} rows and {len(row_labels)} labels"
        )
    height, width, _ = shapes.pop()
    sides = _side_labels(tuple(row_labels), height, round(LABEL_SHARE * width))
    nothing = [""] * len(column_labels)
    lines = [
        side_by_side([side, *row], ["", *(nothing if index else column_labels)])
        for index, (side, row) in enumerate(zip(sides, rows, strict=True))
    ]
    # Rows below the first need a gap instead of their empty label strip.
    strip = len(label_strips(("",), (width,), height)[0])
    whole = [
        lines[0][: strip + height],
        *(line[strip - GAP : strip + height] for line in lines[1:]),
    ]
    joined = np.concatenate(whole)
    return np.pad(joined, ((0, len(joined) % 2), (0, 0), (0, 0)), mode="edge")


@lru_cache(maxsize=4)
def _side_labels(labels: tuple[str, ...], height: int, width: int) -> tuple[np.ndarray, ...]:
    """Labels (H, W, 3) uint8 beside rows of panels, in their middle."""
    lines = [label.replace(" + ", "\n+ ").split("\n") for label in labels]
    texts = tuple(text for parts in lines for text in parts)
    strips = iter(label_strips(texts, (width,) * len(texts), height))
    sides = []
    for parts in lines:
        side = np.full((height, width, 3), PAPER, np.uint8)
        written = np.concatenate([next(strips) for _ in parts])[:height]
        top = (height - len(written)) // 2
        side[top : top + len(written)] = written
        sides.append(side)
    return tuple(sides)


def mean_known(values: Sequence[float]) -> float:
    """Mean of the values that are known, NaN where none is."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def closest_to_truth(scores: Mapping[str, Sequence[ClipScore]]) -> str:
    """The method whose lips are nearest to the true edits', to be shown where room is short.

    That is the name of the least mean mouth error in scores on all edits; without truth, the last.
    """
    errors = {
        method: mean_known([score.scores["mouth_error"] for score in of_method])
        for method, of_method in scores.items()
    }
    known = {method: error for method, error in errors.items() if np.isfinite(error)}
    return min(known, key=known.__getitem__) if known else list(scores)[-1]


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
LEVELS = {"copy": ":", "truth": "--"}  # rows drawn as lines, and their style
MOVED_LABELS: Mapping[str, str] = {
    "mouth_error": METRIC_LABELS["mouth_error"],
    "emotion_accuracy": METRIC_LABELS["emotion_accuracy"],
    "detail_mouth": "mouth detail ↑\nby the truth's",
    "detail_eyes": "eye detail ↑\nby the truth's",
}
"""Metrics of moved pixels that are drawn -> their labels."""


def mouth_box(track: FaceTrack, moment: int, side: int = CLOSE_UP) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the box around the mouth, in pixels of a clip's close-up.

    Its size is fixed, so that mouths of several methods can be compared.
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
    workspace: Workspace, edits: Sequence[Edit], methods: Sequence[str], base: str = MOVED
) -> tuple[list[list[np.ndarray]], list[str]]:
    """Cells (H, W, 3) of the grid, a row an edit at the widest mouth of its source; and columns."""
    faces, rows, names = make_faces(workspace), [], []
    for edit in edits:
        clips = close_ups(workspace, edit, edit_panels(workspace, edit, methods, base))
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

    `table` is that of `moved_pixels_table`; `titles` say of each row which codes it shows.

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
