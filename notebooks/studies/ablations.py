"""The five ablation tables: made, with an estimate of time, and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm.auto import tqdm

from spfem.evaluation.tables import markdown_table
from spfem.processes import run_jobs
from spfem.run.workspace import Workspace
from spfem.run.workspace import processes as all_processes
from studies.ablation_pictures import (
    measure_spatial,
    measure_temporal,
    spatial_recipe,
    temporal_recipe,
)
from studies.ablation_rows import ablation_rows, in_words, wide_table
from studies.ablation_sound import (
    cross_modal_recipe,
    measure_cross_modal,
    measure_retrieval,
    prepare_retrieval,
    retrieval_recipe,
)
from studies.ablation_stages import (
    AblationTable,
    Material,
    Measured,
    ablation_folder,
    make_variant,
    read_material,
    read_variant,
)
from studies.ablation_supervision import (
    measure_supervision,
    prepare_supervision,
    supervision_recipe,
)
from studies.ablation_variants import (
    CALIBRATION,
    CROSS_MODAL_VARIANTS,
    RETRIEVAL_VARIANTS,
    SPATIAL_VARIANTS,
    SUPERVISION_VARIANTS,
    TEMPORAL_VARIANTS,
    Quantity,
    find_variant,
    first_variants,
)

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
    "spatial_steps",
)
TEMPORAL = AblationTable(
    "temporal",
    "STCCL, the metric of windows",
    "matched windows of actors that the metric did not learn from",
    TEMPORAL_VARIANTS,
    {**SPEECH, **PLACE},
    temporal_recipe,
    measure_temporal,
    "temporal_steps",
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
    "cross_modal_steps",
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
    "",
    prepare_retrieval,
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
    "tune_steps",
    prepare_supervision,
)
TABLES: Mapping[str, AblationTable] = {
    table.name: table for table in (SPATIAL, TEMPORAL, CROSS_MODAL, RETRIEVAL, SUPERVISION)
}
NEEDS_METRICS = ("retrieval", "supervision")  # of the workspace, learned for some seeds only


class AblationJob(NamedTuple):
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
    return tuple(seed for seed in seeds if seed in workspace.scale.metric_seeds)


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


def read_ablations(workspace: Workspace) -> dict[str, dict[str, dict[int, dict[str, Measured]]]]:
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


def processes(workspace: Workspace) -> int:
    """As many as the face stage uses; one for a few variants, and on a GPU."""
    few = workspace.scale.ablations.variants is not None
    return 1 if few else all_processes(workspace)


def make_ablations(
    workspace: Workspace, names: Sequence[str] = tuple(TABLES)
) -> Iterator[AblationJob]:
    """Learn and measure what is missing, and give each job when it is done.

    Every variant and seed is a stage of its own: a killed run goes on where it was. What is done
    so far can be read at any time with `read_ablations`.
    """
    material = read_material(workspace)
    for name in names:
        if (prepare := TABLES[name].prepare) is not None:
            prepare(material, ablation_seeds(workspace, name))
    jobs = missing_jobs(workspace, names)
    if not jobs:
        return
    if workspace.scale.ablations.variants is None:
        made = f"{len(jobs)} of {len(list_jobs(workspace, names))} variants and seeds"
        print(f"{made} are to be made in {processes(workspace)} processes. What is done is kept.")
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
        name: ablation_rows(
            TABLES[name], runs, evaluation, steps=getattr(settings, TABLES[name].steps, 1)
        )
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

    That is sentences, the figure and the table as a paper prints it; without any variant to
    compare, a sentence that says how to make them. `tables` are of `ablation_tables`.
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
