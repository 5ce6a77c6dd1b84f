"""How far apart all moments of two clips are, by what is heard and by how the face moves."""

from __future__ import annotations

import numpy as np
import torch

from spfem.correlation.frames import AlignedClips
from spfem.correlation.learn_sound import embed_runs
from spfem.correlation.scmcl import CrossModalCoherence, pairwise_distances
from spfem.correlation.sound import FrameTable, slice_audio
from spfem.errors import SettingsError
from spfem.explore.clips import ExploredClip
from spfem.pairing.pairs import Pair
from spfem.settings import CrossModalSettings


@torch.no_grad()
def distance_matrix(
    metric: CrossModalCoherence, table: FrameTable, pair: AlignedClips, modality: str
) -> np.ndarray:
    """Distances (T, U) of all moments of a pair's clips; those of vision in units of sound.

    Args:
        metric: in evaluation mode.
        table: holds the frames of both clips.
        pair: neutral clip and clip in another emotion.
        modality: `audio` or the metric's visual one.
    """
    sides = [
        embed_runs(metric, table, modality, table.runs(table.rows(key), metric.settings.frames))
        for key in (pair.source, pair.target)
    ]
    distances = pairwise_distances(sides[0], sides[1])
    if modality != "audio":
        distances = metric.scale_layer(distances)
    return distances.numpy()


def moment_distances(
    metric: CrossModalCoherence, first: ExploredClip, second: ExploredClip, path: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (T, U) of sound and of expression; NaN where a clip's sound has ended.

    Those of expression are in the units of sound. `path` (N, 2) says which frames belong together.

    Raises:
        SettingsError: if the face units of a clip are not known.
    """
    signals = [_signals(clip, metric.settings) for clip in (first, second)]
    lengths = [len(audio) for audio, _ in signals]
    audio, expression = (np.concatenate(parts) for parts in zip(*signals, strict=True))
    table = FrameTable(
        keys=("first", "second"),
        starts=np.cumsum([0, *lengths]),
        found=np.ones(sum(lengths), bool),
        signals={"audio": audio, "expression": expression},
    )
    keys = Pair("first", "second", path, normalised_cost=0.0, usable=True)
    shape = (len(first.faces), len(second.faces))
    of_sound, of_expression = (np.full(shape, np.nan, np.float32) for _ in range(2))
    for whole, modality in ((of_sound, "audio"), (of_expression, "expression")):
        whole[: lengths[0], : lengths[1]] = distance_matrix(metric, table, keys, modality)
    return of_sound, of_expression


def _signals(clip: ExploredClip, settings: CrossModalSettings) -> tuple[np.ndarray, np.ndarray]:
    """Slices of sound (n, A) and face units (n, E) of the n frames that have both."""
    if clip.expression is None:
        raise SettingsError(f"the face units of {clip.title} are not known; choose another metric")
    if round(clip.fps) == settings.fps:
        slices = slice_audio(clip.waveform, settings)
    else:  # slices of the length that was learned, at the clip's own frames
        starts = (np.arange(len(clip.expression)) * clip.sample_rate / clip.fps).astype(int)
        starts = starts[starts + settings.frame_samples <= len(clip.waveform)]
        slices = clip.waveform[starts[:, None] + np.arange(settings.frame_samples)]
    length = min(len(slices), len(clip.expression))
    return slices[:length], clip.expression[:length].astype(np.float32)
