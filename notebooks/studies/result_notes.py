"""What the main results rest on: frames behind a FAD, its floor, the best in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spfem.evaluation.frechet import frechet_backbones, frechet_distance, frechet_features
from spfem.evaluation.scores import ClipScore, FaceSample
from spfem.evaluation.tables import HIGHER_IS_BETTER
from spfem.methods import METHODS, NED
from spfem.settings import EMOTIONS


def frame_counts(scores: Sequence[ClipScore], real: Sequence[FaceSample]) -> pd.DataFrame:
    """Frames behind each Fréchet distance: compare only distances of equal counts.

    Returns:
        Columns base, setting, method, backbone, emotion, generated_frames, real_frames.
    """
    rows = [
        {
            "base": s.base,
            "setting": s.edit.setting,
            "method": s.method,
            "backbone": backbone,
            "emotion": s.edit.emotion,
            "generated_frames": len(frechet_features(s.sample, backbone)),
        }
        for s in scores
        for backbone in frechet_backbones(real)
    ]
    key = ["base", "setting", "method", "backbone", "emotion"]
    table = pd.DataFrame(rows).groupby(key, as_index=False, sort=False).sum()
    table["real_frames"] = [
        sum(len(frechet_features(s, backbone)) for s in real if s.emotion == emotion)
        for backbone, emotion in zip(table.backbone, table.emotion, strict=True)
    ]
    return table


def real_floor(real: Sequence[FaceSample]) -> pd.DataFrame:
    """Fréchet distance of real clips to other real clips of the same actors and emotion.

    One clip of each actor stands for a method's edits, all other clips of that emotion for the
    real set; the mean over which clip that is. So the left side has as many clips as a method's
    edits of one source an actor, the right side one clip an actor less than in the results.

    Returns:
        Columns backbone, emotion, value, low, high (range over the choice of clips),
        generated_frames, real_frames (means); the average of each backbone stands last.
    """
    rows = []
    for backbone in frechet_backbones(real):
        for emotion in EMOTIONS:
            by_actor: dict[str, list[np.ndarray]] = {}
            for sample in real:
                if sample.emotion == emotion:
                    features = frechet_features(sample, backbone)
                    by_actor.setdefault(sample.actor, []).append(features)
            found, choices = [], min(map(len, by_actor.values()), default=0)
            if choices < 2:
                continue
            for left_out in range(choices):
                shown = np.concatenate([clips[left_out] for clips in by_actor.values()])
                rest = (clips[:left_out] + clips[left_out + 1 :] for clips in by_actor.values())
                others = np.concatenate([clip for clips in rest for clip in clips])
                found.append((frechet_distance(shown, others), len(shown), len(others)))
            values, left, right = (np.asarray(column, float) for column in zip(*found, strict=True))
            rows.append(
                (backbone, emotion, values.mean(), values.min(), values.max(), left.mean(),
                 right.mean())
            )  # fmt: skip
    names = ["backbone", "emotion", "value", "low", "high", "generated_frames", "real_frames"]
    table = pd.DataFrame(rows, columns=names)
    average = table.groupby("backbone", as_index=False, sort=False)[names[2:]].mean()
    return pd.concat([table, average.assign(emotion="average")], ignore_index=True)[names]


def best_in_words(differences: pd.DataFrame, metric: str, backbone: str | None = None) -> list[str]:
    """One sentence a base and setting: which method moved a metric most, how surely.

    Args:
        differences: from `method_differences`; comparisons with plain NED count.
        metric: for example `mouth_error`.
        backbone: needed where a metric has several.
    """
    part = differences[(differences.metric == metric) & differences.difference.notna()]
    part = part[part.against == NED]
    if backbone is not None:
        part = part[part.backbone == backbone]
    sentences = []
    for (base, setting), rows in part.groupby(["base", "setting"], sort=False):
        gains = rows.difference if HIGHER_IS_BETTER[metric] else -rows.difference
        row = rows[gains == gains.max()].iloc[0]
        sure = "clear of zero"
        if not row.clear:
            sure = f"undecided: a change of {row.detectable_80:.1%} would be seen in 4 of 5 runs"
        verdict = "better than NED" if row.better else "no better than NED, like all others"
        sentences.append(
            f"{metric}, base {base}, {setting}: {METHODS[row.method].title} is {verdict}: "
            f"{row.difference:+.3g} ({row.relative_difference:+.1%} of {row.baseline:.3g}), "
            f"interval [{row.ci_low:+.3g}, {row.ci_high:+.3g}], {sure}."
        )
    return sentences
