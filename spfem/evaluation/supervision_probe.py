"""What a metric does as supervision: does it pull a wrong mouth back to what is said?

At moments of an unseen actor the emotional face gets the mouth of another moment; then nothing but
the metric acts on its face units, through drawn heads, as it supervises the manipulator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from spfem.correlation.frame_pairs import FramePairs
from spfem.correlation.similarity import Comparison
from spfem.errors import ShapeError
from spfem.face.differentiable import ShapeRenderer
from spfem.face.track_file import FaceTrack
from spfem.face_units import FACE_UNIT_NAMES
from spfem.settings import EvaluationSettings
from spfem.statistics import Interval, cluster_bootstrap

JAW = (0,)
MOUTH = tuple(
    column
    for column, name in enumerate(FACE_UNIT_NAMES)
    if name.startswith(("jaw", "mouth", "tongue"))
)
OTHERS = tuple(column for column in range(len(FACE_UNIT_NAMES)) if column not in MOUTH)
UNITS: Mapping[str, tuple[int, ...]] = {"jaw_opening": JAW, "mouth": MOUTH, "rest_of_face": OTHERS}
STEPS = 40
RATE = 0.02  # of Adam, in face units

FrameLoss = Callable[[Tensor, Tensor], Tensor]
"""Scalar loss of generated and source windows (N, T, 3, S, S) RGB in [-1, 1]."""


def frame_by_frame(metric: Callable[[Tensor, Tensor], Tensor]) -> FrameLoss:
    """Use a metric of single images (B, 3, S, S) on windows."""
    return lambda generated, source: metric(generated.flatten(0, 1), source.flatten(0, 1))


@dataclass(frozen=True)
class WrongMouths:
    """N windows of T frames whose emotional face has the mouth of another moment.

    `identity` (N, I); `source`, `truth` and `wrong` are face units (N, T, E): of the neutral
    clip, of the emotional clip at the same moments, and the latter with the mouth units of
    another moment. `clusters` (N, 2) names actor and clip pair.
    """

    identity: np.ndarray
    source: np.ndarray
    truth: np.ndarray
    wrong: np.ndarray
    clusters: np.ndarray


def plant_wrong_mouths(
    faces: Mapping[str, FaceTrack],
    frames: FramePairs,
    comparisons: Sequence[Comparison],
    *,
    window_frames: int = 1,
) -> WrongMouths:
    """Cut a window around the frames of each comparison; windows stay inside their clips.

    Args:
        faces: tracks by clip key.
        frames: clip pairs that the comparisons point into.
        comparisons: frames (i, j) say the same, (i, other) do not.
        window_frames: T; metrics over time need more than 1.

    Raises:
        ShapeError: if nothing is to be compared.
    """
    if not comparisons:
        raise ShapeError("no comparison to plant a wrong mouth in; list some first")
    reach = np.arange(window_frames) - window_frames // 2
    kept: dict[str, list[np.ndarray]] = {name: [] for name in WrongMouths.__dataclass_fields__}
    for row in comparisons:
        pair = frames.pairs[row.pair]
        neutral, emotional = faces[pair.source], faces[pair.target]
        last = len(emotional.expression) - 1
        shown, other = (
            np.clip(frame + reach, 0, last) for frame in (row.target_frame, row.other_frame)
        )
        said = [pair.path[np.abs(pair.path[:, 1] - frame).argmin(), 0] for frame in shown]
        said[window_frames // 2] = row.source_frame
        wrong = emotional.expression[shown].copy()
        wrong[:, MOUTH] = emotional.expression[other][:, MOUTH]
        kept["identity"].append(emotional.identity)
        kept["source"].append(neutral.expression[said])
        kept["truth"].append(emotional.expression[shown])
        kept["wrong"].append(wrong)
        kept["clusters"].append(np.array([pair.actor, f"{pair.source} {pair.target}"]))
    return WrongMouths(**{name: np.stack(values) for name, values in kept.items()})


def follow_metric(
    mouths: WrongMouths,
    loss: FrameLoss,
    renderer: ShapeRenderer,
    *,
    steps: int = STEPS,
    rate: float = RATE,
    seed: int = 0,
) -> np.ndarray:
    """Move all face units by Adam under the loss alone, from the wrong mouth.

    Args:
        mouths: where to start, and the neutral faces that are the source.
        loss: of drawn windows; its random places are drawn from `seed`.
        renderer: draws heads at the metric's image size.
        steps: of Adam.
        rate: of Adam.
        seed: of the places.

    Returns:
        (N, T, E) face units in [0, 1].
    """
    count, frames = mouths.wrong.shape[:2]
    identity = torch.from_numpy(mouths.identity).repeat_interleave(frames, dim=0)
    units = torch.from_numpy(mouths.wrong).flatten(0, 1).clone().requires_grad_()
    with torch.no_grad():
        source = renderer(identity, torch.from_numpy(mouths.source).flatten(0, 1))
    optimiser = torch.optim.Adam([units], lr=rate)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(steps):
            optimiser.zero_grad(set_to_none=True)
            drawn = renderer(identity, units)
            loss(*(images.unflatten(0, (count, frames)) for images in (drawn, source))).backward()
            optimiser.step()
            with torch.no_grad():
                units.clamp_(0, 1)
    return units.detach().unflatten(0, (count, frames)).numpy()


def recover_mouths(
    mouths: WrongMouths,
    losses: Mapping[str, FrameLoss],
    renderer: ShapeRenderer,
    settings: EvaluationSettings,
    *,
    steps: int = STEPS,
    rate: float = RATE,
) -> pd.DataFrame:
    """Distance of the face units from the truth, after following each loss, over before.

    Below 1 the metric pulls towards the truth, above 1 away from it. `rest_of_face` starts at the
    truth, so it has no ratio; its `after` is the emotion that the metric takes away.

    Returns:
        `metric, units, before, after, ratio, ci_low, ci_high, moments, steps`; distances are mean
        absolute differences of the units, the interval is that of the ratio.
    """
    rows = []
    for name, loss in losses.items():
        moved = follow_metric(mouths, loss, renderer, steps=steps, rate=rate)
        for units, columns in UNITS.items():
            distances = np.stack(
                [
                    np.abs(found - mouths.truth)[..., columns].mean(axis=(1, 2))
                    for found in (moved, mouths.wrong)
                ],
                axis=1,
            )
            after, before = distances.mean(axis=0)
            interval = Interval(np.nan, np.nan, np.nan)
            if before > 0:
                interval = cluster_bootstrap(
                    distances,
                    mouths.clusters,
                    statistic=_ratio,
                    resamples=settings.resamples,
                    confidence=settings.confidence,
                    seed=0,
                )
            rows.append(
                {
                    "metric": name,
                    "units": units,
                    "before": before,
                    "after": after,
                    "ratio": interval.value,
                    "ci_low": interval.low,
                    "ci_high": interval.high,
                    "moments": len(distances),
                    "steps": steps,
                }
            )
    return pd.DataFrame(rows)


def _ratio(distances: np.ndarray) -> float:
    after, before = distances.sum(axis=0)
    return float(after / before) if before > 0 else np.nan
