"""Checks of the stages against the truth of the embedded corpus, each with the number aimed at."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spfem.corpus.clips import Corpus
from spfem.evaluation.emotion import clip_features, name_unseen_actors
from spfem.evaluation.mouth import mouth_opening
from spfem.face.conditions import ConditionPainter
from spfem.face.landmark_sets import interocular_distance
from spfem.face.track import track_clip
from spfem.face.track_file import FaceTrack
from spfem.head import load_head_model
from spfem.pairing.index import PairIndex
from spfem.pairing.truth import pair_error
from spfem.settings import FaceSettings

COLUMNS = ("check", "value", "aim", "unit", "holds", "n")


def _row(check: str, value: float, aim: str, unit: str, n: int) -> dict[str, object]:
    """One check; `aim` reads like `>= 0.9`."""
    direction, bound = aim.split()
    holds = value >= float(bound) if direction == ">=" else value <= float(bound)
    return dict(zip(COLUMNS, (check, float(value), aim, unit, bool(holds), n), strict=True))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def corpus_checks(
    corpus: Corpus, faces: Mapping[str, FaceTrack], made: Mapping[str, Any] | None
) -> pd.DataFrame:
    """Whether a corpus can be worked with, the embedded one like recordings: rows with `COLUMNS`.

    Args:
        corpus: any; what needs the exact truth is measured where there is one.
        faces: tracks of its clips; clips without one are left out.
        made: record of the stage that made the corpus, with its frames and seconds, if any did.
    """
    found, lips, jaws, features, emotions, actors = [], [], [], [], [], []
    for clip in corpus.clips:
        if clip.key not in faces:
            continue
        track = faces[clip.key]
        found.append(track.found)
        if corpus.has_truth:
            with np.load(clip.truth) as truth:
                lips.append(_correlation(truth["mouth_opening"], mouth_opening(track.landmarks)))
                jaws.append(_correlation(truth["face_units"][:, 0], track.expression[:, 0]))
        features.append(clip_features(track.expression, track.found))
        emotions.append(clip.emotion)
        actors.append(clip.actor)
    named = name_unseen_actors(np.stack(features), emotions, actors)
    clips = len(found)
    accuracy = np.mean([a == b for a, b in zip(named, emotions, strict=True)])
    frames = np.concatenate(found)
    rows = [
        _row("face found by the tracker", frames.mean(), ">= 0.99", "of frames", len(frames)),
        _row("emotion named, unseen actors", float(accuracy), ">= 0.85", "of clips", clips),
    ]
    if corpus.has_truth:
        rows += [
            _row("mouth opening, truth and track", np.median(lips), ">= 0.9", "correlation", clips),
            _row("jaw opening, truth and fit", np.median(jaws), ">= 0.9", "correlation", clips),
        ]
    if made is not None and "frames" in made.get("facts", {}):
        rate = made["facts"]["frames"] / made["seconds"]
        rows.append(_row("generation", rate, ">= 60", "frames a second", len(frames)))
    return pd.DataFrame(rows)


def face_checks(faces: Mapping[str, FaceTrack], clips: list[Path], settings: FaceSettings,
                processes: int) -> pd.DataFrame:  # fmt: skip
    """Fit quality of the tracks, and the rate of the whole stage measured on some clips.

    The rate is that of one process, decoding, tracking, fit, alignment, mask and condition
    images included, times `processes`, which share nothing.
    """
    errors = [
        100 * track.reprojection_error / interocular_distance(track.landmarks)
        for track in faces.values()
    ]
    painter = ConditionPainter(load_head_model(), settings.face_size)
    track_clip(clips[0], settings)  # compiles and loads what later clips share
    frames, started = 0, time.perf_counter()
    for path in clips:
        track = track_clip(path, settings)
        painter.paint(track)
        frames += len(track)
    rate = processes * frames / (time.perf_counter() - started)
    unit = "% of the eye distance"
    return pd.DataFrame(
        [
            _row(
                "reprojection error, median",
                np.median(np.concatenate(errors)),
                "<= 3",
                unit,
                len(errors),
            ),
            _row(
                "whole face stage", rate, ">= 40", f"frames a second, {processes} processes", frames
            ),
        ]
    )


def pairing_checks(corpus: Corpus, pairs: PairIndex) -> pd.DataFrame:
    """What the gate lets through, and the error against the exact truth where it is known."""
    everything = pairs.select(usable=None)
    usable = float(np.mean([pair.usable for pair in everything]))
    rows = [_row("pairs that pass the gate", usable, ">= 0.95", "of pairs", len(everything))]
    if corpus.has_truth:
        errors = np.concatenate([pair_error(corpus, pair) for pair in pairs.select()])
        median, most, n = np.median(errors), np.quantile(errors, 0.9), len(errors)
        rows = [
            _row("alignment error, median", median, "<= 1.5", "frames", n),
            _row("alignment error, 90th percentile", most, "<= 3", "frames", n),
            *rows,
        ]
    return pd.DataFrame(rows)


def pairing_spread(
    corpus: Corpus, pairs: PairIndex, *, emotions: Sequence[str]
) -> tuple[dict[str, np.ndarray], str]:
    """Alignment errors of the usable pairs by emotion, or the costs of all pairs without truth.

    Returns:
        Values by emotion, of the emotions that have pairs, and what they are.
    """
    values = {}
    for emotion in emotions:
        known = pairs.select(emotion=emotion, usable=True if corpus.has_truth else None)
        if known and corpus.has_truth:
            values[emotion] = np.concatenate([pair_error(corpus, pair) for pair in known])
        elif known:
            values[emotion] = np.array([pair.normalised_cost for pair in known])
    return values, "alignment error (frames)" if corpus.has_truth else "mean cost on the path"
