"""What a planned run can tell, from a pilot: asked before the run, and before any effect is seen.

The pilot are the first seeds of the run itself (`pilot_of`): what their paired differences vary
by, not how large they are. A paired difference of one clip and one seed varies by three things
that do not depend on each other,

    d = effect + clip (of its actor) + seed + clip and seed together,

each with a variance. The run averages the first over its clips, the second over its seeds and the
third over both, so more clips do not help where seeds differ, nor more seeds where clips do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from spfem.corpus.protocol import SETTINGS
from spfem.errors import SettingsError
from spfem.evaluation.differences import pair_scores
from spfem.evaluation.estimates import AVERAGE, Cell, Estimates, Pairs
from spfem.evaluation.redraws import degrees_of_freedom, reach_of_power
from spfem.evaluation.scores import ClipScore, FaceSample
from spfem.evaluation.tables import HIGHER_IS_BETTER, of_base
from spfem.methods import BASES, METHODS, NED
from spfem.settings import EvaluationSettings

PILOT_SEEDS = 3
COLUMNS = (
    "base", "metric", "backbone", "clips", "seeds", "sd_clips", "sd_seeds", "sd_both",
    "detectable_80",
)  # fmt: skip


@dataclass(frozen=True)
class PlannedRun:
    """Numbers of a run, of one setting.

    Attributes:
        actors: who are edited.
        sources: neutral clips of each that are edited.
        seeds: of each method.
        edit_share: of the edits that a single seed makes, in (0, 1]; all seeds together make all.

    Raises:
        SettingsError: if a number is too small, or the share out of range.
    """

    actors: int
    sources: int
    seeds: int
    edit_share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be planned."""
        if min(self.actors, self.sources, self.seeds) < 1 or not 0 < self.edit_share <= 1:
            raise SettingsError(
                f"a run needs an actor, a source, a seed and a share in (0, 1]; got {self}"
            )


class Variances(NamedTuple):
    """Of one paired difference, as squared shares of the baseline; a clip's include its actor's."""

    clips: float
    seeds: float
    both: float


def pilot_of(scores: Sequence[ClipScore], seeds: int = PILOT_SEEDS) -> list[ClipScore]:
    """The scores of the first seeds, of all methods."""
    first = sorted({score.seed for score in scores})[:seeds]
    return [score for score in scores if score.seed in first]


def planned_like(scores: Sequence[ClipScore]) -> PlannedRun:
    """The numbers of the run that scores are of; for its own power, and that of another like it."""
    made = {(score.base, score.edit, score.seed) for score in scores if score.method == NED}
    edits, seeds = {edit for _, edit, _ in made}, {seed for _, _, seed in made}
    bases, actors = {base for base, _, _ in made}, {edit.actor for edit in edits}
    sources = {edit.source for edit in edits}
    share = len(made) / (len(bases) * len(edits) * len(seeds))
    return PlannedRun(len(actors), len(sources) // len(actors), len(seeds), share)


def power_table(
    pilot: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    planned: PlannedRun,
) -> pd.DataFrame:
    """Rows with `COLUMNS`: what would be told from zero with 80 % power, base by base.

    Args:
        pilot: scores of plain NED and of at least one other method, from at least two seeds.
        real: samples of real clips of the target actors, for the Fréchet distances.
        settings: confidence of the intervals.
        planned: the numbers of the run.

    Returns:
        One row a base and metric, over all methods and settings of the pilot. `clips` and `seeds`
        are planned (source clips of one setting); `sd_clips`, `sd_seeds` and `sd_both` are
        standard deviations of a paired difference of one clip and seed, by its clip (its actor
        included), by its seed, and by both together; they and `detectable_80` are shares of plain
        NED's value. NaN where the pilot has one seed, or nothing was measured.
    """
    found: dict[tuple[str, str, str], list[Variances]] = {}
    estimates = Estimates(real, settings)
    for base, pairs in _comparisons(pilot):
        actors = len({score.edit.actor for score, _ in pairs})
        sources = len({score.edit.source for score, _ in pairs})
        for (metric, backbone), cells in estimates.of_differences(pairs).items():
            if cells:
                parts = _variances(cells[AVERAGE], actors, sources)
                found.setdefault((base, metric, backbone), []).append(parts)
    order = list(HIGHER_IS_BETTER)
    rows = []
    for base, metric, backbone in sorted(
        found, key=lambda key: (BASES.index(key[0]), order.index(key[1]))
    ):
        mean = Variances(*np.mean(found[base, metric, backbone], axis=0))
        told = detectable(mean, planned, settings.confidence)
        clips = planned.actors * planned.sources
        rows.append((base, metric, backbone, clips, planned.seeds, *np.sqrt(mean), told))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _comparisons(pilot: Sequence[ClipScore]) -> Iterator[tuple[str, Pairs]]:
    others: Iterable[str] = (name for name, m in METHODS.items() if m.supervised)
    for base, setting, method in product(BASES, SETTINGS, others):
        part = [s for s in of_base(pilot, base) if s.edit.setting == setting]
        if pairs := pair_scores(part, method, NED):
            yield base, pairs


def _variances(cell: Cell, actors: int, sources: int) -> Variances:
    """Variances of one difference, from those of the mean over the pilot."""
    by_actor, by_seed, by_both = cell.estimate.variances
    seeds, base = int(np.isfinite(cell.estimate.by_seed).sum()), cell.baseline**2
    if seeds < 2 or base == 0:
        return Variances(np.nan, np.nan, np.nan)
    groups = actors if actors > 1 else sources
    clips, runs = sources * max(by_actor - by_both, 0.0), seeds * max(by_seed - by_both, 0.0)
    return Variances(clips / base, runs / base, groups * seeds * by_both / base)


def detectable(variances: Variances, planned: PlannedRun, confidence: float) -> float:
    """Smallest true difference that the planned run tells from zero with 80 % power.

    In the unit of the square root of the variances. What the run has only one of is not averaged
    over, and its interval says nothing of it.
    """
    groups = planned.actors if planned.actors > 1 else planned.sources
    both = variances.both / (groups * planned.seeds * planned.edit_share)
    of_clips = variances.clips / (planned.actors * planned.sources) + both
    of_seeds = variances.seeds / planned.seeds + both
    factors = [(of_clips, groups - 1), (of_seeds, planned.seeds - 1)]
    factors = [factor for factor in factors if factor[1] > 0]
    shared = both if len(factors) == 2 else 0.0
    if not factors or not np.isfinite([variance for variance, _ in factors]).all():
        return np.nan
    variance = sum(variance for variance, _ in factors) - shared
    freedom = degrees_of_freedom(variance, factors, shared)
    return float(np.sqrt(variance) * reach_of_power(freedom, confidence))
