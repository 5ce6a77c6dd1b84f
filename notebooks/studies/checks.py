"""Checks of the stages: against the truth, their time, and our pairing beside the released one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import CorpusError, InputError, ShapeError
from spfem.evaluation.emotion import clip_features, fit_emotions
from spfem.evaluation.mouth import mouth_opening
from spfem.face.conditions import ConditionPainter
from spfem.face.landmarks import interocular_distance
from spfem.face.track import FaceTrack, track_clip
from spfem.head.model import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.pairing.pairs import Pair, PairIndex
from spfem.pairing.released_paths import FILE_NAME
from spfem.run.data import make_corpus, make_faces, pair_corpus
from spfem.run.workspace import Workspace
from spfem.settings import FaceSettings

TIMINGS_COLUMNS = ("stage", "seconds", "device", "threads")


def stage_timings(records: Mapping[str, Mapping[str, Any]], *, device: str) -> pd.DataFrame:
    """Rows with `TIMINGS_COLUMNS`, one a finished stage folder, of their `artifact.json` by folder.

    Seconds are summed over resumed runs; `threads` is the number that the stage was made with, 0
    where its record is older than that.
    """
    rows = []
    for folder, record in records.items():
        if record["complete"]:
            threads = record.get("threads") or record.get("facts", {}).get("threads", 0)
            rows.append((folder, round(float(record["seconds"]), 2), device, threads))
    return pd.DataFrame(rows, columns=list(TIMINGS_COLUMNS))


def path_differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """How far apart two paths (L, 2) and (M, 2) lie: float64 (S,), target frames.

    One value a source frame that both have: the difference of the mean target frames that each
    path gives it.

    Raises:
        ShapeError: if a path is not (L, 2) or they share no source frame.
    """
    for path in (ours, theirs):
        if path.ndim != 2 or path.shape[1] != 2 or not len(path):
            raise ShapeError(f"a path is (L, 2), found {path.shape}")
    first, second = _targets(ours), _targets(theirs)
    length = min(len(first), len(second))
    both = np.isfinite(first[:length]) & np.isfinite(second[:length])
    if not both.any():
        raise ShapeError("the paths share no source frame")
    return np.abs(first[:length] - second[:length])[both]


def _targets(path: np.ndarray) -> np.ndarray:
    """Mean target frame of each source frame, NaN where the path leaves one out."""
    counts = np.bincount(path[:, 0])
    sums = np.bincount(path[:, 0], weights=path[:, 1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def longest_hold(path: np.ndarray) -> int:
    """Most steps in a row of a path (L, 2) during which one of the two frames is held."""
    longest = 0
    for side in (0, 1):
        held = np.concatenate([[False], np.diff(path[:, side]) == 0, [False]])
        edges = np.flatnonzero(np.diff(held))
        longest = max(longest, int((edges[1::2] - edges[::2]).max(initial=0)))
    return longest


def held_share(path: np.ndarray) -> float:
    """Share of the steps of a path (L, 2) that hold one of the two frames; 0 for one entry."""
    if len(path) < 2:
        return 0.0
    return float((np.diff(path, axis=0) == 0).any(1).mean())


def compare_pairings(ours: Iterable[Pair], theirs: Iterable[Pair]) -> pd.DataFrame:
    """One row for each pair that both have, in our order.

    Columns: actor, emotion, source, target; `path_ours`, `path_theirs` entries; `held_ours`,
    `held_theirs` share of the steps that hold a frame; `longest_hold_ours`, `longest_hold_theirs`
    steps; `mean_distance`, `largest_distance` between the paths, frames (see `path_differences`);
    `within_one_frame` share of source frames; `cost_ours`, `cost_theirs` mean local cost on the
    path; `dropped` whether our gate drops the pair.

    Raises:
        InputError: if no pair is in both.
    """
    known = {(pair.source, pair.target): pair for pair in theirs}
    rows = []
    for pair in ours:
        other = known.get((pair.source, pair.target))
        if other is None:
            continue
        row = {name: getattr(pair, name) for name in ("actor", "emotion", "source", "target")}
        sides = {"ours": pair, "theirs": other}
        for name, value in {"path": len, "held": held_share, "longest_hold": longest_hold}.items():
            row |= {f"{name}_{whose}": value(side.path) for whose, side in sides.items()}
        distance = path_differences(pair.path, other.path)
        row["mean_distance"] = float(distance.mean())
        row["largest_distance"] = float(distance.max())
        row["within_one_frame"] = float((distance <= 1).mean())
        row |= {f"cost_{whose}": side.normalised_cost for whose, side in sides.items()}
        rows.append(row | {"dropped": not pair.usable})
    if not rows:
        raise InputError("the two pairings have no pair in common; they are of other clips")
    return pd.DataFrame(rows)


def summarise_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """Means of `compare_pairings` by emotion, and over all; `pairs` counts them.

    `dropped` becomes the number of pairs that our gate drops, the others are means.
    """
    shown = [c for c in comparison.columns if c not in ("actor", "emotion", "source", "target")]
    parts = [*comparison.groupby("emotion"), ("all", comparison)]
    rows = [
        {"emotion": name, "pairs": len(part), **part[shown].mean(), "dropped": part.dropped.sum()}
        for name, part in parts
    ]
    return pd.DataFrame(rows)


def _spoken(clock: np.ndarray, last: float) -> np.ndarray:
    """Whether each frame lies within a phoneme: not in a silence, where the clock stands still."""
    moves = np.gradient(clock) > 0 if len(clock) > 1 else np.ones(len(clock), bool)
    return (clock >= 0) & (clock < last) & moves


def alignment_error(
    path: np.ndarray, clock_source: np.ndarray, clock_target: np.ndarray
) -> np.ndarray:
    """Distance in frames between chosen and exact target frame, for the spoken path entries.

    The exact target of a source frame is the (fractional) target frame at which the phoneme clock
    has the same value. Entries of the path (L, 2) whose source frame lies in a silence are left
    out. Clocks (T,) and (U,) are below 0 before the sentence, k to k + 1 in phoneme k, K or more
    after its K phonemes; both have silence after it.

    Raises:
        ShapeError: if the clocks are of different sentences, or the path leaves the clips.
    """
    last = np.floor(clock_source[-1])
    if last != np.floor(clock_target[-1]):
        raise ShapeError(
            f"the clocks end in phoneme {last:.0f} and {np.floor(clock_target[-1]):.0f}: "
            "these are different sentences"
        )
    source, target = np.asarray(path).T
    if source.max() >= len(clock_source) or target.max() >= len(clock_target):
        raise ShapeError(
            f"the path ends at {source.max(), target.max()}, the clips have "
            f"{len(clock_source), len(clock_target)} frames"
        )
    exact = np.interp(clock_source[source], clock_target, np.arange(len(clock_target)))
    return np.abs(target - exact)[_spoken(clock_source, last)[source]]


def pair_error(corpus: Corpus, pair: Pair) -> np.ndarray:
    """Alignment error in frames (S,) of one pair, read from the corpus's truth.

    Raises:
        CorpusError: if the corpus has no truth for the pair.
    """
    clocks = []
    for key in (pair.source, pair.target):
        file = corpus.root / "truth" / f"{key}.npz"
        try:
            with np.load(file) as arrays:
                clocks.append(arrays["frame_of_reference"].astype(np.float64))
        except (OSError, KeyError, ValueError) as error:
            raise CorpusError(f"{file} holds no exact truth ({error})") from None
    return alignment_error(pair.path, *clocks)


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
    error, rated = np.median(np.concatenate(errors)), f"frames a second, {processes} processes"
    rows = [
        _row("reprojection error, median", error, "<= 3", unit, len(errors)),
        _row("whole face stage", rate, ">= 40", rated, frames),
    ]
    return pd.DataFrame(rows)


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


def compare_with_released_pairs(workspace: Workspace) -> pd.DataFrame | None:
    """`compare_pairings` of our pairs and those of `data/optional/aligned_path36.json`.

    None where the corpus is not MEAD or the file is not there.

    Raises:
        InputError: if the file is damaged or belongs to other clips.
    """
    file = workspace.data.parent / "optional" / FILE_NAME
    if workspace.corpus != "mead" or not file.is_file():
        return None
    corpus, settings = make_corpus(workspace), workspace.scale.pairing
    pairings = [
        pair_corpus(corpus, workspace.stage_folder(folder), replace(settings, paths_file=paths))
        for folder, paths in (("pairs_by_sound", None), ("pairs_released", str(file)))
    ]
    return compare_pairings(pairings[0].pairs, pairings[1].pairs)


def name_unseen_actors(
    features: np.ndarray, emotions: Sequence[str], actors: Sequence[str]
) -> list[str]:
    """Emotion of each of N clips as named by a classifier that never saw its actor.

    Raises:
        ShapeError: if there are fewer than two actors.
    """
    if len(set(actors)) < 2:
        raise ShapeError("naming emotions of unseen actors needs at least two actors")
    emotion_array, actor_array = np.asarray(emotions), np.asarray(actors)
    named = np.empty(len(emotion_array), dtype=object)
    for actor in sorted(set(actors)):
        left_out = actor_array == actor
        classifier = fit_emotions(features[~left_out], emotion_array[~left_out].tolist())
        named[left_out] = classifier.name(features[left_out])
    return named.tolist()


def face_unit_curves(workspace: Workspace, clip: Clip) -> dict[str, np.ndarray]:
    """Face units (T,) of a clip by name: those that made it, of recordings those tracked."""
    if make_corpus(workspace).has_truth:
        with np.load(clip.truth) as arrays:
            names = [str(name) for name in arrays["face_unit_names"]]
            return dict(zip(names, arrays["face_units"].T, strict=True))
    tracked = make_faces(workspace)[clip.key].expression
    return dict(zip(FACE_UNIT_NAMES, tracked.T, strict=True))
