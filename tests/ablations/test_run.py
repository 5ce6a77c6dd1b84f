from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from studies.ablation_metrics import (
    MEASURED_NAME,
    Recipe,
    ablation_folder,
    common_moments,
    make_variant,
    read_variant,
)
from studies.ablation_variants import (
    DEFAULT,
    Measured,
    find_variant,
    load_measured,
    measured_means,
    save_measured,
)
from studies.ablations import TABLES, TEMPORAL

from spfem.errors import ArtifactError, SettingsError, ShapeError
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
