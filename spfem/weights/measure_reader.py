"""How truly a reader shows what held-out actors do, before and after it, against exact truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spfem import stages
from spfem.errors import CorpusError
from spfem.face_units import FACE_UNIT_NAMES
from spfem.reading.persons import know_person, read_fitted
from spfem.reading.reader import FaceReader
from spfem.settings import ReadSettings
from spfem.statistics import cluster_bootstrap
from spfem.weights.measure import HELD_OUT, Figures, figure
from spfem.workspace import Workspace

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

    The baseline is the fit without a reader. What the package ships plays no part.

    Args:
        workspace: of the corpus.
        files: checkpoints `value` (as shipped) and `unrounded`.
        seed: of the reader's learning; reading needs none.

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
    interval = cluster_bootstrap(
        errors,
        np.array([[key.split("/")[0], key] for key in truth]),
        resamples=workspace.scale.evaluation.resamples,
        confidence=workspace.scale.evaluation.confidence,
        seed=0,
    )
    bounds = {"unit_error": {"ci_low": interval.low, "ci_high": interval.high}}
    return [
        figure(
            quantity,
            {"value": value, **bounds.get(quantity, {})},
            scores["baseline"][quantity],
            scores["unrounded"][quantity],
        )
        for quantity, value in scores["value"].items()
    ]


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
