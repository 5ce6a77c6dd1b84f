"""Make the ablation tables: list what is missing, say how long it takes, learn it, read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from spfem.ablations.material import Material, read_material
from spfem.ablations.measured import Measured
from spfem.ablations.recipe import make_variant, read_variant
from spfem.ablations.statistics import ablation_rows
from spfem.ablations.table import AblationTable, ablation_folder
from spfem.ablations.tables import CROSS_MODAL, RETRIEVAL, SPATIAL, SUPERVISION, TEMPORAL
from spfem.ablations.variants import find_variant, first_variants
from spfem.processes import run_jobs
from spfem.stages import edits
from spfem.workspace import Workspace

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
