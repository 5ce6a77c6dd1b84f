"""Small clips with planted mouths, and metrics with random weights, for the explorer's tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from spfem.correlation import SpatialCoherence, TemporalCoherence
from spfem.correlation.learn_sound import initial_joint
from spfem.explore.clips import ClipSource, ExploredClip, ExploredPair
from spfem.explore.explorer import CorrelationExplorer
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings
from tests.correlation.planted import draw_face

SPATIAL = SpatialSettings(image_size=32, widths=(16, 32), blocks=(1, 1), centres=(8, 4))
TEMPORAL = TemporalSettings(spatial=SPATIAL, places=(8, 4), window_frames=5)
CROSS_MODAL = CrossModalSettings(
    width=16, layers=4, doublings=(1,), image_width=16, embedding=16, heads=2, fps=25
)
SAID = {
    "neutral": [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 1, 1, 2, 2],
    "happy": [0, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0, 1, 1, 2],
    "sad": [0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 2, 2],
}
SPOKEN = {("A", "one"): tuple(SAID), ("A", "two"): tuple(SAID), ("B", "two"): ("happy", "sad")}


def made_clip(emotion: str, side: int = 40, *, expression: bool = True) -> ExploredClip:
    random = np.random.default_rng(len(emotion))
    said = SAID[emotion]
    faces = np.stack([draw_face(viseme, int(emotion != "neutral"), 0, side) for viseme in said])
    noise = random.integers(-9, 10, faces.shape)
    return ExploredClip(
        title=f"made up, {emotion}",
        emotion=emotion,
        faces=np.clip(faces + noise, 0, 255).astype(np.uint8),
        waveform=random.uniform(-0.5, 0.5, len(said) * 640).astype(np.float32),
        sample_rate=16000,
        fps=25.0,
        visemes=tuple(f"v{viseme}" for viseme in said),
        expression=random.random((len(said), 52)).astype(np.float32) if expression else None,
    )


def made_source(spoken=SPOKEN, read=None, **options) -> ClipSource:
    """Frames are matched in proportion to the lengths; the pairs read are put into `read`."""

    def read_pair(actor, sentence, first, second):
        clips = made_clip(first, **options), made_clip(second, **options)
        lengths = [len(clip.faces) for clip in clips]
        steps = np.arange(max(lengths))
        path = np.stack([steps * length // max(lengths) for length in lengths], axis=1)
        if read is not None:
            read.append((actor, sentence, first, second))
        return ExploredPair(*clips, path)

    return ClipSource(spoken, read_pair)


def made_metrics():
    """Metrics with weights of a seed, frozen; heads and features differ from place to place."""
    torch.manual_seed(0)
    spatial, before = (SpatialCoherence(SPATIAL).supervise() for _ in range(2))
    vd, cm = (
        TemporalCoherence(replace(TEMPORAL, formulation=formulation)).supervise()
        for formulation in ("vd", "cm")
    )
    for metric in (spatial, before, vd, cm):  # else all places are alike before learning
        for layer in metric.mlp:
            if isinstance(layer, torch.nn.Linear):
                layer.bias.data.zero_()
    cross = initial_joint(CROSS_MODAL, "expression", 0).supervise()
    return {
        "raw": spatial,
        "spatial_before": before,
        "spatial": spatial,
        "temporal_vd": vd,
        "temporal_cm": cm,
        "audio_visual": cross,
    }


def made_explorer(metrics=None, source=None, **options) -> CorrelationExplorer:
    metrics = made_metrics() if metrics is None else metrics
    loaders = {name: (lambda metric=metric: metric) for name, metric in metrics.items()}
    return CorrelationExplorer({"made up": source or made_source()}, loaders, **options)
