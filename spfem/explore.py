"""Explore what the spatial metric sees: choose a place on a face, see where it correlates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from spfem.correlation.maps import Kind, PatchDescriptors, describe_patches
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.spatial import SpatialCoherence
from spfem.errors import ShapeError
from spfem.figures.heatmaps import add_scale, draw_correlation, draw_face, mark_place
from spfem.figures.style import WIDTH, apply_style, new_figure

if TYPE_CHECKING:
    from spfem.explore_widget import ExplorerWidget


@dataclass(frozen=True)
class FacePair:
    """Two aligned faces (S, S, 3) uint8 RGB that say the same in two emotions.

    `title` names the pair, `labels` its faces. Faces that say something else may be given to see
    what the metric makes of them.
    """

    title: str
    first: np.ndarray
    second: np.ndarray
    labels: tuple[str, str] = ("neutral", "other emotion")


@dataclass(frozen=True)
class Selection:
    """What is looked at: pair and level by index, kind of descriptor, place on the level's map."""

    pair: int
    level: int
    kind: Kind
    row: int
    column: int


class CorrelationExplorer:
    """Similarity of one place of a face to every place of another.

    `on_patch`, `choose` and `similarity` work anywhere; `widget` shows the same in a notebook and
    `static_figure` on paper.

    Args:
        model: the spatial metric, in evaluation mode.
        pairs: faces to choose from; the spoken moment of a pair should be the same.
        level: of the metric shown first.

    Raises:
        ShapeError: if there is no pair or faces are not square uint8 pictures.
    """

    def __init__(
        self, model: SpatialCoherence, pairs: Sequence[FacePair], *, level: int = 1
    ) -> None:
        if not pairs:
            raise ShapeError("an explorer needs at least one pair of faces")
        for pair in pairs:
            for face in (pair.first, pair.second):
                if face.ndim != 3 or face.shape[0] != face.shape[1] or face.shape[2] != 3:
                    raise ShapeError(
                        f"faces of {pair.title!r} must be (S, S, 3) uint8; got {face.shape}"
                    )
        self.model = model
        self.pairs = tuple(pairs)
        self._described: dict[tuple[int, Kind], list[tuple[PatchDescriptors, ...]]] = {}
        self.selection = Selection(0, min(level, self.level_count - 1), "learned", 1, 1)
        self._selection_at_mouth()

    @property
    def level_count(self) -> int:
        """Number of levels of the metric."""
        return len(self.model.settings.widths)

    @property
    def map_shape(self) -> tuple[int, int]:
        """(H, W) of the chosen level's map; places run from 1 to H - 2 and W - 2."""
        return self._descriptors(self.selection)[0].map_shape

    def _selection_at_mouth(self) -> None:
        height, width = self.map_shape
        self.choose(row=round(0.72 * height), column=width // 2)

    def _descriptors(self, selection: Selection) -> tuple[PatchDescriptors, ...]:
        key = (selection.pair, selection.kind)
        if key not in self._described:
            pair = self.pairs[selection.pair]
            self._described[key] = list(
                zip(
                    *(
                        describe_patches(self.model, images_from_frames(face[None]), selection.kind)
                        for face in (pair.first, pair.second)
                    ),
                    strict=True,
                )
            )
        return self._described[key][selection.level]

    def choose(
        self,
        *,
        pair: int | None = None,
        level: int | None = None,
        kind: Kind | None = None,
        row: int | None = None,
        column: int | None = None,
    ) -> Selection:
        """Change what is looked at; a place is kept on the face when the level changes.

        Raises:
            ShapeError: if an index does not exist.
        """
        old = self.selection
        place: tuple[float, float] = (old.row, old.column)
        new = Selection(
            old.pair if pair is None else pair,
            old.level if level is None else level,
            old.kind if kind is None else kind,
            old.row,
            old.column,
        )
        if not (0 <= new.pair < len(self.pairs) and 0 <= new.level < self.level_count):
            raise ShapeError(
                f"pair {new.pair} or level {new.level} does not exist; there are "
                f"{len(self.pairs)} pairs and {self.level_count} levels"
            )
        if new.kind not in ("raw", "learned"):
            raise ShapeError(f"kind must be 'raw' or 'learned'; got {new.kind!r}")
        shape = self._descriptors(new)[0].map_shape
        if new.level != old.level:
            before = self.map_shape
            place = (
                (old.row + 0.5) * shape[0] / before[0] - 0.5,
                (old.column + 0.5) * shape[1] / before[1] - 0.5,
            )
        wanted = (place[0] if row is None else row, place[1] if column is None else column)
        at_row, at_column = (
            min(max(round(at), 1), side - 2) for at, side in zip(wanted, shape, strict=True)
        )
        self.selection = Selection(new.pair, new.level, new.kind, at_row, at_column)
        return self.selection

    def on_patch(self, row: int, column: int) -> np.ndarray:
        """Choose a place; return its `similarity` map. A click does the same.

        Raises:
            ShapeError: if the place lies outside or on the border of the map.
        """
        height, width = self.map_shape
        if not (1 <= row <= height - 2 and 1 <= column <= width - 2):
            raise ShapeError(
                f"place ({row}, {column}) must lie in 1..{height - 2} by 1..{width - 2}"
            )
        self.choose(row=row, column=column)
        return self.similarity()

    def place_under(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) nearest to a point of the first face, in its pixels."""
        side = self.pairs[self.selection.pair].first.shape[0]
        return self._descriptors(self.selection)[0].place_under(x, y, side)

    def similarity(self, selection: Selection | None = None) -> np.ndarray:
        """Map (H, W) in [-1, 1] of the chosen place of the first face to the second; border NaN."""
        chosen = selection or self.selection
        first, second = self._descriptors(chosen)
        return first.map_from(chosen.row, chosen.column, second)[0]

    def summary(self) -> str:
        """The chosen place in words, with its values."""
        chosen, values = self.selection, self.similarity()
        best = np.unravel_index(np.nanargmax(values), values.shape)
        higher = int((values > values[chosen.row, chosen.column]).sum())
        return (
            f"row {chosen.row}, column {chosen.column}: similarity "
            f"{values[chosen.row, chosen.column]:.2f} at the same place, rank {higher + 1} of "
            f"{int(np.isfinite(values).sum())}; highest {values[best]:.2f} at row {best[0]}, "
            f"column {best[1]}"
        )

    def static_figure(self, places: Sequence[tuple[int, int]] | None = None) -> Figure:
        """Draw the maps of some places (default: the chosen one) for print and HTML."""
        apply_style()
        chosen, pair = self.selection, self.pairs[self.selection.pair]
        shown = [(chosen.row, chosen.column)] if places is None else list(places)
        figure, axes = new_figure(len(shown), 2, height=2.9 * len(shown) + 0.3, width=0.85 * WIDTH)
        for (left, right), (row, column) in zip(axes, shown, strict=True):
            values = self.similarity(Selection(chosen.pair, chosen.level, chosen.kind, row, column))
            draw_face(left, pair.first)
            mark_place(left, (row, column), values.shape, pair.first.shape)
            left.set_xlabel(f"row {row}, column {column}")
            draw_correlation(right, pair.second, values, (row, column))
            add_scale(right, "similarity")
        axes[0, 0].set_title(pair.labels[0])
        axes[0, 1].set_title(pair.labels[1])
        figure.suptitle(f"{pair.title}, level {chosen.level}, {chosen.kind}")
        return figure

    def widget(self) -> ExplorerWidget:
        """Controls and a clickable picture for a notebook; works headless as well.

        With `%matplotlib widget` the picture takes clicks; otherwise the sliders choose places.
        """
        from spfem.explore_widget import ExplorerWidget

        return ExplorerWidget(self)
