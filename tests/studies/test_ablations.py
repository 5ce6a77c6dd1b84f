"""Stages of variants, and rows of tables against slow statistics."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from studies.ablation_pictures import common_moments
from studies.ablation_rows import ablation_rows, in_words, wide_table
from studies.ablation_stages import (
    MEASURED_NAME,
    Measured,
    Recipe,
    ablation_folder,
    load_measured,
    make_variant,
    measured_means,
    read_variant,
    save_measured,
)
from studies.ablation_variants import DEFAULT, Quantity, Variant, find_variant
from studies.ablations import TABLES, TEMPORAL

from spfem.errors import ArtifactError, SettingsError, ShapeError
from spfem.settings import EvaluationSettings
from spfem.statistics import area_under_curve
from tests.studies.ablation_material import actor_means, made_up_material, made_up_table

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


SETTINGS = EvaluationSettings(resamples=300)
MEAN = {"error": Quantity("error ↓", -1)}
VARIANTS = tuple(Variant(name, "part", name) for name in (DEFAULT, "lower", "luck", "unsteady"))
TABLE = made_up_table(*VARIANTS, quantities=MEAN)
ACTORS, CLIPS, SEEDS = 6, 5, (0, 1, 2)


@pytest.fixture(scope="module")
def runs():
    """`lower` errs 1 less on every clip; `luck` differs by noise; `unsteady` by the seed."""
    random = np.random.default_rng(0)
    hard = random.normal(5, 3, (ACTORS, CLIPS))
    found = {variant.name: {} for variant in VARIANTS}
    for seed in SEEDS:
        shifts = {DEFAULT: 0, "lower": -1, "luck": 0, "unsteady": (-4, -4, 1)[seed]}
        for name, shift in shifts.items():
            noise = random.normal(0, 0.1, hard.shape)
            found[name][seed] = {"error": actor_means(hard + shift + noise)}
    return found


def test_planted_differences_are_found_and_luck_and_single_seeds_are_not(runs):
    rows = ablation_rows(TABLE, runs, SETTINGS, steps=9).set_index("variant")
    assert list(rows.index) == [variant.name for variant in VARIANTS]
    assert rows.difference["lower"] == pytest.approx(-1, abs=0.1)
    assert rows.ci_low["lower"] < rows.difference["lower"] < rows.ci_high["lower"] < 0
    assert dict(rows.clear) == {DEFAULT: False, "lower": True, "luck": False, "unsteady": False}
    assert rows.p_adjusted["unsteady"] < 0.05  # so the seeds alone forbid it
    assert rows.better["lower"]
    assert not rows.better[DEFAULT]
    assert (rows.comparisons[1:] == 3).all()
    assert (rows.actors == ACTORS).all()
    assert np.isnan(rows.difference[DEFAULT])


def test_the_value_is_the_mean_of_clips_and_seeds(runs):
    row = ablation_rows(TABLE, runs, SETTINGS, steps=9).set_index("variant").loc["luck"]
    per_seed = [runs["luck"][seed]["error"].values[:, 0].mean() for seed in SEEDS]
    assert row.value == pytest.approx(np.mean(per_seed))


def test_ranks_are_scored_by_auc_and_redrawn_exactly():
    random = np.random.default_rng(1)
    clusters = np.array([(f"A{n % 4}", f"c{n % 8}") for n in range(40)])
    quantities = {"auc": Quantity("AUC ↑", 1, ranks=True)}
    scores = {
        name: random.normal([shift, 0], 1, (40, 2)).round(1)  # with ties
        for name, shift in ((DEFAULT, 0.2), ("lower", 1.5))
    }
    runs = {name: {0: {"auc": Measured(v, clusters)}} for name, v in scores.items()}
    table = made_up_table(*VARIANTS[:2], quantities=quantities)
    rows = ablation_rows(table, runs, SETTINGS, steps=1).set_index("variant")
    wanted = {name: area_under_curve(v[:, 0], v[:, 1]) for name, v in scores.items()}
    assert dict(rows.value) == pytest.approx(wanted)
    draws = []  # the slow way: redraw rows, then score them
    for draw in range(400):
        chosen = np.random.default_rng(draw)
        picked = []
        for actor in chosen.choice(4, 4):
            clips = [c for c in range(8) if c % 4 == actor]
            for clip in chosen.choice(clips, len(clips)):
                picked += [n for n in range(40) if n % 8 == clip]
        draws.append(
            area_under_curve(*scores["lower"][picked].T)
            - area_under_curve(*scores[DEFAULT][picked].T)
        )
    low, high = np.percentile(draws, [2.5, 97.5])
    assert rows.ci_low["lower"] == pytest.approx(low, abs=0.04)
    assert rows.ci_high["lower"] == pytest.approx(high, abs=0.04)


def test_only_what_is_clearly_better_is_bold_and_named(runs):
    rows = ablation_rows(TABLE, runs, SETTINGS, steps=9)
    shown = wide_table(rows, TABLE).set_index("variant")["error ↓"]
    assert [name for name, cell in shown.items() if cell.startswith("**")] == ["lower"]
    assert "[" not in shown[DEFAULT]
    (sentence,) = in_words(rows, TABLE)
    assert "clearly better: lower (-" in sentence
    assert "clearly worse: none" in sentence
    assert "not among so many: unsteady (-" in sentence
