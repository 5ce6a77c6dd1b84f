"""What the spatial metric sees: places, or speech? One definition before and after learning.

A score is the mean cosine, over channels, of unit descriptors. The descriptor is always the
metric's own, differences through the heads; before learning it is that of the initial weights of
the same seed (`untrained_metric`), so that the two bars differ in learned weights only.
`kind="raw"` scores the differences themselves, without heads.

The rows of `similarity.csv`: four quantities with intervals, before and after learning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spfem.correlation.asccl import NEIGHBOURS, SpatialCoherence
from spfem.correlation.frames import FramePairs
from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import Kind, PatchDescriptors, describe_patches
from spfem.errors import CorpusError, ShapeError
from spfem.statistics import area_under_curve, cluster_bootstrap, mean_of_rows

MOMENT_GAP_FRAMES = 3  # another moment is at least this far away, since neighbours look alike


@dataclass(frozen=True)
class Comparison:
    """One row of the evaluation list: frames (i, j) say the same, (i, other) do not."""

    pair: int
    source_frame: int
    target_frame: int
    other_frame: int


@dataclass(frozen=True)
class SimilarityScores:
    """Scores of N comparisons at L levels.

    `matched`, `mismatched_place`, `mismatched_speech` are (N, L); `matched_maps` and
    `speech_maps` hold, a level, the (N, H - 2, W - 2) scores by place whose means are `matched`
    and `mismatched_speech`; `clusters` (N, 2) names actor and clip pair of each row.
    """

    matched: np.ndarray
    mismatched_place: np.ndarray
    mismatched_speech: np.ndarray
    matched_maps: tuple[np.ndarray, ...]
    speech_maps: tuple[np.ndarray, ...]
    clusters: np.ndarray


def list_comparisons(
    frames: FramePairs, visemes: Mapping[str, np.ndarray], count: int, *, seed: int
) -> list[Comparison]:
    """Draw a fixed evaluation list, the same number of entries from each clip pair.

    The other moment is a frame of the same emotion clip whose viseme differs from that of both
    matched frames, at least `MOMENT_GAP_FRAMES` away.

    Args:
        frames: clip pairs.
        visemes: dominant viseme (T,) int of each clip, by clip key.
        count: wanted number of comparisons; rounded up to a multiple of the clip pairs.
        seed: of the draw.

    Raises:
        CorpusError: if a clip lacks visemes, or no clip has a second viseme.
    """
    random = np.random.default_rng(seed)
    each = -(-count // len(frames.pairs))
    rows = []
    for number, pair in enumerate(frames.pairs):
        missing = {pair.source, pair.target} - set(visemes)
        if missing:
            raise CorpusError(f"no visemes for clip {min(missing)}; give the truth of every clip")
        said, heard = visemes[pair.source], visemes[pair.target]
        moments = np.unique(pair.path[:, 1])
        taken = 0
        for entry in random.permutation(len(pair.path)):
            i, j = (int(index) for index in pair.path[entry])
            away = np.abs(moments - j) >= MOMENT_GAP_FRAMES
            others = moments[away & (heard[moments] != heard[j]) & (heard[moments] != said[i])]
            if len(others):
                rows.append(Comparison(number, i, j, int(random.choice(others))))
                taken += 1
            if taken == each:
                break
    if not rows:
        raise CorpusError("no clip pair has two moments with different visemes to compare")
    return rows


def score_similarity(
    model: SpatialCoherence,
    frames: FramePairs,
    comparisons: list[Comparison],
    *,
    kind: Kind = "learned",
    batch_size: int = 8,
) -> SimilarityScores:
    """Score every comparison at every place that has 8 neighbours.

    Args:
        model: the metric in evaluation mode.
        frames: clip pairs that the comparisons point into.
        comparisons: the evaluation list.
        kind: of descriptor.
        batch_size: comparisons at a time.
    """
    device = next(model.parameters()).device
    matched_maps: list[list[np.ndarray]] = []
    speech_maps: list[list[np.ndarray]] = []
    places: list[np.ndarray] = []
    for first in range(0, len(comparisons), batch_size):
        rows = comparisons[first : first + batch_size]
        clips = [frames.pairs[row.pair] for row in rows]
        three = (
            [(clip.source, row.source_frame) for clip, row in zip(clips, rows, strict=True)],
            [(clip.target, row.target_frame) for clip, row in zip(clips, rows, strict=True)],
            [(clip.target, row.other_frame) for clip, row in zip(clips, rows, strict=True)],
        )
        query, key, other = (
            describe_patches(
                model,
                images_from_frames(np.stack([frames.faces[c][t] for c, t in chosen]), device),
                kind,
            )
            for chosen in three
        )
        levels = range(len(query))
        matched_maps.append([_same_place(query[level], key[level]) for level in levels])
        speech_maps.append([_same_place(query[level], other[level]) for level in levels])
        places.append(np.stack([_other_places(query[n], key[n]) for n in levels], axis=1))
    matched = tuple(np.concatenate(parts) for parts in zip(*matched_maps, strict=True))
    speech = tuple(np.concatenate(parts) for parts in zip(*speech_maps, strict=True))
    pairs = [frames.pairs[row.pair] for row in comparisons]
    return SimilarityScores(
        matched=np.stack([scores.mean(axis=(1, 2)) for scores in matched], axis=1),
        mismatched_place=np.concatenate(places),
        mismatched_speech=np.stack([scores.mean(axis=(1, 2)) for scores in speech], axis=1),
        matched_maps=matched,
        speech_maps=speech,
        clusters=np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs]),
    )


def _same_place(query: PatchDescriptors, key: PatchDescriptors) -> np.ndarray:
    """(B, H - 2, W - 2): cosine at the same place, mean over the 8 neighbours."""
    return (query.values * key.values).sum(dim=1).mean(dim=1).cpu().numpy()


def _other_places(query: PatchDescriptors, key: PatchDescriptors) -> np.ndarray:
    """(B,): mean cosine over all pairs of different places and any neighbours (exact)."""
    by_place = [described.values.sum(dim=2).double() for described in (query, key)]
    everywhere = (by_place[0].sum(dim=(2, 3)) * by_place[1].sum(dim=(2, 3))).sum(dim=1)
    same_place = (by_place[0] * by_place[1]).sum(dim=(1, 2, 3))
    places = query.values.shape[3] * query.values.shape[4]
    total = NEIGHBOURS**2 * places * (places - 1)
    return ((everywhere - same_place) / total).cpu().numpy()


QUANTITIES: tuple[str, ...] = ("matched", "mismatched_place", "mismatched_speech", "speech_auc")


def similarity_rows(
    scores: Sequence[SimilarityScores],
    *,
    metric: str,
    state: str,
    split: str,
    resamples: int,
    confidence: float,
    seed: int = 0,
    level: int | None = None,
) -> list[dict[str, Any]]:
    """One row a quantity: mean over seeds, levels and comparisons.

    `speech_auc` is the chance that the score of a matched comparison exceeds that of a
    mismatched-speech one, over all comparisons, mean over seeds. Intervals: bootstrap clustered by
    actor and clip pair.

    Args:
        scores: of the same comparisons, one entry a seed of learning.
        metric: name for the table, as `state` and `split`.
        state: `before` or `after`.
        split: `train` or `held_out`.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the bootstrap.
        level: one level only; default the mean over levels.

    Returns:
        Rows with `metric, state, split, quantity, value, ci_low, ci_high, seeds`.

    Raises:
        ShapeError: if the seeds were scored on different comparisons.
    """
    clusters = scores[0].clusters
    if any(not np.array_equal(other.clusters, clusters) for other in scores):
        raise ShapeError("all seeds must be scored on the same comparisons")
    columns = quantity_columns(scores, level=level)
    rows = []
    for quantity in QUANTITIES:
        interval = cluster_bootstrap(
            columns[quantity],
            clusters,
            statistic=statistic_of(quantity),
            resamples=resamples,
            confidence=confidence,
            seed=seed,
        )
        rows.append(
            {
                "metric": metric,
                "state": state,
                "split": split,
                "quantity": quantity,
                "value": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "seeds": len(scores),
            }
        )
    return rows


def quantity_columns(
    scores: Sequence[SimilarityScores], *, level: int | None = None
) -> dict[str, np.ndarray]:
    """What each quantity is computed from: scores (N, seeds), for `speech_auc` (N, seeds, 2).

    Args:
        scores: of the same comparisons, one entry a seed.
        level: one level only; default the mean over levels.
    """
    taken = slice(None) if level is None else slice(level, level + 1)
    columns = {
        name: np.stack([getattr(each, name)[:, taken].mean(axis=1) for each in scores], axis=1)
        for name in QUANTITIES[:3]
    }
    columns["speech_auc"] = np.stack([columns["matched"], columns["mismatched_speech"]], axis=2)
    return columns


def statistic_of(quantity: str) -> Callable[[np.ndarray], float]:
    """How the column of a quantity becomes its value."""
    return _mean_auc if quantity == "speech_auc" else mean_of_rows


def _mean_auc(values: np.ndarray) -> float:
    """Mean over seeds of the AUC of scores (N, seeds, 2)."""
    return float(
        np.mean(
            [area_under_curve(values[:, n, 0], values[:, n, 1]) for n in range(values.shape[1])]
        )
    )
