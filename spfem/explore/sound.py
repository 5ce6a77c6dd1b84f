"""Distances of sound and of expression between all moments of two clips: SCMCL."""

from __future__ import annotations

import numpy as np

from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.samples import FrameTable, slice_audio
from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.pairing.index import Pair
from spfem.settings import CrossModalSettings


def pair_distances(
    metric: CrossModalCoherence, pair: ExploredPair
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (T, U) of sound and of expression; NaN where a clip's sound has ended.

    Those of expression are in the units of sound.
    """
    from spfem.evaluation.retrieval_views import distance_matrix

    clips = (pair.first, pair.second)
    parts = [_signals(clip, metric.settings) for clip in clips]
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
    keys = Pair("first", "second", pair.path, normalised_cost=0.0, usable=True)
    shape = tuple(len(clip.faces) for clip in clips)
    sound, expression = (np.full(shape, np.nan, np.float32) for _ in range(2))
    for whole, modality in ((sound, "audio"), (expression, "expression")):
        whole[: lengths[0], : lengths[1]] = distance_matrix(metric, table, keys, modality)
    return sound, expression


def _signals(clip: ExploredClip, settings: CrossModalSettings) -> tuple[np.ndarray, np.ndarray]:
    """Slices of sound (n, A) and face units (n, E) of the n frames that have both."""
    assert clip.expression is not None  # such clips are not offered this metric
    if round(clip.fps) == settings.fps:
        slices = slice_audio(clip.waveform, settings)
    else:  # slices of the length that was learned, at the clip's own frames
        starts = (np.arange(len(clip.faces)) * clip.sample_rate / clip.fps).astype(int)
        starts = starts[starts + settings.frame_samples <= len(clip.waveform)]
        slices = clip.waveform[starts[:, None] + np.arange(settings.frame_samples)]
    length = min(len(slices), len(clip.expression))
    return slices[:length], clip.expression[:length].astype(np.float32)
