"""How long a step takes: measured before ablations start, on the default variant.

Rows of an ablation table: each variant against the one it belongs to, with intervals.

The five ablation tables.

Make the ablation tables: list what is missing, say how long it takes, learn it, read it.

An ablation table for readers: saved, drawn, and said in words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from tqdm.auto import tqdm

from spfem.correlation.frames import FrameWindows
from spfem.correlation.learn import train_temporal
from spfem.errors import ShapeError
from spfem.evaluation.tables import markdown_table
from spfem.processes import run_jobs
from spfem.run import edits
from spfem.run.workspace import Workspace
from spfem.settings import EvaluationSettings
from spfem.statistics import area_under_curve, holm, redraw_counts
from studies.ablation_metrics import (
    AblationTable,
    Material,
    ablation_folder,
    cross_modal_recipe,
    learn_partial,
    learn_variant,
    make_variant,
    measure_cross_modal,
    measure_retrieval,
    measure_spatial,
    measure_temporal,
    no_preparation,
    prepare_retrieval,
    read_material,
    read_variant,
    retrieval_recipe,
    spatial_recipe,
    spatial_settings,
    temporal_recipe,
    temporal_settings,
    variant_settings,
)
from studies.ablation_supervision import (
    measure_supervision,
    prepare_supervision,
    supervision_recipe,
    tune_variant,
    tuning_settings,
)
from studies.ablation_variants import (
    CALIBRATION,
    CROSS_MODAL_VARIANTS,
    DEFAULT,
    JOINT,
    RETRIEVAL_VARIANTS,
    SPATIAL_VARIANTS,
    SUPERVISION_VARIANTS,
    TEMPORAL_VARIANTS,
    Measured,
    Quantity,
    find_variant,
    first_variants,
    initial_partial_metric,
    measured_means,
)

MEASURED_STEPS = 3


def seconds_of_a_step(learn: Callable[[int], object]) -> float:
    """Seconds of one step of `learn(steps)`, without what it does once."""

    def seconds(steps: int) -> float:
        started = time.perf_counter()
        learn(steps)
        return time.perf_counter() - started

    learn(1)  # warms up
    once = seconds(1)
    return max(0.0, seconds(1 + MEASURED_STEPS) - once) / MEASURED_STEPS


def spatial_step_seconds(material: Material) -> float:
    """Of the default variant of the spatial metric."""

    def learn(steps: int) -> None:
        settings = spatial_settings(material, SPATIAL_VARIANTS[0], steps)
        learn_partial(
            initial_partial_metric(settings, 0).to(material.device), material.train, seed=0
        )

    return seconds_of_a_step(learn)


def temporal_step_seconds(material: Material) -> float:
    """Of the joint metric of windows."""

    def learn(steps: int) -> None:
        settings = temporal_settings(material, TEMPORAL_VARIANTS[0], steps)
        train = FrameWindows(material.train, settings.window_frames)
        train_temporal(JOINT, train, None, settings, seed=0, device=material.device)

    return seconds_of_a_step(learn)


def cross_modal_step_seconds(material: Material) -> float:
    """Of stage A of both modalities and of stage B together."""
    variant = CROSS_MODAL_VARIANTS[0]
    return seconds_of_a_step(
        lambda steps: learn_variant(
            material, variant, variant_settings(material, variant, steps), seed=0
        )
    )


def retrieval_seconds(material: Material) -> float:
    """Of one variant of retrieval, which learns nothing."""
    started = time.perf_counter()
    measure_retrieval(material, RETRIEVAL_VARIANTS[0], material.settings.seeds[0], Path())
    return time.perf_counter() - started


def supervision_step_seconds(material: Material) -> float:
    """Of a manipulator with everything that supervises."""
    settings, seed = tuning_settings(material), material.settings.seeds[0]
    return seconds_of_a_step(
        lambda steps: tune_variant(
            material, SUPERVISION_VARIANTS[0], replace(settings, tune_steps=steps), seed
        )
    )


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

    Args:
        table: variants and quantities.
        runs: what was measured; variants without their counterpart have no difference.
        settings: resamples and confidence.
        steps: of learning, for the table.

    Raises:
        ShapeError: if two sides were measured on different clips.
    """
    rows = [
        _row(table, name, quantity, runs, settings, steps)
        for name in (variant.name for variant in table.variants)
        if runs.get(name)
        for quantity in table.quantities
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
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
    table: AblationTable,
    name: str,
    quantity: str,
    runs: Runs,
    settings: EvaluationSettings,
    steps: int,
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
        "steps": steps,
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
    single = [
        _value([mine], kind) - _value([theirs], kind)
        for mine, theirs in zip(own, other, strict=True)
    ]
    counts = redraw_counts(clusters, resamples=settings.resamples, seed=REDRAW_SEED)
    draws = np.mean(
        [
            _redrawn(mine, counts, kind) - _redrawn(theirs, counts, kind)
            for mine, theirs in zip(own, other, strict=True)
        ],
        axis=0,
    )
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


SPEECH = {
    "speech_wins": Quantity("same above other speech ↑", 1, wins_of="speech_auc"),
    "speech_auc": Quantity("speech AUC ↑", 1, ranks=True),
}
PLACE = {"place_gap": Quantity("same minus other place ↑", 1)}
SPATIAL = AblationTable(
    "spatial",
    "ASCCL, the spatial metric",
    "matched moments of actors that the metric did not learn from",
    SPATIAL_VARIANTS,
    {**SPEECH, **PLACE, "mouth_share": Quantity("gradient on the mouth ↑", 1)},
    spatial_recipe,
    measure_spatial,
    no_preparation,
    lambda settings: settings.spatial_steps,
    spatial_step_seconds,
    180,
)
TEMPORAL = AblationTable(
    "temporal",
    "STCCL, the metric of windows",
    "matched windows of actors that the metric did not learn from",
    TEMPORAL_VARIANTS,
    {**SPEECH, **PLACE},
    temporal_recipe,
    measure_temporal,
    no_preparation,
    lambda settings: settings.temporal_steps,
    temporal_step_seconds,
    60,
)
CROSS_MODAL = AblationTable(
    "cross_modal",
    "SCMCL, the metric of sound and vision",
    "spoken moments of actors that the metric did not learn from",
    CROSS_MODAL_VARIANTS,
    {
        "sound_to_sound": Quantity("recall at 1, sound to sound ↑", 1),
        "sound_to_vision": Quantity("recall at 1, sound to vision ↑", 1),
        "vision_to_vision": Quantity("recall at 1, vision to vision ↑", 1),
    },
    cross_modal_recipe,
    measure_cross_modal,
    no_preparation,
    lambda settings: settings.cross_modal_steps,
    cross_modal_step_seconds,
    25,
)
RETRIEVAL = AblationTable(
    "retrieval",
    "SCMCL, the windows that sound finds",
    "spoken neutral windows of the target actors",
    RETRIEVAL_VARIANTS,
    {
        "same_viseme": Quantity("same viseme ↑", 1),
        "right_moment": Quantity("exactly the moment ↑", 1),
        "mouth_distance": Quantity("mouth units off the truth, % ↓", -1, factor=100),
        "covered": Quantity("windows with a pair", 0),
    },
    retrieval_recipe,
    measure_retrieval,
    prepare_retrieval,
    lambda settings: 1,
    retrieval_seconds,
    0,
)
SUPERVISION = AblationTable(
    "supervision",
    "the supervision of the manipulator",
    "codes of edits of held-back clips against the exact truth, before rendering",
    SUPERVISION_VARIANTS,
    {
        "mouth_error": Quantity("mouth units off the truth, % ↓", -1, factor=100),
        "expression_error": Quantity("all units off the truth, % ↓", -1, factor=100),
        "emotion_probability": Quantity("probability of the emotion ↑", 1),
        "emotion_accuracy": Quantity("emotion accuracy ↑", 1),
    },
    supervision_recipe,
    measure_supervision,
    prepare_supervision,
    lambda settings: settings.tune_steps,
    supervision_step_seconds,
    13,
)


TABLES: Mapping[str, AblationTable] = {
    table.name: table for table in (SPATIAL, TEMPORAL, CROSS_MODAL, RETRIEVAL, SUPERVISION)
}
NEEDS_METRICS = ("retrieval", "supervision")  # of the workspace, learned for some seeds only


@dataclass(frozen=True)
class AblationJob:
    """One variant learned from one seed."""

    workspace: Workspace
    table: str
    variant: str
    seed: int


def ablation_seeds(workspace: Workspace, table: str) -> tuple[int, ...]:
    """Seeds that a table is learned from; where it needs learned metrics, those that they have."""
    seeds = workspace.scale.ablations.seeds
    if table not in NEEDS_METRICS:
        return seeds
    return tuple(seed for seed in seeds if seed in workspace.scale.seeds)


def list_jobs(workspace: Workspace, names: Sequence[str] = tuple(TABLES)) -> list[AblationJob]:
    """All variants of all tables for the first seed, then for the next."""
    settings = workspace.scale.ablations
    return [
        AblationJob(workspace, name, variant.name, seed)
        for seed in settings.seeds
        for name in names
        if seed in ablation_seeds(workspace, name)
        for variant in first_variants(TABLES[name].variants, settings.variants)
    ]


def _read(material: Material, job: AblationJob) -> dict[str, Measured] | None:
    table = TABLES[job.table]
    if not ablation_folder(material, job.table, job.variant, job.seed).exists():
        return None  # before the recipe, which may need metrics that are not learned yet
    variant = find_variant(table.variants, job.variant)
    return read_variant(table.recipe(material, variant, job.seed))


def read_ablations(
    workspace: Workspace,
) -> dict[str, dict[str, dict[int, dict[str, Measured]]]]:
    """What is already made: table, variant, seed, quantity. Nothing is learned or removed."""
    material = read_material(workspace)
    found: dict[str, dict[str, dict[int, dict[str, Measured]]]] = {}
    for job in list_jobs(workspace):
        measured = _read(material, job)
        if measured is not None:
            found.setdefault(job.table, {}).setdefault(job.variant, {})[job.seed] = measured
    return found


def missing_jobs(workspace: Workspace, names: Sequence[str] = tuple(TABLES)) -> list[AblationJob]:
    """Variants and seeds that are not made yet."""
    material = read_material(workspace)
    return [job for job in list_jobs(workspace, names) if _read(material, job) is None]


def estimate_seconds(workspace: Workspace, jobs: Sequence[AblationJob]) -> float:
    """About how long jobs take: measured steps of each table's default, times their number.

    Variants cost about what the default costs; those of the supervision at most that.
    """
    material, settings = read_material(workspace), workspace.scale.ablations
    total = 0.0
    for name in dict.fromkeys(job.table for job in jobs):
        table, count = TABLES[name], sum(job.table == name for job in jobs)
        steps = table.steps(settings) + table.scoring_steps
        total += count * steps * table.step_seconds(material)
    return total / processes(workspace)


def processes(workspace: Workspace) -> int:
    """As many as the face stage uses; one for a few variants, and on a GPU."""
    few = workspace.scale.ablations.variants is not None
    return 1 if few else edits.processes(workspace)


def make_ablations(
    workspace: Workspace, names: Sequence[str] = tuple(TABLES)
) -> Iterator[AblationJob]:
    """Learn and measure what is missing, and give each job when it is done.

    Every variant and seed is a stage of its own: a killed run goes on where it was. What is done
    so far can be read at any time with `read_ablations`.
    """
    material = read_material(workspace)
    for name in names:
        TABLES[name].prepare(material, ablation_seeds(workspace, name))
    jobs = missing_jobs(workspace, names)
    if not jobs:
        return
    if workspace.scale.ablations.variants is None:  # a few are made sooner than measured
        minutes = estimate_seconds(workspace, jobs) / 60
        print(
            f"{len(jobs)} of {len(list_jobs(workspace, names))} variants and seeds are to be made: "
            f"at most about {minutes:.0f} minutes in {processes(workspace)} processes. What is "
            "done is kept.",
            flush=True,
        )
    done = run_jobs(_work, jobs, processes(workspace))
    for job, _ in tqdm(done, total=len(jobs), desc="ablations"):
        yield job


def _work(job: AblationJob) -> None:
    table, material = TABLES[job.table], read_material(job.workspace)
    variant = find_variant(table.variants, job.variant)

    def measure(folder: Path) -> Mapping[str, Measured]:
        return table.measure(material, variant, job.seed, folder)

    make_variant(table.recipe(material, variant, job.seed), measure)


def ablation_tables(workspace: Workspace) -> dict[str, pd.DataFrame]:
    """Rows of every table of which something is made, see `ablation_rows`."""
    settings, evaluation = workspace.scale.ablations, workspace.scale.evaluation
    return {
        name: ablation_rows(TABLES[name], runs, evaluation, steps=TABLES[name].steps(settings))
        for name, runs in read_ablations(workspace).items()
    }


def caption_of(name: str, rows: pd.DataFrame) -> str:
    """What a reader of a table must know: data, steps, seeds, comparisons, and how compared."""
    table, first = TABLES[name], rows.iloc[0]
    learned = f"{first.steps} steps each, the default too; " if name != "retrieval" else ""
    few, most = int(rows.seeds.min()), int(rows.seeds.max())
    seeds = f"{most} seed{'s' * (most != 1)}" if few == most else f"{few} to {most} seeds"
    return (
        f"Ablation of {table.subject}: {table.scored_on}, {first.actors} actors, {first.clips} "
        f"clips or clip pairs; {learned}{seeds}. In brackets: difference to "
        "the variant compared with, with its interval over actors and clips. Bold: better after "
        f"Holm's adjustment over {int(rows.comparisons.max())} comparisons a quantity, with one "
        "sign in all seeds."
    )


def show_ablation(workspace: Workspace, tables: Mapping[str, pd.DataFrame], name: str) -> list[Any]:
    """Save `ablation_<name>` as table and figure, and give what a notebook displays of it.

    Args:
        workspace: whose results they are.
        tables: of `ablation_tables`.
        name: one of `TABLES`.

    Returns:
        Sentences, the figure and the table as a paper prints it; without any variant to compare,
        a sentence that says how to make them.
    """
    from IPython.display import Markdown

    from studies.interval_plots import draw_ablation

    rows, table = tables.get(name), TABLES[name]
    if rows is None or rows.difference.isna().all():
        return [Markdown(f"*Not made in this workspace: {how_to_make(workspace)}*")]
    caption, labels = caption_of(name, rows), {n: q.label for n, q in table.quantities.items()}
    shown = wide_table(rows, table)
    workspace.save_table(rows, f"ablation_{name}", shown=shown, caption=caption)
    drawn = rows[rows.component != CALIBRATION]  # so far off that it would flatten the rest
    figure = draw_ablation(drawn, labels)
    workspace.save_figure(figure, f"ablation_{name}", drawn, caption=caption)
    words = "\n".join(f"* {sentence}" for sentence in in_words(rows, table))
    return [Markdown(f"{caption}\n\n{words}"), figure, Markdown(markdown_table(shown))]


def how_to_make(workspace: Workspace) -> str:
    """The command that makes what is missing."""
    return (
        f"`bash run_all.sh --scale {workspace.scale.name} --corpus {workspace.corpus} --only 14 "
        "--ablations` learns every variant (killed, it goes on where it was)."
    )
