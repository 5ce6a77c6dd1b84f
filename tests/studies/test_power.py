"""Power: planted variances come out, and runs find an effect of the size that is named."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from studies.power import (
    COLUMNS,
    PlannedRun,
    Variances,
    detectable,
    pilot_of,
    planned_like,
    power_table,
)

from spfem.corpus.protocol import Edit
from spfem.errors import SettingsError
from spfem.evaluation.redraws import crossed_redraws
from spfem.evaluation.scores import CLIP_METRICS, ClipScore
from spfem.settings import EvaluationSettings
from tests.evaluation.made_up import crossed_rows, make_sample, planted_values

SETTINGS = EvaluationSettings(resamples=20, frechet_resamples=2)
BASELINE = 2.0
DEVIATIONS = (0.2, 0.1, 0.15, 0.1, 0.0)  # actor, clip, seed, actor with seed
PLANNED = PlannedRun(actors=8, sources=2, seeds=6)
TRUE = Variances(0.2**2 * 2 + 0.1**2, 0.15**2, 0.1**2)  # two clips an actor count for one


def make_pilot(*, actors, seeds, deviations=DEVIATIONS, base="moved"):
    """Plain NED at `BASELINE`, another method with planted differences in every metric."""
    random = np.random.default_rng(4)
    labels, runs = crossed_rows(actors=actors, clips=2, emotions=1, seeds=seeds)
    sample = make_sample(random, "A0", "sad")
    planted = planted_values(random, labels, runs, deviations)
    scores = []
    for (actor, clip), seed, value in zip(labels, runs, planted, strict=True):
        edit = Edit("intra", f"{actor}/neutral/1/{clip}", "", "sad", actor)
        for method, score in (("ned", BASELINE), ("ned+asccl", BASELINE + value)):
            values = dict.fromkeys(CLIP_METRICS, score)
            scores.append(ClipScore(edit, method, int(seed), values, "sad", sample, base=base))
    return scores


def test_planted_variances_come_out():
    pilot = make_pilot(actors=30, seeds=30) + make_pilot(actors=30, seeds=30, base="ned")
    table = power_table(pilot, [], SETTINGS, PLANNED)
    assert tuple(table.columns) == COLUMNS
    assert list(dict.fromkeys(table.base)) == ["moved", "ned"]
    row = table[(table.metric == "mouth_error") & (table.base == "ned")].iloc[0]
    assert (row.clips, row.seeds) == (16, 6)
    found = BASELINE * row[["sd_clips", "sd_seeds", "sd_both"]].to_numpy(float)
    assert found == pytest.approx(np.sqrt(TRUE), rel=0.2)
    wanted = detectable(TRUE, PLANNED, SETTINGS.confidence) / BASELINE
    assert row.detectable_80 == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize("every", [1, 2], ids=["all edits a seed", "half of them"])
def test_four_of_five_runs_find_an_effect_of_that_size(every):
    planned = replace(PLANNED, edit_share=1 / every)
    effect = detectable(TRUE, planned, SETTINGS.confidence)
    labels, seeds = crossed_rows(actors=8, clips=2, emotions=4, seeds=6, every=every)
    random = np.random.default_rng(0)
    values = np.stack(
        [planted_values(random, labels, seeds, DEVIATIONS) for _ in range(300)], axis=1
    )
    redraws = crossed_redraws(labels, seeds, resamples=200, seed=0)
    means = redraws.weights @ values / redraws.weights.sum(axis=1, keepdims=True)
    intervals = [e.interval(SETTINGS.confidence) for e in redraws.estimates(means)]
    found = np.mean([interval.low + effect > 0 for interval in intervals])
    assert found == pytest.approx(0.8, abs=0.08)


def test_more_of_what_varies_tells_more():
    only_seeds, only_clips = Variances(0.0, 1.0, 0.0), Variances(1.0, 0.0, 0.0)
    more = {"clips": replace(PLANNED, sources=8), "seeds": replace(PLANNED, seeds=24)}
    for name, variances in (("seeds", only_seeds), ("clips", only_clips)):
        before = detectable(variances, PLANNED, 0.95)
        for kind, planned in more.items():
            wanted = before / 2 if kind == name else before
            # More seeds are more degrees of freedom too.
            assert detectable(variances, planned, 0.95) == pytest.approx(wanted, rel=0.2)


def test_a_run_is_planned_like_its_scores():
    scores = make_pilot(actors=3, seeds=4)
    assert planned_like(scores) == PlannedRun(actors=3, sources=2, seeds=4)
    edits = list(dict.fromkeys(score.edit for score in scores))
    part = [s for s in scores if (edits.index(s.edit) + s.seed) % 2 == 0]
    assert planned_like(part) == PlannedRun(actors=3, sources=2, seeds=4, edit_share=0.5)


def test_a_pilot_are_the_first_seeds_and_one_seed_tells_nothing():
    scores = make_pilot(actors=3, seeds=5)
    assert {score.seed for score in pilot_of(scores)} == {0, 1, 2}
    table = power_table(pilot_of(scores, 1), [], SETTINGS, PLANNED)
    assert table.detectable_80.isna().all()
    for given in product((0, 1), repeat=3):
        if not all(given):
            with pytest.raises(SettingsError, match="needs an actor"):
                PlannedRun(*given)
