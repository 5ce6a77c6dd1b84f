"""Do the evaluation metrics notice what they must: planted degradations of the true edits.

Each is done to the true counterparts of edits, so that nothing but the damage differs from a
perfect result. Edits that go half the way, or too far, are planted in the track alone: codes and
landmarks lie on the line from source to truth, the pictures stay those of the truth. What looks at
pictures cannot notice them and is not asked to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from spfem.corpus.protocol import Edit
from spfem.errors import CorpusError
from spfem.evaluation.frechet import (
    BLENDSHAPES,
    frechet_backbones,
    frechet_distance,
    frechet_features,
)
from spfem.evaluation.scores import (
    CLIP_METRICS,
    ClipScore,
    FaceSample,
    Instruments,
    ShownClip,
    Sound,
    frames_to_length,
    lip_sync_scores,
    load_score,
    sample_face,
    save_score,
    score_clip,
)
from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.face.track import FaceTrack
from spfem.files import file_digest, writing
from spfem.media.video import read_video
from spfem.run.data import make_corpus, make_faces
from spfem.run.edits import clips_by_key, make_counterparts, protocol, read_truth
from spfem.run.results import (
    lip_sync_file,
    load_identity,
    load_instruments,
    open_score_stage,
    read_clip,
    real_samples,
)
from spfem.run.workspace import Workspace, work_off
from spfem.settings import EMOTIONS
from spfem.statistics import interval_of, redraw_counts

COLUMNS = ("degradation", "metric", "backbone", "value", "worse_by", "ci_low", "ci_high", "clips")
NONE = "none"
SHIFTS = (2, 5, 10, 20)  # frames by which the sound comes late; the last beyond the search
BLURS = (1.0, 2.0, 4.0)  # standard deviation, pixels
SHIFTED, BLURRED = "sound {} frames late", "blur {:g} px"
FLAT, FROZEN, OTHER = "expression of the source", "first frame held", "another person"
PARTS = {"half of the way": 0.5, "half too far": 1.5}  # share of the way from source to truth
HALF, TOO_FAR = PARTS

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
    "expression_error": (FLAT, FROZEN, OTHER, HALF, TOO_FAR),
    "expression_gain": (FLAT, FROZEN, OTHER, HALF, TOO_FAR),
    "emotion_leakage": (FLAT, HALF),
    "detail_kept": _BLURRED,
    "picture_error": (*_BLURRED, FLAT, FROZEN, OTHER),
    "emotion_accuracy": (FLAT,),
    "image_entropy": _BLURRED,
    "fad": (*_BLURRED[1:], OTHER),
    "fad " + BLENDSHAPES: (FLAT,),
}
"""Metric -> degradations that must make it worse. LSE-D and LSE-C search for the best shift, so by
their definition they miss a constant delay within the search; the offset tells it."""


IDLE = "doing nothing, against half of the way"
NOT_IDLE = ("expression_error", "expression_gain", "emotion_leakage")
"""Metrics that must find an untouched source worse than an edit that goes half the way. A metric of
what must stay as it was, such as `detail_kept`, cannot: it is read beside one of these."""


@dataclass(frozen=True)
class PlantedClip:
    """What is degraded: the truth of an edit, and what it is replaced by, all of one length.

    `sample` and `sound` are of the unedited source; `frozen` holds the first frame of the truth;
    `other` is a clip of another person in the same emotion.
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
    frames = np.stack([cv2.GaussianBlur(frame, (0, 0), deviation) for frame in clip.frames])
    return ShownClip(frames, clip.track)


def part_of_the_way(planted: PlantedClip, share: float) -> ShownClip:
    """The truth's pictures with codes and landmarks at a share of the way from the source's."""
    ends = planted.source.track, planted.truth.track
    moved = {
        name: (1 - share) * getattr(ends[0], name) + share * getattr(ends[1], name)
        for name in ("expression", "landmarks", "blendshapes")
    }
    found = ends[0].found & ends[1].found
    return ShownClip(planted.truth.frames, replace(planted.truth.track, found=found, **moved))


def degrade(planted: PlantedClip) -> Iterator[tuple[str, ShownClip]]:
    """Name and picture of the degradations that are seen, the unharmed clip first."""
    truth = planted.truth
    yield NONE, truth
    for deviation in BLURS:
        yield BLURRED.format(deviation), blurred(truth, deviation)
    yield FLAT, planted.source
    yield FROZEN, planted.frozen
    for name, share in PARTS.items():
        yield name, part_of_the_way(planted, share)
    yield OTHER, planted.other


def score_degradations(planted: PlantedClip, instruments: Instruments) -> dict[str, ClipScore]:
    """Scores of a clip by degradation."""
    known = {"source": planted.sample, "truth": planted.truth, "sound": planted.sound}
    known["unedited"] = planted.source
    scores = {
        name: score_clip(planted.edit, "truth", shown, instruments=instruments, **known)  # type: ignore[arg-type]
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

    `worse_by` is positive where the metric finds the degraded clip worse, in the metric's own unit;
    the interval is that of `worse_by`. The Fréchet distance, to `real` clips, is of all clips
    together and has no interval. `scores` are those of each clip, by degradation.
    """
    first = [by_name[NONE] for by_name in scores]
    labels = np.array([[score.edit.actor, score.edit.source] for score in first])
    counts = redraw_counts(labels, resamples=resamples, seed=seed)
    rows: list[tuple[object, ...]] = []
    for name in scores[0]:
        part = [by_name[name] for by_name in scores]
        for metric in CLIP_METRICS:
            values, before = (
                np.array([score.scores[metric] for score in side]) for side in (part, first)
            )
            sign = -1 if HIGHER_IS_BETTER[metric] else 1
            worse = sign * (values - before)
            known = np.isfinite(worse)
            numbers: tuple[float, ...] = (np.nan, np.nan, np.nan, np.nan, 0)
            if known.any():
                total = counts[:, known].sum(axis=1)
                draws = counts[:, known] @ worse[known] / np.where(total > 0, total, np.nan)
                found = interval_of(float(worse[known].mean()), draws, confidence)
                ends = (found.value, found.low, found.high)
                numbers = (float(np.nanmean(values)), *ends, int(known.sum()))
            rows.append((name, metric, part[0].backbones[metric], *numbers))
        rows += _frechet_rows(name, part, first, real)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _frechet_rows(
    name: str, part: Sequence[ClipScore], first: Sequence[ClipScore], real: Sequence[FaceSample]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    emotions = {score.edit.emotion for score in first}
    for backbone in frechet_backbones(real):
        sides = [[s for s in real if s.emotion in emotions]]
        sides += [[score.sample for score in side] for side in (part, first)]
        target, *shown = (
            np.concatenate([frechet_features(s, backbone) for s in side]) for side in sides
        )
        found, before = (frechet_distance(features, target) for features in shown)
        rows.append((name, "fad", backbone, found, found - before, np.nan, np.nan, len(part)))
    return rows


def metric_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Does each metric move the right way: rows metric, backbone, degradation, holds.

    Every entry of `EXPECTED` must be worse with an interval clear of zero (Fréchet distances, which
    have none: by a tenth or more). For `NOT_IDLE` the last row asks whether `IDLE` is worse, with
    intervals that do not meet.
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
            if metric in NOT_IDLE:
                idle = part.ci_low[FLAT] > part.ci_high[HALF]
                rows.append((metric, backbone, IDLE, bool(idle)))
    return pd.DataFrame(rows, columns=["metric", "backbone", "degradation", "holds"])


DEGRADED_EMOTIONS = EMOTIONS[1::2]
TABLE_NAME = "degradations.csv"


class _ActorJob(NamedTuple):
    """The true edits of one actor that are degraded."""

    workspace: Workspace
    edits: tuple[Edit, ...]
    folder: Path


def measure_degradations(workspace: Workspace) -> pd.DataFrame:
    """The table of `degradation_table` on the true counterparts of some edits.

    Raises:
        CorpusError: if the corpus has no true counterparts.
    """
    known = make_counterparts(workspace).known
    wanted = [edit for edit in protocol(workspace) if edit.emotion in DEGRADED_EMOTIONS]
    wanted = [edit for edit in wanted if edit.setting == "intra"]
    edits = tuple(edit for edit in wanted if (edit.source, edit.emotion) in known)
    if not edits:
        raise CorpusError(
            "degradations are planted on true counterparts, which this corpus does not have; use "
            "the embedded corpus"
        )
    settings = workspace.scale.evaluation
    inputs = {
        "lip_sync": file_digest(lip_sync_file(workspace)),
        "counterparts": make_counterparts(workspace).digest,
    }
    stage = open_score_stage(workspace, "degradations", settings, inputs, (measure_degradations,))
    path = stage.folder / TABLE_NAME
    if not stage.complete:
        actors = sorted({edit.actor for edit in edits})
        jobs = [
            _ActorJob(workspace, tuple(e for e in edits if e.actor == actor), stage.folder)
            for actor in actors
        ]
        work_off(workspace, _degrade_actor, jobs, "degradations")
        scores = [
            {file.stem: load_score(file) for file in sorted((stage.folder / edit.name).iterdir())}
            for edit in edits
        ]
        draws = {"resamples": settings.resamples, "confidence": settings.confidence}
        table = degradation_table(scores, real_samples(workspace), **draws)  # type: ignore[arg-type]
        with writing(path) as aside:
            table.to_csv(aside, index=False)
        stage.finish(clips=len(edits))
    return pd.read_csv(path)


def _degrade_actor(job: _ActorJob) -> None:
    instruments = load_instruments(job.workspace)
    for edit in job.edits:
        planted = plant(job.workspace, edit)
        for name, score in score_degradations(planted, instruments).items():
            save_score(job.folder / edit.name / f"{name}.npz", score)


def plant(workspace: Workspace, edit: Edit) -> PlantedClip:
    """Read what an edit's truth is degraded with.

    Raises:
        CorpusError: if the edit has no true counterpart or its source no sound.
    """
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    clip = clips_by_key(workspace)[edit.source]
    true, video = read_truth(workspace, clip, edit.emotion), read_video(clip.video)
    if true is None or video.audio is None:
        raise CorpusError(f"{edit.source} lacks a true counterpart or sound")
    frames, track = true
    source = read_clip(workspace, clip)
    others = corpus.select(role="train", emotion=edit.emotion)
    other = others[len(edit.name + edit.actor) % len(others)]
    index = frames_to_length(len(faces[other.key]), len(frames))
    return PlantedClip(
        edit,
        ShownClip(frames, track),
        source,
        sample_face(
            source,
            actor=clip.actor,
            emotion=clip.emotion,
            identity_frames=workspace.scale.evaluation.identity_frames,
            network=load_identity(workspace),
        ),
        Sound(video.audio, video.fps),
        _at(frames, track, np.zeros(len(frames), int)),
        _at(read_video(other.video).frames, faces[other.key], index),
    )


def _at(frames: np.ndarray, track: FaceTrack, index: np.ndarray) -> ShownClip:
    return ShownClip(frames[index], track.take_frames(index))
