"""How good a shipped model is, on actors it was not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spfem.correlation.learn import (
    TEMPORAL_METRICS,
    frame_pairs_of_role,
    untrained_metric,
    untrained_temporal_metric,
)
from spfem.edit.chain import Wish, edit_expression
from spfem.errors import CorpusError
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.evaluation.mouth import expression_error
from spfem.face.track import FaceTrack
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator.networks import load_manipulator
from spfem.pairing.pairs import Pair
from spfem.reading.reader import FaceReader
from spfem.run import stages
from spfem.run.persons import know_person, read_fitted
from spfem.run.workspace import Workspace
from spfem.settings import ReadSettings
from spfem.statistics import cluster_bootstrap
from studies.moment_retrieval import measure_retrieval
from studies.moment_similarity import similarity_rows
from studies.similarity_table import load_metric, similarity_scorer

HELD_OUT = "held_out"
JAW = 0  # of the face units

SIMILARITY = {
    "matched": "mean cosine of descriptors at the same place of two emotions that say the same",
    "mismatched_place": "the same for places that differ",
    "mismatched_speech": "the same for moments that say something else",
    "speech_auc": "chance that a matched comparison scores above one of another moment",
}
RETRIEVAL = {
    "recall_at_1": "share of spoken moments found first, within a frame, among all moments of the "
    "same sentence in another emotion; from and to which modality",
    "chance_at_1": "what a blind guess finds",
}
EDITS = {
    "expression_error": "mean absolute difference of face units from the clip in which the actor "
    "says the same in that emotion, frames aligned by sound; the baseline is the unedited source",
    "emotion_accuracy": "share of edits whose emotion is named right by a classifier of face units "
    "that learned from other actors",
    "jaw_correlation": "correlation of the jaw's opening with that of the source",
    "true_emotion_accuracy": "what the classifier names right of the true clips",
}
SCORED = ("expression_error", "emotion_accuracy", "jaw_correlation")  # of each edit

Figures = list[dict[str, Any]]
"""Rows of `spfem.weights.card.FIGURE_KEYS`."""


def measure_metric(
    name: str, workspace: Workspace, files: Mapping[str, Path], seed: int
) -> Figures:
    """Similarities of matched and mismatched faces of the held-out actors by a picture metric.

    As all that measure here it gets the workspace of the run that learned it, the checkpoints
    `value` (as shipped) and `unrounded`, and the seed of its learning, with whose initial weights
    it is compared. `name` is of `spfem.run.stages.METRICS`.
    """
    scale, roles = workspace.scale, stages.make_corpus(workspace).roles
    faces, pairs = stages.make_faces(workspace), stages.make_pairs(workspace)
    held_out, train = (
        frame_pairs_of_role(faces, pairs, roles, role) for role in (HELD_OUT, "train")
    )
    if name in TEMPORAL_METRICS:
        start: Any = untrained_temporal_metric(name, train, scale.temporal, seed=seed)
    else:
        start = untrained_metric(train, scale.spatial, seed=seed)
    models = {"baseline": start} | {state: load_metric(name, path) for state, path in files.items()}
    score = similarity_scorer(name, held_out, stages.read_visemes(workspace), scale)
    levels = {n: getattr(scale.evaluation, n) for n in ("resamples", "confidence")}
    rows = {
        state: similarity_rows(
            [score(model.eval())], metric=name, state=state, split=HELD_OUT, **levels
        )
        for state, model in models.items()
    }
    return [
        figure(row["quantity"], row, baseline["value"], unrounded["value"])
        for row, baseline, unrounded in zip(
            rows["value"], rows["baseline"], rows["unrounded"], strict=True
        )
    ]


def measure_sound_metric(workspace: Workspace, files: Mapping[str, Path], seed: int) -> Figures:
    """Retrieval of moments of the held-out actors by the metric of sound and expression."""
    settings = stages.cross_modal_settings(workspace)
    table = measure_retrieval(
        stages.clip_signals(workspace, settings.image_size),
        stages.make_pairs(workspace),
        stages.make_corpus(workspace).roles,
        stages.read_clocks(workspace),
        {state: {"expression": {seed: path}} for state, path in files.items()},
        settings,
        replace(workspace.scale, seeds=(seed,)),
    )
    table = table[table.split == HELD_OUT]
    by_state = {
        state: table[table.state == state].to_dict("records")
        for state in ("value", "before", "unrounded")
    }
    figures = [
        figure(
            f"recall_at_1 {row['query']} to {row['target']}",
            row | {"value": row["recall_at_1"]},
            before["recall_at_1"],
            unrounded["recall_at_1"],
        )
        for row, before, unrounded in zip(*by_state.values(), strict=True)
    ]
    chance = by_state["value"][0]["chance_at_1"]
    return [*figures, exact_figure("chance_at_1", float(chance))]


def measure_manipulator(workspace: Workspace, files: Mapping[str, Path], seed: int) -> Figures:
    """Label-driven edits of the held-out actors' face units against what they really show.

    Raises:
        CorpusError: if no held-out actor says a sentence in neutral and in an emotion.
    """
    tracks, pairs = stages.make_persons(workspace), stages.make_pairs(workspace)
    held_out = pairs.select(role=HELD_OUT)
    if not held_out:
        raise CorpusError("no held-out actor has a usable pair of clips to measure edits on")
    learned = stages.make_corpus(workspace).select(role="train")
    named = fit_emotions(
        np.stack([clip_features(tracks[clip.key].expression) for clip in learned]),
        [clip.emotion for clip in learned],
    )
    shown: dict[str, Callable[[Pair], np.ndarray]] = {
        "baseline": lambda pair: tracks[pair.source].expression,
        **{state: _editor(path, tracks, seed) for state, path in files.items()},
    }
    scores = {
        state: np.array([_score_edit(codes(pair), pair, tracks, named) for pair in held_out])
        for state, codes in shown.items()
    }
    clusters = np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in held_out])
    figures = []
    for column, quantity in enumerate(SCORED):
        row = _interval(workspace, scores["value"][:, column], clusters)
        baseline, unrounded = (scores[name][:, column].mean() for name in ("baseline", "unrounded"))
        figures.append(figure(quantity, row, baseline, unrounded))
    right = [_names(named, tracks[pair.target].expression, pair.emotion) for pair in held_out]
    return [*figures, exact_figure("true_emotion_accuracy", float(np.mean(right)))]


def _editor(path: Path, tracks: Mapping[str, FaceTrack], seed: int) -> Callable[[Pair], np.ndarray]:
    manipulator = load_manipulator(path)

    def edited(pair: Pair) -> np.ndarray:
        source, wish = tracks[pair.source].expression, Wish(emotion=pair.emotion)
        return edit_expression(manipulator, source, wish, anchored=stages.ANCHORED, seed=seed)

    return edited


def _score_edit(
    shown: np.ndarray, pair: Pair, tracks: Mapping[str, FaceTrack], named: EmotionClassifier
) -> tuple[float, float, float]:
    """The `SCORED` quantities of codes (T, E) that should be `pair` in its emotion."""
    source, truth = tracks[pair.source].expression, tracks[pair.target].expression
    return (
        expression_error(shown[pair.path[:, 0]], truth[pair.path[:, 1]]),
        float(_names(named, shown, pair.emotion)),
        float(np.corrcoef(shown[:, JAW], source[:, JAW])[0, 1]),
    )


def _names(named: EmotionClassifier, codes: np.ndarray, emotion: str) -> bool:
    return named.name(clip_features(codes)[None]) == [emotion]


def figure(
    quantity: str, row: Mapping[str, Any], baseline: float | None, unrounded: float
) -> dict[str, Any]:
    """A row with plain numbers, shortened to what the measure can tell."""
    values = {name: row.get(name) for name in ("value", "ci_low", "ci_high")}
    values |= {"baseline": baseline, "unrounded": unrounded}
    rounded = {n: None if v is None else round(float(v), 6) for n, v in values.items()}
    return {"quantity": quantity} | rounded


def exact_figure(quantity: str, value: float) -> dict[str, Any]:
    """A row of something that no model decides."""
    return figure(quantity, {"value": value}, None, value)


READING = {
    "unit_error": "mean absolute difference of all face units from the exact ones",
    "slope": "how much of a true change is shown, 1 for all: regression of what is read on the "
    "truth; of one unit, else the mean of all units that move",
    "correlation": "of what is read with the truth, the mean of all units that move",
}
MOVES = 0.02  # deviation of a true unit over an actor's clips, below which it has no slope
NAMED = ("browInnerUp", "browOuterUp", "eyeWide", "mouthFrown", "noseSneer", "mouthSmile")
"""Units of which the tracker loses most, both sides together."""

Codes = dict[str, np.ndarray]
"""Face units (T, E) by clip key, columns `FACE_UNIT_NAMES`."""


def measure_reader(workspace: Workspace, files: Mapping[str, Path], seed: int) -> Figures:
    """Codes of the held-out actors as fitted towards what a reader reads, against the truth.

    The baseline is the fit without a reader. What the package ships plays no part, nor the seed.

    Raises:
        CorpusError: if the corpus has no exact truth, or no held-out actor.
    """
    corpus = stages.make_corpus(workspace)
    actors = sorted(actor for actor, role in corpus.roles.items() if role == HELD_OUT)
    if not corpus.has_truth or not actors:
        raise CorpusError(f"{corpus.root} has no held-out actor with exact units to measure on")
    fitted = stages.make_fitted_persons(workspace)
    clips = {actor: [clip.key for clip in corpus.select(actor=actor)] for actor in actors}
    codes = {"baseline": {key: fitted[key].expression for a in actors for key in clips[a]}}
    face, neutral = workspace.scale.face, stages.neutral_clips(workspace)
    for state, path in files.items():
        reader, read = FaceReader.load(path), ReadSettings()
        codes[state] = {}
        for actor in actors:
            known = [fitted[key] for key in neutral[actor]]
            person = know_person(known, face, read, reader)
            for key in clips[actor]:
                shown = read_fitted(fitted[key], person, face, read, reader)
                codes[state][key] = shown.expression
    truth = {clip.key: _true_units(clip.truth) for clip in corpus.clips if clip.actor in actors}
    scores = {state: score_reading(shown, truth) for state, shown in codes.items()}
    errors = np.array([np.abs(codes["value"][key] - truth[key]).mean() for key in truth])
    bounds = _interval(workspace, errors, np.array([[key.split("/")[0], key] for key in truth]))
    figures = []
    for quantity, value in scores["value"].items():
        row = (bounds if quantity == "unit_error" else {}) | {"value": value}
        others = (scores[state][quantity] for state in ("baseline", "unrounded"))
        figures.append(figure(quantity, row, *others))
    return figures


def _interval(workspace: Workspace, values: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Mean of values (N,) with its interval over clusters (N, D)."""
    settings = workspace.scale.evaluation
    interval = cluster_bootstrap(
        values, clusters, resamples=settings.resamples, confidence=settings.confidence, seed=0
    )
    return {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}


def score_reading(shown: Codes, truth: Codes) -> dict[str, float]:
    """The quantities of `READING` of codes against the truth of the same clips.

    Slope and correlation are of each actor's units about their mean over all its clips, which
    takes a constant offset out, and averaged over actors. Where no named unit moves, its slope
    is left out.
    """
    errors = [np.abs(shown[key] - units).mean() for key, units in truth.items()]
    slopes, likeness = [], []
    for actor in sorted({key.split("/")[0] for key in truth}):
        keys = [key for key in truth if key.split("/")[0] == actor]
        true, read = (
            np.concatenate([codes[key] for key in keys]).astype(np.float64)
            for codes in (truth, shown)
        )
        true, read = true - true.mean(0), read - read.mean(0)
        power, common = (true**2).sum(0), (true * read).sum(0)
        moves = true.std(0) > MOVES
        sizes = np.sqrt(np.maximum(power * (read**2).sum(0), 1e-12))
        slopes.append(np.where(moves, common / np.maximum(power, 1e-12), np.nan))
        likeness.append(np.where(moves, common / sizes, np.nan))
    by_unit = np.array(slopes)
    scores = {
        "unit_error": float(np.mean(errors)),
        "slope": float(np.nanmean(by_unit)),
        "correlation": float(np.nanmean(likeness)),
    }
    for name in NAMED:
        columns = [n for n, unit in enumerate(FACE_UNIT_NAMES) if unit.startswith(name)]
        found = by_unit[:, columns]
        if np.isfinite(found).any():
            scores[f"slope {name}"] = float(np.nanmean(found))
    return scores


def _true_units(path: Path) -> np.ndarray:
    """Exact units (T, E) of a clip."""
    with np.load(path) as arrays:
        names = [str(name) for name in arrays["face_unit_names"]]
        return arrays["face_units"][:, [names.index(name) for name in FACE_UNIT_NAMES]]
