"""Where in a photo a metric asks for a change: the size of its gradient over the face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from spfem.correlation.frame_pairs import FramePairs
from spfem.correlation.preprocess import images_from_frames
from spfem.correlation.similarity import Comparison
from spfem.errors import ShapeError
from spfem.face.landmark_sets import OUTER_LIPS
from spfem.face.track_file import FaceTrack
from spfem.settings import EvaluationSettings
from spfem.statistics import cluster_bootstrap

DRAWS = 8  # of random places, over which a map is averaged
MARGIN = 0.25  # of the mouth region around the lips, as a share of their box

ImageLoss = Callable[[Tensor, Tensor], Tensor]
"""Scalar loss of generated and source images (B, 3, S, S) RGB in [-1, 1]."""


def gradient_maps(
    loss: ImageLoss, generated: np.ndarray, source: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """Size of the gradient of the loss at every pixel of the generated frames.

    Args:
        loss: of images; its random places are drawn from `seed`.
        generated: frames (B, S, S, 3) uint8 RGB.
        source: likewise.
        draws: gradients that are summed before the size is taken.
        seed: of the places.

    Returns:
        (B, S, S) float32, each map with sum 1; zero where the loss gives no gradient.

    Raises:
        ShapeError: if the loss gives no gradient to `generated`.
    """
    images = images_from_frames(generated).requires_grad_()
    real = images_from_frames(source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(draws):
            loss(images, real).backward()
    if images.grad is None:
        raise ShapeError("the loss gives no gradient to the generated images")
    sizes = images.grad.norm(dim=1)
    return (sizes / sizes.sum(dim=(1, 2), keepdim=True).clamp(min=1e-30)).numpy()


def mouth_region(track: FaceTrack, frame: int) -> np.ndarray:
    """Box around the lips of an aligned face, with a margin, (S, S) bool."""
    matrix = track.align[frame]
    lips = track.landmarks[frame, list(OUTER_LIPS), :2] @ matrix[:, :2].T + matrix[:, 2]
    low, high = lips.min(axis=0), lips.max(axis=0)
    margin = MARGIN * (high - low)
    places = np.arange(track.faces.shape[1]) + 0.5
    columns, rows = (
        (places >= low[axis] - margin[axis]) & (places <= high[axis] + margin[axis])
        for axis in (0, 1)
    )
    return rows[:, None] & columns


def measure_gradient_shares(
    faces: Mapping[str, FaceTrack],
    frames: FramePairs,
    comparisons: Sequence[Comparison],
    losses: Mapping[str, ImageLoss],
    settings: EvaluationSettings,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Share of the gradient that falls on the mouth when only the mouth is wrong.

    Generated is the frame of another moment of the emotional clip, source the neutral frame.

    Args:
        faces: tracks by clip key.
        frames: clip pairs that the comparisons point into.
        comparisons: frames (i, other) do not say the same.
        losses: by name of the metric.
        settings: of the interval.

    Returns:
        Rows `metric, share, ci_low, ci_high, area, moments` (`area` is the mouth's share of the
        pixels, the share of a gradient that is the same everywhere), and the mean map (S, S) of
        each metric.
    """
    pairs = [frames.pairs[row.pair] for row in comparisons]
    shown = [(pair.target, row.other_frame) for pair, row in zip(pairs, comparisons, strict=True)]
    source = np.stack(
        [
            faces[pair.source].faces[row.source_frame]
            for pair, row in zip(pairs, comparisons, strict=True)
        ]
    )
    generated = np.stack([faces[key].faces[frame] for key, frame in shown])
    regions = np.stack([mouth_region(faces[key], frame) for key, frame in shown])
    clusters = np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs])
    rows, maps = [], {}
    for name, loss in losses.items():
        found = gradient_maps(loss, generated, source)
        interval = cluster_bootstrap(
            (found * regions).sum(axis=(1, 2)),
            clusters,
            resamples=settings.resamples,
            confidence=settings.confidence,
            seed=0,
        )
        maps[name] = found.mean(axis=0)
        rows.append(
            {
                "metric": name,
                "share": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "area": float(regions.mean()),
                "moments": len(found),
            }
        )
    return pd.DataFrame(rows), maps
