"""The explorer without its picture: what is chosen, and what the metrics say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spfem.errors import SettingsError, ShapeError
from spfem.explore.choices import apply_changes, settle_clips, settle_moments, settle_place
from spfem.explore.clips import ClipSource, ExploredPair
from spfem.explore.compose import view_of_distances, view_of_places
from spfem.explore.measure import WITHOUT_PLACES, Measurements, MetricLoader
from spfem.explore.recent import Recent
from spfem.explore.selection import Selection
from spfem.explore.view import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from spfem.explore.widget import ExplorerWidget

OWN_CLIPS = "own clips"
FIRST_METRIC, FIRST_LEVEL = "spatial", 1
MOUTH = (0.72, 0.5)  # of the height and width of an aligned face
KEPT_PAIRS = 8


class CorrelationExplorer:
    """What the metrics see in pairs of clips: one state, changed by `choose`, shown by `view`.

    The first view of a pair with a metric computes features of all frames; later views of them
    take milliseconds.

    Args:
        sources: of clips, by name.
        metrics: functions that load a metric in evaluation mode, by keys of `METRIC_TITLES`;
            called when the metric is first chosen.
        open_own_clips: makes a source of two video files; without it there are no own clips.

    Attributes:
        sources: of clips, by name.
        selection: what is chosen; changed by `choose`.

    Raises:
        SettingsError: if there is no source or metric, or a metric has another name.
    """

    def __init__(
        self,
        sources: Mapping[str, ClipSource],
        metrics: Mapping[str, MetricLoader],
        *,
        open_own_clips: Callable[[Path, Path], ClipSource] | None = None,
    ) -> None:
        if not sources:
            raise SettingsError("an explorer needs at least one source of clips")
        self.sources, self._open_own_clips = dict(sources), open_own_clips
        self._measured = Measurements(metrics)
        self._pairs: Recent[ExploredPair] = Recent(KEPT_PAIRS)
        self._place_metric = ""  # the last one with places, on whose maps row and column lie
        nothing = Selection("", "", "", "", "", 0, 0, "", FIRST_LEVEL, 1, 1)
        self.selection = settle_clips(nothing, self.sources, ())
        self.choose(frame=self.frame_count // 2)
        row, column = (round(at * side) for at, side in zip(MOUTH, self.map_shape, strict=True))
        self.choose(row=row, column=column)

    @property
    def pair(self) -> ExploredPair:
        """The chosen clips."""
        return self._pair(self.selection)

    @property
    def frame_count(self) -> int:
        """Frames of the first clip."""
        return len(self.pair.first.faces)

    @property
    def has_places(self) -> bool:
        """Whether the chosen metric compares places."""
        return self.selection.metric != WITHOUT_PLACES

    @property
    def level_count(self) -> int:
        """Levels of the chosen metric, or of the last one with places."""
        return len(self._shapes(self.selection.metric))

    @property
    def map_shape(self) -> tuple[int, int]:
        """(H, W) of the chosen level's map; places run from 1 to H - 2 and W - 2."""
        return self._shapes(self.selection.metric)[self.selection.level]

    def metrics(self) -> tuple[str, ...]:
        """Metrics that the chosen clips allow, in the order of `METRIC_TITLES`."""
        return self._offered(self.pair)

    def choose(self, **changes: Any) -> Selection:
        """Change fields of the selection.

        What was not asked for follows: clips that are not there give way to others, the frame is
        clamped, the other moment stays one at which something else is said, and the place keeps
        its part of the face where the map has another size.

        Raises:
            SettingsError: if a field, or what was asked for, does not exist.
        """
        given = set(changes)
        wanted = settle_clips(apply_changes(self.selection, changes), self.sources, given)
        pair = self._pair(wanted)
        wanted = self._settle_metric(wanted, pair, "metric" in given)
        shapes = self._shapes(wanted.metric)
        if not 0 <= wanted.level < len(shapes):
            if "level" in given:
                raise SettingsError(
                    f"level {wanted.level} does not exist; choose one of 0..{len(shapes) - 1}"
                )
            wanted = replace(wanted, level=len(shapes) - 1)
        wanted = settle_moments(wanted, pair, given)
        before = shapes[wanted.level] if not self.selection.metric else self.map_shape
        self.selection = settle_place(wanted, shapes[wanted.level], before, given)
        if self.has_places:
            self._place_metric = self.selection.metric
        return self.selection

    def load_own_clips(self, first: Path, second: Path) -> Selection:
        """Add two own video files as a source of clips, in place of older ones, and choose them.

        Args:
            first: a video with sound, of one face.
            second: the same words in another emotion.

        Raises:
            SettingsError: if this explorer cannot open files.
            FaceNotFoundError: if a file shows no face.
            InputError: if a file cannot be read, has no sound, is too short or too long.
        """
        if self._open_own_clips is None:
            raise SettingsError("this explorer was made without a way to open own clips")
        self.sources[OWN_CLIPS] = self._open_own_clips(first, second)
        self._pairs = Recent(KEPT_PAIRS)
        return self.choose(source=OWN_CLIPS)

    def on_patch(self, row: int, column: int) -> View:
        """Choose a place; return the view. A click does the same.

        Raises:
            ShapeError: if the place lies outside or on the border of the map.
        """
        height, width = self.map_shape
        if not (1 <= row <= height - 2 and 1 <= column <= width - 2):
            raise ShapeError(
                f"place ({row}, {column}) must lie in 1..{height - 2} by 1..{width - 2}"
            )
        self.choose(row=row, column=column)
        return self.view()

    def place_under(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) of the place that a point of the faces lies in, in their pixels.

        Points on the border of the map, which has no places, belong to the nearest place.
        """
        side, (height, width) = self.pair.first.faces.shape[1], self.map_shape
        row, column = int(y * height // side), int(x * width // side)
        return min(max(row, 1), height - 2), min(max(column, 1), width - 2)

    def view(self) -> View:
        """Compute what is chosen."""
        compose = view_of_places if self.has_places else view_of_distances
        return compose(self._measured, self.selection, self.pair)

    def _shapes(self, metric: str) -> list[tuple[int, int]]:
        """(H, W) of the levels of a metric, or of the last one with places."""
        name = self._place_metric if metric == WITHOUT_PLACES else metric
        return self._measured.map_shapes(name) if name else [(3, 3)]

    def _pair(self, chosen: Selection) -> ExploredPair:
        key = (
            chosen.source,
            chosen.actor,
            chosen.sentence,
            chosen.first_emotion,
            chosen.second_emotion,
        )
        return self._pairs.get(key, lambda: self.sources[key[0]].pair(*key[1:]))

    def _offered(self, pair: ExploredPair) -> tuple[str, ...]:
        seen = all(clip.expression is not None for clip in (pair.first, pair.second))
        return tuple(name for name in self._measured.names if seen or name != WITHOUT_PLACES)

    def _settle_metric(self, wanted: Selection, pair: ExploredPair, given: bool) -> Selection:
        offered = self._offered(pair)
        if wanted.metric in offered:
            return wanted
        if given or not offered:
            raise SettingsError(
                f"metric {wanted.metric!r} is not made or does not suit these clips; choose one "
                f"of {', '.join(offered)}"
            )
        return replace(wanted, metric=FIRST_METRIC if FIRST_METRIC in offered else offered[0])

    def widget(self, *, exports: Path | str = "figures/explorer") -> ExplorerWidget:
        """Controls and a clickable picture for a notebook; works headless as well.

        Args:
            exports: folder that the widget's export button writes to.
        """
        from spfem.explore.widget import ExplorerWidget

        return ExplorerWidget(self, exports=str(exports))

    def static_figure(self) -> Figure:
        """The view for print and HTML."""
        from spfem.explore.static import draw_static

        return draw_static(self.view())

    def export(self, path: Path) -> list[Path]:
        """Write the view as a figure (PNG, PDF) and JSON of its settings and numbers.

        Args:
            path: folder of the files, whose names come from the selection.
        """
        from spfem.explore.export import export_view

        return export_view(self.view(), path)
