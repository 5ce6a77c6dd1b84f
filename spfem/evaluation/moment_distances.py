"""Distances of sound and of expression between all moments of two clips: SCMCL."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.samples import FrameTable, slice_audio
from spfem.evaluation.retrieval_views import distance_matrix
from spfem.pairing.index import Pair
from spfem.settings import CrossModalSettings


class SpokenClip(Protocol):
    """A clip of T frames, `fps` a second: sound (A,) in [-1, 1], and face units (T, E)."""

    waveform: np.ndarray
    sample_rate: int
    expression: np.ndarray
    fps: float


def moment_distances(
    metric: CrossModalCoherence, first: SpokenClip, second: SpokenClip, path: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (T, U) of sound and of expression; NaN where a clip's sound has ended.

    Those of expression are in the units of sound. `path` (N, 2) says which frames belong together.
    """
    parts = [_signals(clip, metric.settings) for clip in (first, second)]
    lengths = [len(audio) for audio, _ in parts]
    table = FrameTable(
        keys=("first", "second"),
        starts=np.cumsum([0, *lengths]),
        found=np.ones(sum(lengths), bool),
        signals={
            "audio": np.concatenate([audio for audio, _ in parts]),
            "expression": np.concatenate([expression for _, expression in parts]),
        },
    )
    keys = Pair("first", "second", path, normalised_cost=0.0, usable=True)
    shape = (len(first.expression), len(second.expression))
    sound, expression = (np.full(shape, np.nan, np.float32) for _ in range(2))
    for whole, modality in ((sound, "audio"), (expression, "expression")):
        whole[: lengths[0], : lengths[1]] = distance_matrix(metric, table, keys, modality)
    return sound, expression


def _signals(clip: SpokenClip, settings: CrossModalSettings) -> tuple[np.ndarray, np.ndarray]:
    """Slices of sound (n, A) and face units (n, E) of the n frames that have both."""
    if round(clip.fps) == settings.fps:
        slices = slice_audio(clip.waveform, settings)
    else:  # slices of the length that was learned, at the clip's own frames
        starts = (np.arange(len(clip.expression)) * clip.sample_rate / clip.fps).astype(int)
        starts = starts[starts + settings.frame_samples <= len(clip.waveform)]
        slices = clip.waveform[starts[:, None] + np.arange(settings.frame_samples)]
    length = min(len(slices), len(clip.expression))
    return slices[:length], clip.expression[:length].astype(np.float32)
