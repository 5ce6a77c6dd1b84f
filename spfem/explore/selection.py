"""What the explorer shows at a moment, and the names of the metrics."""

from __future__ import annotations

from dataclasses import dataclass

METRIC_TITLES: dict[str, str] = {
    "raw": "raw features",
    "spatial_before": "ASCCL before learning",
    "spatial": "ASCCL",
    "spatial_speech": "ASCCL with speech negatives (ours)",
    "temporal_vd": "STCCL, visual disparity",
    "temporal_cm": "STCCL, correlation matrices",
    "audio_visual": "SCMCL, sound and expression",
}
"""Metrics in the order in which they are offered, with the names that readers see."""


@dataclass(frozen=True)
class Selection:
    """One state of the explorer.

    Attributes:
        source: name of a corpus, or "own clips".
        actor: who speaks.
        sentence: what is said.
        first_emotion: of the first clip.
        second_emotion: of the second clip.
        frame: of the first clip, from 0.
        mismatch_frames: from the matched to the mismatched moment, in frames of the second clip.
        metric: a key of `METRIC_TITLES`.
        level: of the metric, 0 is the finest.
        row: of the place on the level's map, 1 .. H - 2; of metrics with places.
        column: likewise, 1 .. W - 2.
        temperature: None shows similarity s; else probability, exp(s / temperature) over its sum
            over places.
        threshold: places whose value is below are blanked; -1 shows all.
        show_weights: whether disparity weights lie over the first face.
    """

    source: str
    actor: str
    sentence: str
    first_emotion: str
    second_emotion: str
    frame: int
    mismatch_frames: int
    metric: str
    level: int
    row: int
    column: int
    temperature: float | None = None
    threshold: float = -1.0
    show_weights: bool = False
