"""Planted degradations: what every metric must notice, and what it must not.

Each is done to the true counterparts of edits, so that nothing but the damage differs from a
perfect result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spfem.corpus.protocol import Edit
from spfem.evaluation.emotion_means import emotion_means
from spfem.evaluation.frechet import frechet_distance
from spfem.evaluation.frechet_of_edits import BLENDSHAPES, frechet_backbones, frechet_features
from spfem.evaluation.resampling import interval_of, redraw_counts
from spfem.evaluation.results_schema import HIGHER_IS_BETTER
from spfem.evaluation.scores import (
    CLIP_METRICS,
    ClipScore,
    FaceSample,
    Instruments,
    lip_sync_scores,
    score_clip,
)
from spfem.evaluation.shown import ShownClip, Sound

COLUMNS = ("degradation", "metric", "backbone", "value", "worse_by", "ci_low", "ci_high", "clips")
NONE = "none"
SHIFTS = (2, 5, 10, 20)  # frames by which the sound comes late; the last beyond the search
BLURS = (1.0, 2.0, 4.0)  # standard deviation, pixels
SHIFTED, BLURRED = "sound {} frames late", "blur {:g} px"
FLAT, FROZEN, OTHER = "expression of the source", "first frame held", "another person"

_LATE = tuple(SHIFTED.format(shift) for shift in SHIFTS)
_BLURRED = tuple(BLURRED.format(deviation) for deviation in BLURS)

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "lse_d": (_LATE[-1], FROZEN, OTHER),
    "lse_c": (_LATE[-1], FROZEN, OTHER),
    "lse_offset": _LATE[:-1],
    "csim": (*_BLURRED[1:], OTHER),
    "identity_distance": (*_BLURRED[1:], OTHER),
    "mouth_error": (FLAT, FROZEN, OTHER),
    "mouth_correlation": (FROZEN, OTHER),
    "expression_error": (FLAT, FROZEN, OTHER),
    "picture_error": (*_BLURRED, FLAT, FROZEN, OTHER),
    "emotion_accuracy": (FLAT,),
    "image_entropy": _BLURRED,
    "fad": (*_BLURRED[1:], OTHER),
    "fad " + BLENDSHAPES: (FLAT,),
}
"""Metric -> degradations that must make it worse. LSE-D and LSE-C search for the best shift, so by
their definition they miss a constant delay within the search; the offset tells it."""


@dataclass(frozen=True)
class PlantedClip:
    """What is degraded: the truth of an edit, and what it is replaced by.

    Attributes:
        edit: whose truth it is.
        truth: the true counterpart.
        source: the unedited clip, of the same length.
        sample: of the source.
        sound: of the source.
        frozen: the first frame of the truth, held.
        other: a clip of another person in the same emotion, brought to the same length.
    """

    edit: Edit
    truth: ShownClip
    source: ShownClip
    sample: FaceSample
    sound: Sound
    frozen: ShownClip
    other: ShownClip


def later_sound(sound: Sound, frames: int) -> Sound:
    """The same sound, `frames` of the video later; silence before."""
    late = round(frames * 16000 / float(sound.fps))
    kept = sound.samples[: len(sound.samples) - late]
    return Sound(np.concatenate([np.zeros(late, np.float32), kept]), sound.fps)


def blurred(clip: ShownClip, deviation: float) -> ShownClip:
    """Gaussian blur; the track stays that of the sharp clip, since nothing moves."""
    import cv2

    frames = np.stack([cv2.GaussianBlur(frame, (0, 0), deviation) for frame in clip.frames])
    return ShownClip(frames, clip.track)


def degrade(planted: PlantedClip) -> Iterator[tuple[str, ShownClip]]:
    """Name and picture of the degradations that are seen, the unharmed clip first."""
    truth = planted.truth
    yield NONE, truth
    for deviation in BLURS:
        yield BLURRED.format(deviation), blurred(truth, deviation)
    yield FLAT, planted.source
    yield FROZEN, planted.frozen
    yield OTHER, planted.other


def score_degradations(planted: PlantedClip, instruments: Instruments) -> dict[str, ClipScore]:
    """Scores of a clip by degradation."""
    scores = {
        name: score_clip(
            planted.edit,
            "truth",
            shown,
            source=planted.sample,
            truth=planted.truth,
            instruments=instruments,
            sound=planted.sound,
        )
        for name, shown in degrade(planted)
    }
    if instruments.lip_sync is not None:
        for shift in SHIFTS:
            late = later_sound(planted.sound, shift)
            heard = lip_sync_scores(planted.truth, late, instruments.lip_sync)
            unharmed = scores[NONE]
            scores[SHIFTED.format(shift)] = replace(unharmed, scores={**unharmed.scores, **heard})
    return scores


def degradation_table(
    scores: Sequence[Mapping[str, ClipScore]],
    real: Sequence[FaceSample],
    *,
    resamples: int,
    confidence: float,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows with `COLUMNS`: by how much each degradation worsens each metric, in pairs.

    Args:
        scores: of each clip by degradation, from `score_degradations`.
        real: samples of real clips, for the Fréchet distances.
        resamples: of the intervals, clustered by actor and clip.
        confidence: of the intervals.
        seed: of the resampling.

    Returns:
        `worse_by` is positive where the metric finds the degraded clip worse, in the metric's own
        unit; the interval is that of `worse_by`. The Fréchet distance, of all clips together, has
        no interval.
    """
    first = [by_name[NONE] for by_name in scores]
    labels = np.array([[score.edit.actor, score.edit.source] for score in first])
    counts = redraw_counts(labels, resamples=resamples, seed=seed)
    everywhere = np.full(len(first), "neutral")
    rows: list[tuple[object, ...]] = []
    for name in scores[0]:
        part = [by_name[name] for by_name in scores]
        for metric in CLIP_METRICS:
            values, before = (
                np.array([score.scores[metric] for score in side]) for side in (part, first)
            )
            sign = -1 if HIGHER_IS_BETTER[metric] else 1
            means = emotion_means(sign * (values - before), everywhere, counts)
            backbone = part[0].backbones[metric]
            if not means:
                nothing = float("nan")
                rows.append((name, metric, backbone, *([nothing] * 4), 0))
                continue
            mean = means["neutral"]
            found = interval_of(mean.value, mean.draws, confidence)
            value = float(np.nanmean(values))
            rows.append(
                (name, metric, backbone, value, found.value, found.low, found.high, mean.clips)
            )
        rows += _frechet_rows(name, part, first, real)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _frechet_rows(
    name: str, part: Sequence[ClipScore], first: Sequence[ClipScore], real: Sequence[FaceSample]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    emotions = {score.edit.emotion for score in first}
    for backbone in frechet_backbones(real):
        target = np.concatenate(
            [frechet_features(s, backbone) for s in real if s.emotion in emotions]
        )
        distances = [
            frechet_distance(
                np.concatenate([frechet_features(score.sample, backbone) for score in side]), target
            )
            for side in (part, first)
        ]
        gap = distances[0] - distances[1]
        nothing = float("nan")
        rows.append((name, "fad", backbone, distances[0], gap, nothing, nothing, len(part)))
    return rows


def metric_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Does each metric move the right way: rows metric, backbone, degradation, holds.

    Every entry of `EXPECTED` must be worse with an interval clear of zero (Fréchet distances, which
    have none: by a tenth or more).
    """
    rows = []
    for metric in table.metric.unique():
        of_metric = table[table.metric == metric]
        for backbone in of_metric.backbone.unique():
            wanted = EXPECTED.get(f"{metric} {backbone}", EXPECTED.get(metric, ()))
            part = of_metric[of_metric.backbone == backbone].set_index("degradation")
            for name in wanted:
                row = part.loc[name]
                grew = row.worse_by > 0.1 * (row.value - row.worse_by)
                holds = row.ci_low > 0 if np.isfinite(row.ci_low) else grew
                rows.append((metric, backbone, name, bool(holds)))
    return pd.DataFrame(rows, columns=["metric", "backbone", "degradation", "holds"])
