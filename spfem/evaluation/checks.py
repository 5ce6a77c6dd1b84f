"""Checks of the stages against the truth of the embedded corpus, each with the number aimed at."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

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
    corpus: Corpus, faces: Mapping[str, FaceTrack], *, frames_per_second: float
) -> pd.DataFrame:
    """Whether the embedded corpus can stand for recordings: rows with `COLUMNS`.

    Args:
        corpus: embedded corpus, with truth.
        faces: tracks of all clips.
        frames_per_second: measured rate of generation.
    """
    found, lips, jaws, features, emotions, actors = [], [], [], [], [], []
    for clip in corpus.clips:
        track = faces[clip.key]
        found.append(track.found)
        with np.load(clip.truth) as truth:
            lips.append(_correlation(truth["mouth_opening"], mouth_opening(track.landmarks)))
            jaws.append(_correlation(truth["face_units"][:, 0], track.expression[:, 0]))
        features.append(clip_features(track.expression, track.found))
        emotions.append(clip.emotion)
        actors.append(clip.actor)
    named = name_unseen_actors(np.stack(features), emotions, actors)
    clips = len(corpus.clips)
    accuracy = np.mean([a == b for a, b in zip(named, emotions, strict=True)])
    frames = np.concatenate(found)
    return pd.DataFrame(
        [
            _row("face found by the tracker", frames.mean(), ">= 0.99", "of frames", len(frames)),
            _row("emotion named, unseen actors", float(accuracy), ">= 0.85", "of clips", clips),
            _row("mouth opening, truth and track", np.median(lips), ">= 0.9", "correlation", clips),
            _row("jaw opening, truth and fit", np.median(jaws), ">= 0.9", "correlation", clips),
            _row("generation", frames_per_second, ">= 60", "frames a second", len(frames)),
        ]
    )


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
    """Error of the alignment against the exact truth, and what the gate lets through."""
    everything = pairs.select(usable=None)
    errors = np.concatenate([pair_error(corpus, pair) for pair in pairs.select()])
    usable = np.mean([pair.usable for pair in everything])
    n = len(errors)
    return pd.DataFrame(
        [
            _row("alignment error, median", np.median(errors), "<= 1.5", "frames", n),
            _row("alignment error, 90th percentile", np.quantile(errors, 0.9), "<= 3", "frames", n),
            _row("pairs that pass the gate", float(usable), ">= 0.95", "of pairs", len(everything)),
        ]
    )
