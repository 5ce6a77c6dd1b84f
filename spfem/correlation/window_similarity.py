"""What a metric on windows sees: places, or speech? As `similarity`, of windows.

The three scores are those of single frames carried over: a comparison is a window of two
emotions at the same steps of their path, and a window of the second emotion around another
moment, at which something else is said. Rows of held frames do not count. Of the joint metrics
a score is the mean of the temporal part and of the spatial part at the windows' middle frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.dense_windows import PlaceScores, spatial_scores, temporal_scores
from spfem.correlation.preprocess import images_from_frames, prepare_images
from spfem.correlation.similarity import MOMENT_GAP_FRAMES, SimilarityScores
from spfem.correlation.spatial_temporal import SpatialTemporalCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.windows import FrameWindows, held_steps
from spfem.errors import CorpusError


@dataclass(frozen=True)
class WindowChoice:
    """One row of the evaluation list: path entries at which two windows of a clip pair start."""

    pair: int
    start: int
    other_start: int


def list_window_comparisons(
    windows: FrameWindows, visemes: Mapping[str, np.ndarray], count: int, *, seed: int
) -> list[WindowChoice]:
    """Draw a fixed evaluation list, the same number of entries from each clip pair.

    At the middle of the other window a viseme is said that differs from those of both matched
    middle frames, at least `MOMENT_GAP_FRAMES` away. Windows in which every step is held in
    either branch are left out.

    Args:
        windows: of the clip pairs.
        visemes: dominant viseme (T,) int of each clip, by clip key.
        count: wanted number of comparisons; rounded up to a multiple of the clip pairs.
        seed: of the draw.

    Raises:
        CorpusError: if a clip lacks visemes, or no clip has a second viseme.
    """
    random = np.random.default_rng(seed)
    each = -(-count // len(windows.frames.pairs))
    chosen = []
    for number, (pair, starts) in enumerate(zip(windows.frames.pairs, windows.starts, strict=True)):
        missing = {pair.source, pair.target} - set(visemes)
        if missing:
            raise CorpusError(f"no visemes for clip {min(missing)}; give the truth of every clip")
        entries = _entries(pair.path, starts, windows.window_frames)  # (N, T, 2)
        held = [held_steps(entry) for entry in entries]
        middle = entries[:, windows.window_frames // 2]
        said, heard = visemes[pair.source][middle[:, 0]], visemes[pair.target][middle[:, 1]]
        taken = 0
        for row in random.permutation(len(starts)):
            away = np.abs(middle[:, 1] - middle[row, 1]) >= MOMENT_GAP_FRAMES
            others = [
                other
                for other in np.flatnonzero(away & (heard != heard[row]) & (heard != said[row]))
                if not (held[row][:, 0] | held[other][:, 1]).all()
            ]
            if others and not held[row].any(axis=1).all():
                other = int(random.choice(others))
                chosen.append(WindowChoice(number, int(starts[row]), int(starts[other])))
                taken += 1
            if taken == each:
                break
    if not chosen:
        raise CorpusError("no clip pair has two moments with different visemes to compare")
    return chosen


@torch.no_grad()
def score_window_similarity(
    model: TemporalCoherence, windows: FrameWindows, comparisons: Sequence[WindowChoice]
) -> SimilarityScores:
    """Score every comparison at every place that has 8 neighbours.

    Each distinct frame of a clip pair passes the backbone once.

    Args:
        model: the metric in evaluation mode.
        windows: that the comparisons point into.
        comparisons: the evaluation list, rows of a clip pair side by side.
    """
    scored: list[list[PlaceScores]] = []
    for number, group in groupby(comparisons, key=lambda row: row.pair):
        scored.append(_score_pair(model, windows, number, list(group)))
    levels = list(zip(*scored, strict=True))  # a level: one entry a clip pair
    matched, speech, places = (
        [torch.cat([getattr(part, name) for part in level]).cpu().numpy() for level in levels]
        for name in ("matched", "mismatched_speech", "mismatched_place")
    )
    pairs = [windows.frames.pairs[row.pair] for row in comparisons]
    return SimilarityScores(
        matched=np.stack([scores.mean(axis=(1, 2)) for scores in matched], axis=1),
        mismatched_place=np.stack(places, axis=1),
        mismatched_speech=np.stack([scores.mean(axis=(1, 2)) for scores in speech], axis=1),
        matched_maps=tuple(matched),
        speech_maps=tuple(speech),
        clusters=np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs]),
    )


def _score_pair(
    model: TemporalCoherence, windows: FrameWindows, number: int, rows: Sequence[WindowChoice]
) -> list[PlaceScores]:
    """Scores of the comparisons of one clip pair, one entry a level."""
    pair, faces = windows.frames.pairs[number], windows.frames.faces
    first, second = (
        _entries(pair.path, np.array([getattr(row, name) for row in rows]), windows.window_frames)
        for name in ("start", "other_start")
    )
    matched = np.stack([held_steps(entries) for entries in first])
    others = np.stack([held_steps(entries) for entries in second])
    device = next(model.parameters()).device
    held_matched = torch.from_numpy(matched).to(device)
    held_speech = torch.from_numpy(np.stack([matched[..., 0], others[..., 1]], axis=2)).to(device)
    query_maps, query_at = _maps(model, faces[pair.source], first[..., 0])
    heard = np.concatenate([first[..., 1], second[..., 1]])
    key_maps, key_at = _maps(model, faces[pair.target], heard)
    key_at, other_at = key_at[: len(rows)], key_at[len(rows) :]
    middle = windows.window_frames // 2
    levels = []
    for level, (query, key) in enumerate(zip(query_maps, key_maps, strict=True)):
        scores = temporal_scores(
            model, level, query[query_at], key[key_at], key[other_at], held_matched, held_speech
        )
        if isinstance(model, SpatialTemporalCoherence):
            at = [index[:, middle] for index in (query_at, key_at, other_at)]
            spatial = spatial_scores(model, level, query[at[0]], key[at[1]], key[at[2]])
            scores = scores.mean_with(spatial)
        levels.append(scores)
    return levels


def _maps(
    model: TemporalCoherence, faces: np.ndarray, wanted: np.ndarray
) -> tuple[list[Tensor], Tensor]:
    """Feature maps of the distinct frames among `wanted` (B, T), and where each is found."""
    device = next(model.parameters()).device
    distinct, index = np.unique(wanted, return_inverse=True)
    images = images_from_frames(faces[distinct], device)
    maps = model.resnet50(prepare_images(images, model.settings.spatial.image_size))
    return maps, torch.from_numpy(index.reshape(wanted.shape)).to(device)


def _entries(path: np.ndarray, starts: np.ndarray, window_frames: int) -> np.ndarray:
    """Path entries (N, T, 2) of windows that start at `starts` (N,)."""
    return path[starts[:, None] + np.arange(window_frames)]
