"""Estimates of every metric from the scores of edits, or of their differences in pairs.

What the main results, the comparisons of methods and the power of a run are made from: each
metric by emotion and averaged over the emotions, under the redraws of `crossed_redraws`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from spfem.corpus.protocol import Edit
from spfem.evaluation.frechet import frechet_backbones, frechet_distances, frechet_features
from spfem.evaluation.redraws import Estimate, Redraws, crossed_redraws
from spfem.evaluation.scores import CLIP_METRICS, ClipScore, FaceSample, backbone_of
from spfem.settings import EMOTIONS, EvaluationSettings

AVERAGE = "average"


class Cell(NamedTuple):
    """One estimate in a table.

    `clips` are edited clips that could be measured, each counted once for all seeds; `baseline` is
    the value of what a difference is taken to, NaN of a value that is none.
    """

    estimate: Estimate
    clips: int
    baseline: float = np.nan


Cells = dict[str, Cell]
"""By emotion, in their order, those that were measured; `AVERAGE` over them last."""
Measure = tuple[str, str]
"""A metric, and what it was measured with."""
Pairs = Sequence[tuple[ClipScore, ClipScore]]
"""An edit by one method, and the same edit by what it is compared with."""


class Estimates:
    """Estimates from scores, which keep what costs most: Fréchet distances under the redraws.

    Args:
        real: samples of real clips of the target actors, all emotions; none leaves FAD out.
        settings: resamples and confidence.
        seed: of the redraws.
        metrics: of single clips.
        backbones: features that Fréchet distances are taken on, by default all.
        redraw_actors: redraw actors, then their clips; else clips alone.
    """

    def __init__(
        self,
        real: Sequence[FaceSample],
        settings: EvaluationSettings,
        *,
        seed: int = 0,
        metrics: Sequence[str] = tuple(CLIP_METRICS),
        backbones: Sequence[str] | None = None,
        redraw_actors: bool = True,
    ) -> None:
        """Keep what all estimates share."""
        self.settings = settings
        self._real, self._seed, self._metrics = real, seed, metrics
        self._backbones = frechet_backbones(real) if backbones is None else backbones
        self._levels = ("actor", "source") if redraw_actors else ("source",)
        self._drawn: dict[_Design, Redraws] = {}
        self._distances: dict[tuple[object, ...], np.ndarray] = {}

    def of(self, scores: Sequence[ClipScore]) -> dict[Measure, Cells]:
        """Estimates of one method in one setting, by metric and what it was measured with."""
        found = {}
        for metric in self._metrics:
            values = np.array([score.scores[metric] for score in scores], float)
            found[metric, backbone_of(scores, metric)] = self._means(scores, values)
        for backbone in self._backbones:
            found["fad", backbone] = self._frechet(scores, None, backbone)
        return found

    def of_differences(self, pairs: Pairs) -> dict[Measure, Cells]:
        """Estimates of differences, first minus second; what one lacks is not compared."""
        first, second = (list(side) for side in zip(*pairs, strict=True))
        found = {}
        for metric in self._metrics:
            ours, theirs = (np.array([s.scores[metric] for s in side]) for side in (first, second))
            cells = self._means(first, ours - theirs, np.where(np.isnan(ours), np.nan, theirs))
            found[metric, backbone_of([*first, *second], metric)] = cells
        for backbone in self._backbones:
            found["fad", backbone] = self._frechet(first, second, backbone)
        return found

    def _redraws(self, scores: Sequence[ClipScore]) -> Redraws:
        design = _design(scores)
        if design not in self._drawn:
            labels = np.array([[getattr(s.edit, level) for level in self._levels] for s in scores])
            seeds = np.array([score.seed for score in scores])
            self._drawn[design] = crossed_redraws(
                labels, seeds, resamples=self.settings.resamples, seed=self._seed
            )
        return self._drawn[design]

    def _means(
        self, scores: Sequence[ClipScore], values: np.ndarray, bases: np.ndarray | None = None
    ) -> Cells:
        """Cells of a mean over edits, from one value (N,) a score; NaN counts for nothing."""
        redraws, known = self._redraws(scores), np.isfinite(values)
        columns, clips, baselines = {}, {}, {}
        for emotion, rows in _by_emotion(scores, known):
            weights = redraws.weights[:, rows]
            total = weights.sum(axis=1)
            columns[emotion] = weights @ values[rows] / np.where(total > 0, total, np.nan)
            clips[emotion] = len({scores[row].edit for row in rows})
            baselines[emotion] = np.nan if bases is None else float(bases[rows].mean())
        return _cells(columns, clips, baselines, redraws)

    def _frechet(
        self, first: Sequence[ClipScore], second: Sequence[ClipScore] | None, backbone: str
    ) -> Cells:
        """Cells of distances to the real clips of the emotion, or of differences of two."""
        redraws = self._redraws(first)
        columns, clips, baselines = {}, {}, {}
        shown = np.isfinite([score.scores["face_found"] for score in first])  # as pictures
        for emotion, rows in _by_emotion(first, shown):
            target = [frechet_features(s, backbone) for s in self._real if s.emotion == emotion]
            sides = [[side[row] for row in rows] for side in (first, second) if side is not None]
            if not target or not all(_shows_faces(side, backbone) for side in sides):
                continue
            draws = min(self.settings.frechet_resamples, self.settings.resamples)
            weights = redraws.first(draws)[:, rows]
            found = []
            for side in sides:
                made_by = tuple((score.base, score.method) for score in side)
                key = (backbone, emotion, _design(first), _design(side), made_by)
                if key not in self._distances:
                    generated = [frechet_features(score.sample, backbone) for score in side]
                    self._distances[key] = frechet_distances(
                        generated, np.concatenate(target), weights
                    )
                found.append(self._distances[key])
            columns[emotion] = found[0] if second is None else found[0] - found[1]
            clips[emotion] = len({score.edit for score in sides[0]})
            baselines[emotion] = np.nan if second is None else float(found[1][0])
        return _cells(columns, clips, baselines, redraws)


_Design = tuple[tuple[Edit, int], ...]


def _design(scores: Sequence[ClipScore]) -> _Design:
    """Which edits are there of which seeds: what decides the redraws."""
    return tuple((score.edit, score.seed) for score in scores)


def _by_emotion(scores: Sequence[ClipScore], known: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    emotions = np.array([score.edit.emotion for score in scores])
    for emotion in EMOTIONS:
        rows = np.flatnonzero((emotions == emotion) & known)
        if len(rows):
            yield emotion, rows


def _shows_faces(scores: Sequence[ClipScore], backbone: str) -> bool:
    """A source without faces would change which sets are compared: no distance then."""
    frames: dict[str, int] = {}
    for score in scores:
        count = len(frechet_features(score.sample, backbone))
        frames[score.edit.source] = frames.get(score.edit.source, 0) + count
    return min(frames.values()) >= 2


def _cells(
    columns: Mapping[str, np.ndarray],
    clips: Mapping[str, int],
    baselines: Mapping[str, float],
    redraws: Redraws,
) -> Cells:
    """Cells by emotion and of their average, from the statistic (W,) of each emotion."""
    if not columns:
        return {}
    values = np.stack(list(columns.values()), axis=1)
    known = np.isfinite(values)
    counted = np.where(known.any(axis=1), known.sum(axis=1), np.nan)
    average = np.where(known, values, 0.0).sum(axis=1) / counted
    found = redraws.estimates(np.column_stack([values, average]))
    cells = {
        emotion: Cell(estimate, clips[emotion], baselines[emotion])
        for emotion, estimate in zip(columns, found, strict=False)
    }
    base = float(np.mean(list(baselines.values())))
    return cells | {AVERAGE: Cell(found[-1], sum(clips.values()), base)}
