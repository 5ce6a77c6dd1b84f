"""Rows of an ablation table: each variant against the one it belongs to, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from spfem.errors import ShapeError
from spfem.settings import EvaluationSettings
from spfem.statistics import area_under_curve, holm, redraw_counts
from studies.ablation_stages import AblationTable, Measured, measured_means
from studies.ablation_variants import DEFAULT, Quantity, find_variant

COLUMNS = (
    "table", "variant", "component", "what", "against", "quantity", "value", "difference",
    "ci_low", "ci_high", "seed_low", "seed_high", "p_adjusted", "comparisons", "clear", "better",
    "seeds", "steps", "actors", "clips",
)  # fmt: skip
LEVEL = 0.05  # of the adjusted test
REDRAW_SEED = 0
Runs = Mapping[str, Mapping[int, Mapping[str, Measured]]]
"""Variant, then seed, then quantity."""


def ablation_rows(
    table: AblationTable, runs: Runs, settings: EvaluationSettings, *, steps: int
) -> pd.DataFrame:
    """Rows with `COLUMNS`, variants in the order of the table, then quantities.

    A variant is compared with the variant `against` on the same observations and the seeds that
    both have. Intervals redraw actors, then clips, alike on both sides (percentile bootstrap);
    they do not tell how much another seed would change the learning: `seed_low` and `seed_high`
    give the range of the differences of single seeds. `p_adjusted` is two-sided, of the
    difference over its bootstrap deviation by Student's t with one degree of freedom less than
    actors, since few of them are redrawn; Holm-adjusted over the variants of the table
    (`comparisons`), for each quantity. `clear` asks for p_adjusted < 0.05 and one sign over all
    seeds; `better` says that the difference has the good sign, clear or not.

    Variants that were measured without their counterpart have no difference.

    Raises:
        ShapeError: if two sides were measured on different clips.
    """
    rows = [
        _row(table, name, quantity, runs, settings)
        for name in (variant.name for variant in table.variants)
        if runs.get(name)
        for quantity in table.quantities
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).assign(steps=steps)
    for quantity in table.quantities:
        tested = (frame.quantity == quantity) & frame.p_adjusted.notna()
        frame.loc[tested, "comparisons"] = int(tested.sum())
        frame.loc[tested, "p_adjusted"] = holm(frame.p_adjusted[tested].to_numpy(float))
    one_sign = (frame.seed_low > 0) | (frame.seed_high < 0)
    frame["clear"] = (frame.p_adjusted < LEVEL) & one_sign
    return frame


def _observed(run: Mapping[str, Measured], name: str, kind: Quantity) -> Measured:
    """What a quantity is computed from, in the units that it is shown in."""
    if not kind.wins_of:
        measured = run[name]
        return replace(measured, values=measured.values * (kind.factor, 1.0))
    scores = run[kind.wins_of]
    right, wrong = scores.values.T
    return measured_means((right > wrong) + 0.5 * (right == wrong), scores.clusters)


def _row(
    table: AblationTable, name: str, quantity: str, runs: Runs, settings: EvaluationSettings
) -> dict[str, Any]:
    variant = find_variant(table.variants, name)
    kind = table.quantities[quantity]
    own, other = runs[name], runs.get(variant.against, {})
    seeds = sorted(own)
    observed = [_observed(own[seed], quantity, kind) for seed in seeds]
    clusters = observed[0].clusters
    row: dict[str, Any] = {
        "table": table.name,
        "variant": name,
        "component": variant.component,
        "what": variant.what,
        "against": "" if name == DEFAULT else variant.against,
        "quantity": quantity,
        "value": _value(observed, kind),
        "comparisons": 0,
        "seeds": len(seeds),
        "actors": len(set(clusters[:, 0])),
        "clips": len(np.unique(clusters, axis=0)),
        "clear": False,
        "better": False,
    }
    shared = [seed for seed in seeds if seed in other]
    if name == DEFAULT or not shared:
        return row
    sides = [[_observed(side[seed], quantity, kind) for seed in shared] for side in (own, other)]
    row["seeds"] = len(shared)
    return row | _difference(sides[0], sides[1], kind, settings, row["actors"])


def _difference(
    own: Sequence[Measured],
    other: Sequence[Measured],
    kind: Quantity,
    settings: EvaluationSettings,
    actors: int,
) -> dict[str, Any]:
    clusters = own[0].clusters
    if any(not np.array_equal(each.clusters, clusters) for each in (*own, *other)):
        raise ShapeError("variants must be measured on the same clips to be compared")
    single = [_value([a], kind) - _value([b], kind) for a, b in zip(own, other, strict=True)]
    counts = redraw_counts(clusters, resamples=settings.resamples, seed=REDRAW_SEED)
    both = zip(own, other, strict=True)
    draws = np.mean([_redrawn(a, counts, kind) - _redrawn(b, counts, kind) for a, b in both], 0)
    difference = float(np.mean(single))
    tail = 50 * (1 - settings.confidence)
    low, high = np.nanpercentile(draws, [tail, 100 - tail])
    deviation = float(np.nanstd(draws))
    degrees = max(1, actors - 1)
    p_value = 2 * stats.t.sf(abs(difference) / deviation, degrees) if deviation > 0 else np.nan
    return {
        "difference": difference,
        "ci_low": float(low),
        "ci_high": float(high),
        "seed_low": min(single),
        "seed_high": max(single),
        "p_adjusted": float(p_value),
        "better": bool(difference * kind.better > 0),
    }


def _value(seeds: Sequence[Measured], kind: Quantity) -> float:
    """Mean over seeds."""
    return float(np.mean([_single_value(each.values, kind) for each in seeds]))


def _single_value(values: np.ndarray, kind: Quantity) -> float:
    if kind.ranks:
        return area_under_curve(values[:, 0], values[:, 1])
    sums, counts = values.sum(axis=0)
    return float(sums / counts) if counts else float("nan")


def _redrawn(measured: Measured, counts: np.ndarray, kind: Quantity) -> np.ndarray:
    """(R,) the value where row n occurs `counts[r, n]` times."""
    if not kind.ranks:
        sums = counts @ measured.values
        return np.divide(
            sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0
        )
    right, wrong = measured.values.T
    beats = (right[:, None] > wrong) + 0.5 * (right[:, None] == wrong)  # (N, N)
    return np.einsum("rn,nm,rm->r", counts, beats, counts, optimize=True) / counts.sum(axis=1) ** 2


def wide_table(rows: pd.DataFrame, table: AblationTable) -> pd.DataFrame:
    """Rows as a paper prints them: a line a variant, a column a quantity.

    A cell holds the value and, below the default, the difference with its interval. Bold marks
    what is `clear` and better.
    """
    lines = []
    for name, part in rows.groupby("variant", sort=False):
        first = part.iloc[0]
        line = {"component": first.component, "variant": name, "against": first.against}
        for row in part.itertuples(index=False):
            line[table.quantities[str(row.quantity)].label] = _cell(row)
        lines.append(line)
    return pd.DataFrame(lines)


def _cell(row: Any) -> str:
    text = f"{row.value:.3f}"
    if not np.isnan(row.difference):
        text += f" ({row.difference:+.3f} [{row.ci_low:+.3f}, {row.ci_high:+.3f}])"
    return f"**{text}**" if row.clear and row.better else text


def in_words(rows: pd.DataFrame, table: AblationTable) -> list[str]:
    """One sentence a quantity: what clearly helps or harms, and what the adjustment leaves open."""
    sentences = []
    for quantity, kind in table.quantities.items():
        part = rows[(rows.quantity == quantity) & rows.difference.notna()]
        if part.empty or not kind.better:
            continue
        clear = part[part.clear]
        good, bad = clear[clear.better], clear[~clear.better]
        off_zero = (part.ci_low > 0) | (part.ci_high < 0)
        left_open = part[off_zero & ~part.clear]

        def listed(some: pd.DataFrame) -> str:
            named = [f"{row.variant} ({row.difference:+.3f})" for row in some.itertuples()]
            return ", ".join(named) or "none"

        sentences.append(
            f"{kind.label}: clearly better: {listed(good)}; clearly worse: {listed(bad)}; off "
            f"zero on its own but not among so many: {listed(left_open)}; all others cannot be "
            "told apart from what they are compared with."
        )
    return sentences
