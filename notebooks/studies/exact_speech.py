"""What VD and CM tell of a moment when speech itself takes the place of features.

A single place shows what is said, exactly and without any emotion: neither backbone nor learning
stands between speech and score. What is lost here, a formulation loses by its arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as functional
from matplotlib.axes import Axes
from torch import Tensor

from spfem.corpus.clips import Corpus
from spfem.correlation.frames import FramePairs, FrameWindows, held_steps
from spfem.correlation.stccl import adjacent_differences, correlation_entries, held_pairs
from spfem.settings import EvaluationSettings
from spfem.statistics import cluster_bootstrap
from studies.moment_similarity import statistic_of
from studies.window_similarity import WindowChoice, list_window_comparisons, same_place

WINDOWS = (3, 5, 8, 13)  # frames
FORMULATIONS = ("vd", "cm")


def what_is_said(corpus: Corpus, visemes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Speech (T, C) of each clip of `visemes` by key: the weights of all mouth shapes.

    Of recordings, which have no truth, a column for each kind of sound of `visemes`.
    """
    if not corpus.has_truth:
        kinds = max(int(named.max()) for named in visemes.values()) + 1
        return {key: np.eye(kinds)[named] for key, named in visemes.items()}
    said = {}
    for clip in corpus.clips:
        if clip.key in visemes:
            with np.load(clip.truth) as arrays:
                said[clip.key] = arrays["viseme_weights"]
    return said


def score_exact_speech(
    frames: FramePairs,
    visemes: Mapping[str, np.ndarray],
    speech: Mapping[str, np.ndarray],
    settings: EvaluationSettings,
    *,
    lengths: Sequence[int] = WINDOWS,
) -> pd.DataFrame:
    """Chance that the same moment scores above another one, for windows of several lengths.

    Comparisons and scores are those of `similarity.csv`, of one place with `speech` for features.

    Args:
        frames: clip pairs.
        visemes: dominant mouth shape (T,) of each clip by key; other moments have another one.
        speech: what is said in each frame (T, C) of each clip by key.
        settings: number of comparisons, and those of the intervals.
        lengths: of windows, in frames.

    Returns:
        Rows `frames, formulation, speech_auc, ci_low, ci_high, comparisons`.
    """
    rows = []
    for length in lengths:
        windows = FrameWindows(frames, length)
        choices = list_window_comparisons(windows, visemes, settings.comparisons, seed=0)
        pairs = [frames.pairs[choice.pair] for choice in choices]
        clusters = np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs])
        for formulation in FORMULATIONS:
            scores = score_windows(windows, choices, speech, formulation)
            interval = cluster_bootstrap(
                scores[:, None],
                clusters,
                statistic=statistic_of("speech_auc"),
                resamples=settings.resamples,
                confidence=settings.confidence,
                seed=0,
            )
            found = {"speech_auc": interval.value, "ci_low": interval.low, "ci_high": interval.high}
            labels = {"frames": length, "formulation": formulation}
            rows.append({**labels, **found, "comparisons": len(choices)})
    return pd.DataFrame(rows)


def score_windows(
    windows: FrameWindows,
    choices: Sequence[WindowChoice],
    speech: Mapping[str, np.ndarray],
    formulation: str,
) -> np.ndarray:
    """Scores (N, 2) of the same and of another moment, by the arithmetic of a formulation."""
    sides: dict[str, list[np.ndarray]] = {name: [] for name in ("query", "key", "other")}
    held: list[np.ndarray] = []
    for choice in choices:
        pair, steps = windows.frames.pairs[choice.pair], np.arange(windows.window_frames)
        entries, others = pair.path[choice.start + steps], pair.path[choice.other_start + steps]
        sides["query"].append(speech[pair.source][entries[:, 0]])
        sides["key"].append(speech[pair.target][entries[:, 1]])
        sides["other"].append(speech[pair.target][others[:, 1]])
        own, far = held_steps(entries), held_steps(others)
        held.append(np.stack([own, np.stack([own[:, 0], far[:, 1]], axis=1)]))
    still = torch.from_numpy(np.stack(held))  # (N, 2, T - 1, 2)
    query, *candidates = (
        torch.from_numpy(np.stack(rows)).float()[..., None] for rows in sides.values()
    )
    return np.stack(
        [
            _agreement(query, candidate, still[:, number], formulation).numpy()
            for number, candidate in enumerate(candidates)
        ],
        axis=1,
    )


def _agreement(query: Tensor, key: Tensor, held: Tensor, formulation: str) -> Tensor:
    """Cosine (N,) of what a formulation makes of two windows (N, T, C, 1); held steps as there."""
    if formulation == "vd":
        one, two = (functional.normalize(adjacent_differences(x), dim=2) for x in (query, key))
        return same_place(one, two, ~held_pairs(held, "adjacent"))[:, 0]
    keep = ~held_pairs(held, "all")
    one, two = (correlation_entries(functional.normalize(x, dim=2), keep) for x in (query, key))
    return same_place(one[:, None], two[:, None], torch.ones(len(one), 1, dtype=torch.bool))[:, 0]


def draw_exact_speech(ax: Axes, table: pd.DataFrame) -> None:
    """Rows of `score_exact_speech`: a line a formulation over the length of windows."""
    for name, rows in table.groupby("formulation", sort=False):
        around = (rows.speech_auc - rows.ci_low, rows.ci_high - rows.speech_auc)
        ax.errorbar(rows.frames, rows.speech_auc, around, marker="o", capsize=3, label=str(name))
    ax.axhline(0.5, color="0.6", linestyle=":")
    ax.set(xlabel="frames of a window", ylabel="speech_auc of exact speech")
    ax.legend()
