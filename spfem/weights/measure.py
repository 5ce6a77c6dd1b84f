"""How good a shipped model is, on actors it was not learned from.

Each function measures the same model as shipped and unrounded, and something to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spfem import stages
from spfem.chain import Wish, edit_expression
from spfem.correlation.learn import frame_pairs_of_role
from spfem.correlation.similarity_table import similarity_rows
from spfem.correlation.temporal_training import TEMPORAL_METRICS, untrained_temporal_metric
from spfem.correlation.untrained import untrained_metric
from spfem.errors import CorpusError
from spfem.evaluation.emotion import EmotionClassifier, clip_features, fit_emotions
from spfem.evaluation.mouth import expression_error
from spfem.evaluation.retrieval import measure_retrieval
from spfem.evaluation.similarity import load_metric, similarity_scorer
from spfem.face.track_file import FaceTrack
from spfem.manipulator import load_manipulator
from spfem.pairing.index import Pair
from spfem.statistics import cluster_bootstrap
from spfem.workspace import Workspace

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

    Args:
        name: of `spfem.stages.METRICS`.
        workspace: of the run that learned it.
        files: checkpoints `value` (as shipped) and `unrounded`.
        seed: of its learning, with whose initial weights it is compared.
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
    rows = {
        state: similarity_rows(
            [score(model.eval())],
            metric=name,
            state=state,
            split=HELD_OUT,
            resamples=scale.evaluation.resamples,
            confidence=scale.evaluation.confidence,
        )
        for state, model in models.items()
    }
    return [
        _figure(row["quantity"], row, baseline["value"], unrounded["value"])
        for row, baseline, unrounded in zip(
            rows["value"], rows["baseline"], rows["unrounded"], strict=True
        )
    ]


def measure_sound_metric(workspace: Workspace, files: Mapping[str, Path], seed: int) -> Figures:
    """Retrieval of moments of the held-out actors by the metric of sound and expression.

    Args:
        workspace: of the run that learned it.
        files: checkpoints `value` (as shipped) and `unrounded`.
        seed: of its learning, with whose initial weights it is compared.
    """
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
        _figure(
            f"recall_at_1 {row['query']} to {row['target']}",
            row | {"value": row["recall_at_1"]},
            before["recall_at_1"],
            unrounded["recall_at_1"],
        )
        for row, before, unrounded in zip(*by_state.values(), strict=True)
    ]
    chance = by_state["value"][0]["chance_at_1"]
    return [*figures, _exact("chance_at_1", float(chance))]


def measure_manipulator(workspace: Workspace, files: Mapping[str, Path], seed: int) -> Figures:
    """Label-driven edits of the held-out actors' face units against what they really show.

    Args:
        workspace: of the run that learned it.
        files: checkpoints `value` (as shipped) and `unrounded`.
        seed: of the label's styles.

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
        interval = cluster_bootstrap(
            scores["value"][:, column],
            clusters,
            resamples=workspace.scale.evaluation.resamples,
            confidence=workspace.scale.evaluation.confidence,
            seed=0,
        )
        row = {"value": interval.value, "ci_low": interval.low, "ci_high": interval.high}
        baseline, unrounded = (scores[name][:, column].mean() for name in ("baseline", "unrounded"))
        figures.append(_figure(quantity, row, baseline, unrounded))
    right = [_names(named, tracks[pair.target].expression, pair.emotion) for pair in held_out]
    return [*figures, _exact("true_emotion_accuracy", float(np.mean(right)))]


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


def _figure(
    quantity: str, row: Mapping[str, Any], baseline: float | None, unrounded: float
) -> dict[str, Any]:
    """A row with plain numbers, shortened to what the measure can tell."""
    values = {name: row.get(name) for name in ("value", "ci_low", "ci_high")}
    numbers = {**values, "baseline": baseline, "unrounded": unrounded}
    return {"quantity": quantity} | {
        name: None if number is None else round(float(number), 6)
        for name, number in numbers.items()
    }


def _exact(quantity: str, value: float) -> dict[str, Any]:
    """A row of something that no model decides."""
    return _figure(quantity, {"value": value}, None, value)
