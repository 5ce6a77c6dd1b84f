"""What the metrics see, places or speech: one definition before and after learning.

A score is that of `spfem.correlation.similarity`, here of all places of a fixed list of moments.
The descriptor is always the metric's own; before learning it is that of the initial weights of the
same seed (`untrained_metric`), so that the two bars differ in learned weights only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spfem.correlation.asccl import NEIGHBOURS, SpatialCoherence
from spfem.correlation.frames import MOMENT_GAP_FRAMES, ClipPair, FramePairs
from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import BATCH_FRAMES, Kind, PatchDescriptors, describe_patches
from spfem.errors import CorpusError, ShapeError
from spfem.statistics import area_under_curve, cluster_bootstrap, mean_of_rows


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

    `matched`, `mismatched_place`, `mismatched_speech` are (N, L); `matched_maps` and `speech_maps`
    hold, a level, the (N, H - 2, W - 2) scores by place whose means are `matched` and
    `mismatched_speech`; `clusters` (N, 2) names actor and clip pair of each row.
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
    matched frames, at least `MOMENT_GAP_FRAMES` away. `count` is rounded up to a multiple of the
    clip pairs; `visemes` holds the dominant viseme (T,) int of each clip, by clip key.

    Raises:
        CorpusError: if a clip lacks visemes, or no clip has a second viseme.
    """
    random = np.random.default_rng(seed)
    each = -(-count // len(frames.pairs))
    rows = []
    for number, pair in enumerate(frames.pairs):
        said, heard = clip_visemes(visemes, pair)
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


def clip_visemes(
    visemes: Mapping[str, np.ndarray], pair: ClipPair
) -> tuple[np.ndarray, np.ndarray]:
    """Visemes of both clips of a pair.

    Raises:
        CorpusError: if a clip lacks visemes.
    """
    missing = {pair.source, pair.target} - set(visemes)
    if missing:
        raise CorpusError(f"no visemes for clip {min(missing)}; give the truth of every clip")
    return visemes[pair.source], visemes[pair.target]


def score_similarity(
    model: SpatialCoherence,
    frames: FramePairs,
    comparisons: list[Comparison],
    *,
    batch_size: int = 8,
) -> SimilarityScores:
    """Score every comparison at every place that has 8 neighbours.

    The model is in evaluation mode; `batch_size` comparisons are looked at at a time.
    """
    device = next(model.parameters()).device

    def describe(moments: list[tuple[str, int]]) -> list[PatchDescriptors]:
        images = np.stack([frames.faces[clip][frame] for clip, frame in moments])
        return describe_patches(model, images_from_frames(images, device))

    scored: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = []
    for first in range(0, len(comparisons), batch_size):
        rows = [(frames.pairs[row.pair], row) for row in comparisons[first : first + batch_size]]
        query = describe([(pair.source, row.source_frame) for pair, row in rows])
        key = describe([(pair.target, row.target_frame) for pair, row in rows])
        other = describe([(pair.target, row.other_frame) for pair, row in rows])
        scored.append(
            [
                (_same_place(one, two), _same_place(one, three), _other_places(one, two))
                for one, two, three in zip(query, key, other, strict=True)
            ]
        )
    levels = [
        [np.concatenate(parts) for parts in zip(*level, strict=True)]
        for level in zip(*scored, strict=True)
    ]
    return similarity_scores(levels, [frames.pairs[row.pair] for row in comparisons])


def similarity_scores(
    levels: Sequence[Sequence[np.ndarray]], pairs: Sequence[ClipPair]
) -> SimilarityScores:
    """Scores of N comparisons of clip pairs (N).

    Of each level are given the matched and the mismatched-speech scores (N, H - 2, W - 2) by place,
    and the mismatched-place scores (N,).
    """
    matched, speech, places = zip(*levels, strict=True)
    return SimilarityScores(
        matched=np.stack([scores.mean(axis=(1, 2)) for scores in matched], axis=1),
        mismatched_place=np.stack(places, axis=1),
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
) -> list[dict[str, Any]]:
    """Rows `metric, state, split, quantity, value, ci_low, ci_high, seeds` of the similarity table.

    A value is the mean over seeds (one entry of `scores` each), levels and comparisons;
    `speech_auc` is the chance that the score of a matched comparison exceeds that of a
    mismatched-speech one, over all comparisons, mean over seeds. Intervals: bootstrap clustered by
    actor and clip pair.

    Raises:
        ShapeError: if the seeds were scored on different comparisons.
    """
    clusters = scores[0].clusters
    if any(not np.array_equal(other.clusters, clusters) for other in scores):
        raise ShapeError("all seeds must be scored on the same comparisons")
    columns = quantity_columns(scores)
    rows = []
    for quantity in QUANTITIES:
        interval = cluster_bootstrap(
            columns[quantity],
            clusters,
            statistic=statistic_of(quantity),
            resamples=resamples,
            confidence=confidence,
            seed=0,
        )
        names = {"metric": metric, "state": state, "split": split, "quantity": quantity}
        bounds = {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}
        rows.append({**names, **bounds, "seeds": len(scores)})
    return rows


def quantity_columns(scores: Sequence[SimilarityScores]) -> dict[str, np.ndarray]:
    """What each quantity is computed from, mean over levels, of one entry a seed.

    Scores (N, seeds), for `speech_auc` (N, seeds, 2).
    """
    columns = {
        name: np.stack([getattr(each, name).mean(axis=1) for each in scores], axis=1)
        for name in QUANTITIES[:3]
    }
    columns["speech_auc"] = np.stack([columns["matched"], columns["mismatched_speech"]], axis=2)
    return columns


def statistic_of(quantity: str) -> Callable[[np.ndarray], float]:
    """How the column of a quantity becomes its value."""
    return _mean_auc if quantity == "speech_auc" else mean_of_rows


def _mean_auc(values: np.ndarray) -> float:
    """Mean over seeds of the AUC of scores (N, seeds, 2)."""
    return float(np.mean([area_under_curve(*seed.T) for seed in values.swapaxes(0, 1)]))


def moment_similarity(
    model: SpatialCoherence,
    first: np.ndarray,
    second: np.ndarray,
    region: tuple[slice, slice],
    level: int,
    kind: Kind = "learned",
) -> np.ndarray:
    """Similarity (T, U) of every frame of one clip to every frame of another, over a region.

    The clips are aligned faces (T, S, S, 3) and (U, S, S, 3) uint8 RGB; the mean goes over the
    places of `region`, rows and columns of the level's feature map, and their 8 neighbours. Places
    without neighbours are left out. The metric is in evaluation mode; for `kind` see
    `describe_patches`.

    Raises:
        ShapeError: if the region holds no place with 8 neighbours.
    """
    device = next(model.parameters()).device
    sides = []
    for frames in (first, second):
        parts = []
        for start in range(0, len(frames), BATCH_FRAMES):
            images = images_from_frames(frames[start : start + BATCH_FRAMES], device)
            described = describe_patches(model, images, kind)[level]
            # Descriptors begin at row and column 1 of the map, the first place with neighbours.
            rows, columns = (
                [at - 1 for at in range(*part.indices(side)) if 1 <= at <= side - 2]
                for part, side in zip(region, described.map_shape, strict=True)
            )
            parts.append(described.values[:, :, :, rows][..., columns].flatten(2).cpu().numpy())
        sides.append(np.concatenate(parts))
    places = sides[0].shape[2]
    if not places:
        raise ShapeError(f"region {region} of level {level} holds no place with 8 neighbours")
    return np.einsum("tcp,ucp->tu", *sides, optimize=True) / places


def mouth_region(side: int) -> tuple[slice, slice]:
    """Rows and columns of the mouth on a feature map of `side` over an aligned face."""
    return (
        slice(round(0.62 * side), round(0.86 * side)),
        slice(round(0.33 * side), round(0.67 * side)),
    )
