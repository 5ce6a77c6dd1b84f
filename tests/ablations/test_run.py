from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spfem.ablations import run
from spfem.ablations.estimate import MEASURED_STEPS
from spfem.ablations.measured import Measured, load_measured, measured_means, save_measured
from spfem.ablations.recipe import MEASURED_NAME, Recipe, make_variant, read_variant
from spfem.ablations.run import TABLES, ablation_seeds, list_jobs
from spfem.ablations.table import ablation_folder
from spfem.ablations.tables import SPATIAL, TEMPORAL
from spfem.ablations.temporal import common_moments, cut_windows, middle_frames
from spfem.ablations.temporal_variants import LONGEST, SHORTEST
from spfem.ablations.variants import DEFAULT, find_variant, first_variants
from spfem.correlation.windows import held_steps
from spfem.errors import ArtifactError, SettingsError, ShapeError
from spfem.scales import load_scale
from tests.ablations.made_up import made_up_material

CLUSTERS = np.array([("A", "a"), ("A", "a"), ("B", "b")])
ONE = {"error": Measured(np.array([[1.0, 2.0]]), CLUSTERS[:1])}


def a_recipe(folder, **changes):
    given = {"settings": {"steps": 1}, "inputs": {"faces": "1"}, "code": (find_variant,)}
    return Recipe(folder / "stage", "ablation", **{**given, **changes})


def test_means_are_summed_by_cluster_without_nan():
    measured = measured_means(np.array([1.0, np.nan, 5.0]), CLUSTERS)
    assert measured.values.tolist() == [[1, 1], [5, 1]]
    assert measured.clusters.tolist() == [["A", "a"], ["B", "b"]]


def test_measurements_survive_a_file_and_a_damaged_one_is_named(tmp_path):
    save_measured(tmp_path / "m.npz", ONE)
    read = load_measured(tmp_path / "m.npz")
    assert np.array_equal(read["error"].values, ONE["error"].values)
    assert np.array_equal(read["error"].clusters, ONE["error"].clusters)
    (tmp_path / "m.npz").write_bytes(b"half")
    with pytest.raises(ArtifactError, match=r"m\.npz holds no measurements"):
        load_measured(tmp_path / "m.npz")
    with pytest.raises(ShapeError):
        Measured(np.zeros((2, 2)), CLUSTERS)


def test_a_killed_variant_keeps_its_state_and_a_finished_one_only_its_numbers(tmp_path):
    recipe = a_recipe(tmp_path)

    def killed(folder):
        (folder / "state").write_text("half way")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_variant(recipe, killed)
    assert read_variant(recipe) is None

    def goes_on(folder):
        assert (folder / "state").read_text() == "half way"
        return ONE

    make_variant(recipe, goes_on)
    assert sorted(path.name for path in recipe.folder.iterdir()) == ["artifact.json", MEASURED_NAME]
    make_variant(recipe, killed)  # not called again
    assert read_variant(recipe)["error"].values.tolist() == [[1, 2]]


def test_reading_what_belongs_to_other_inputs_gives_nothing_and_removes_nothing(tmp_path):
    make_variant(a_recipe(tmp_path), lambda folder: ONE)
    for changed in ({"inputs": {"faces": "2"}}, {"settings": {"steps": 2}}, {"code": ()}):
        assert read_variant(a_recipe(tmp_path, **changed)) is None
    assert read_variant(a_recipe(tmp_path)) is not None


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_variants_are_named_once_and_compared_with_one_that_exists(table, tmp_path):
    names = [variant.name for variant in table.variants]
    assert names[0] == DEFAULT
    assert len(set(names)) == len(names)
    for variant in table.variants:
        assert find_variant(table.variants, variant.against).name == variant.against
    material = SimpleNamespace(workspace=SimpleNamespace(stage_folder=tmp_path.joinpath))
    folders = {ablation_folder(material, table.name, name, 0) for name in names}
    assert len(folders) == len(names)
    assert all(len(f.relative_to(tmp_path).parts) == 4 for f in folders)
    with pytest.raises(SettingsError, match="no variant 'x'"):
        find_variant(table.variants, "x")


def test_the_first_variants_bring_along_what_they_are_compared_with():
    table = TABLES["supervision"]
    late = [v for v in table.variants if v.against != DEFAULT]
    kept = first_variants((*late[:1], *table.variants[:2]), 1)
    assert {v.name for v in kept} == {late[0].name, late[0].against}


def test_jobs_take_the_first_seed_of_every_table_before_the_next_seed():
    workspace = SimpleNamespace(scale=load_scale("full"))
    jobs = list_jobs(workspace)
    seeds = [job.seed for job in jobs]
    assert seeds == sorted(seeds)
    assert len(jobs) == 3 * sum(len(table.variants) for table in TABLES.values())
    demo = SimpleNamespace(scale=load_scale("demo"))
    assert ablation_seeds(demo, "spatial") == (0, 1, 2)
    assert ablation_seeds(demo, "supervision") == (0,)  # its metrics have one seed


def test_every_change_is_a_setting_that_differs():
    scale = load_scale("full")
    for table, settings in (
        ("spatial", scale.spatial),
        ("temporal", scale.temporal),
        ("cross_modal", scale.cross_modal),
        ("retrieval", scale.cross_modal),
    ):
        for variant in TABLES[table].variants:
            changed = replace(settings, **variant.changes)
            assert (changed != settings) == bool(variant.changes), variant.name
    for variant in TABLES["supervision"].variants:
        assert all(hasattr(scale.supervision, name) for name in variant.factors)


def test_windows_of_all_lengths_share_their_middle_and_move(tmp_path):
    material = made_up_material(tmp_path)
    moments = common_moments(material)
    assert moments
    for length in (SHORTEST, 5, LONGEST):
        for wide, cut in zip(moments, cut_windows(moments, length), strict=True):
            assert wide.start + LONGEST // 2 == cut.start + length // 2
            assert wide.other_start + LONGEST // 2 == cut.other_start + length // 2
            path = material.unseen.pairs[cut.pair].path
            own, other = (
                held_steps(path[start : start + length]) for start in (cut.start, cut.other_start)
            )
            assert not own.any(axis=1).all()
            assert not (own[:, 0] | other[:, 1]).all()
    visemes = material.truths("viseme")
    for row in middle_frames(material, moments):
        pair = material.unseen.pairs[row.pair]
        said = visemes[pair.source][row.source_frame]
        assert said == visemes[pair.target][row.target_frame]
        assert said != visemes[pair.target][row.other_frame]


def test_scored_pairs_are_of_actors_that_no_metric_learns_from(tmp_path):
    material = made_up_material(tmp_path)
    assert {pair.source[:2] for pair in material.scored_pairs()} == {"A1", "A2"}
    assert {pair.actor for pair in material.train.pairs} == {"A0"}


@pytest.mark.parametrize("name", ["default", "spatial alone", "9 frames"])
def test_a_variant_of_the_temporal_metric_is_measured_on_the_same_clips(tmp_path, name):
    material = made_up_material(tmp_path)
    measured = TEMPORAL.measure(material, find_variant(TEMPORAL.variants, name), 0, tmp_path)
    stored = {kind.wins_of or key for key, kind in TEMPORAL.quantities.items()}
    assert stored <= set(measured)
    moments = common_moments(material)
    pairs = [material.unseen.pairs[row.pair] for row in moments]
    assert [tuple(row) for row in measured["speech_auc"].clusters] == [
        (pair.actor, f"{pair.source} {pair.target}") for pair in pairs
    ]
    assert np.isfinite(measured["speech_auc"].values).all()


def test_a_recipe_depends_on_what_changes_and_on_the_seed(tmp_path):
    material = made_up_material(tmp_path)
    workspace = SimpleNamespace(**vars(material.workspace) | {"scale": load_scale("full")})
    material = replace(material, workspace=workspace)
    for table in (SPATIAL, TEMPORAL):
        recipes = [table.recipe(material, v, seed) for v in table.variants for seed in (0, 1)]
        keys = {repr((recipe.settings, recipe.inputs)) for recipe in recipes}
        assert len(keys) == len(recipes)


def test_the_estimate_counts_missing_variants_and_processes(tmp_path, monkeypatch):
    material = made_up_material(tmp_path)
    material.workspace.scale = replace(material.workspace.scale, name="x")
    monkeypatch.setattr(run, "read_material", lambda workspace: material)
    slow = replace(SPATIAL, step_seconds=lambda material: 2.0, scoring_steps=10)
    monkeypatch.setattr(run, "TABLES", {"spatial": slow})
    jobs = [run.AblationJob(material.workspace, "spatial", DEFAULT, seed) for seed in range(3)]
    wanted = 3 * (2 + 10) * 2.0 / material.workspace.scale.face.processes
    assert run.estimate_seconds(material.workspace, jobs) == pytest.approx(wanted)


def test_a_measured_step_is_shorter_than_the_whole_and_not_nothing(tmp_path):
    material = made_up_material(tmp_path)
    started = time.perf_counter()
    seconds = SPATIAL.step_seconds(material)
    assert 0 < seconds < (time.perf_counter() - started) / MEASURED_STEPS
