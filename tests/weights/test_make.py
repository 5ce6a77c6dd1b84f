"""A remake at smoke scale follows the recipe of what is shipped."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from spfem.checkpoints import RETIRED, load_checkpoint
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER, shipped_path
from spfem.run import stages
from spfem.run.workspace import open_workspace
from spfem.scales import load_scale
from spfem.weights.card import check_weights, read_card
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

NAMES = [name for variants in PRETRAINED.values() for name in variants.values()]
OTHER_SCALE = ("--scale smoke", "--scale demo")


def _make(offline, folder, *more):
    words = ("make", "--scale", "smoke", "--folder", str(folder), *more)
    answer = offline.run([sys.executable, "-m", "spfem.weights", *words], cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


@pytest.fixture(scope="module")
def remade(smoke, offline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    assert _make(offline, folder) == [f"wrote {shipped_path(name, folder)}" for name in NAMES]
    return folder


@pytest.fixture(scope="module")
def workspace(remade):
    return open_workspace("weights", scale="smoke", data=ROOT / "data", figures=ROOT / "data")


def test_a_remake_follows_the_same_recipe(remade):
    assert check_weights(remade) == dict.fromkeys(NAMES, "")
    for name in NAMES:
        card, shipped = (read_card(shipped_path(name, at)) for at in (remade, WEIGHTS_FOLDER))
        assert list(card) == list(shipped)
        for key in ("title", "load", "kind", "variant", "seed", "baseline", "explained", "limits"):
            assert card[key] == shipped[key]
        assert card["stage"].replace(*OTHER_SCALE) == shipped["stage"]
        assert card["learned_from"]["text"] == shipped["learned_from"]["text"]
        rows = [[row["quantity"] for row in each["figures"]] for each in (card, shipped)]
        assert rows[0] == rows[1]
        assert card["settings"].keys() == shipped["settings"].keys() - RETIRED
        kinds = [
            {tuple(facts) for _, facts in [load_checkpoint(path, kind=card["kind"])]}
            for path in (shipped_path(name, remade), shipped_path(name, WEIGHTS_FOLDER))
        ]
        assert kinds[0] == kinds[1]


def test_settings_are_those_of_the_scale(remade):
    scale = load_scale("smoke")
    wanted = {
        "reader": scale.reader,
        "spatial": scale.spatial,
        "spatial_speech": scale.spatial_speech,
        "spatial_temporal_vd": replace(scale.temporal, formulation="vd"),
        "cross_modal_expression": scale.cross_modal,
        "manipulator": scale.manipulator,
    }
    for name, settings in wanted.items():
        found = read_card(shipped_path(name, remade))["settings"]
        assert found == json.loads(json.dumps(asdict(settings))), name


def test_weights_are_those_that_the_stages_learned(remade, workspace):
    for name in NAMES:
        card = read_card(shipped_path(name, remade))
        learned = {
            "reader": lambda: stages.make_reader(workspace),
            "cross_modal_expression": lambda: stages.make_cross_modal_metric(
                workspace, "expression"
            ),
            "manipulator": lambda: stages.make_manipulator(workspace, "ned"),
        }.get(name, lambda name=name: stages.make_metric(workspace, name))()
        whole, _ = load_checkpoint(learned, kind=card["kind"])
        half, _ = load_checkpoint(shipped_path(name, remade), kind=card["kind"])
        assert whole.keys() == half.keys()
        assert all((value.half() == half[key]).all() for key, value in whole.items())


def test_the_manipulators_baseline_is_the_source_itself(remade, workspace):
    """Measured again, slowly, from the codes alone."""
    codes, errors = stages.make_persons(workspace), []
    roles = stages.make_corpus(workspace).roles
    for pair in stages.make_pairs(workspace).pairs:
        if pair.usable and roles[pair.actor] == "held_out":
            source, target = codes[pair.source].expression, codes[pair.target].expression
            gaps = [np.abs(source[a].astype(float) - target[b]).mean() for a, b in pair.path]
            errors.append(np.mean(gaps))
    card = read_card(shipped_path("manipulator", remade))
    rows = {row["quantity"]: row for row in card["figures"]}
    assert rows["expression_error"]["baseline"] == pytest.approx(np.mean(errors), abs=1e-6)
    assert rows["jaw_correlation"]["baseline"] == 1
    assert 0 < rows["jaw_correlation"]["value"] <= 1
    named = rows["emotion_accuracy"]["value"] * len(errors)
    assert named == pytest.approx(round(named), abs=1e-4)


def test_a_second_remake_repeats_nothing_and_writes_the_same(remade, offline):
    before = {path.name: path.read_bytes() for path in remade.iterdir()}
    records = sorted((ROOT / "data" / "synthetic-smoke" / "weights").rglob("*.safetensors"))
    made = {path: path.stat().st_mtime_ns for path in records}
    assert len(made) == len(NAMES)
    _make(offline, remade)
    assert {path.name: path.read_bytes() for path in remade.iterdir()} == before
    assert {path: path.stat().st_mtime_ns for path in records} == made


def test_one_model_can_be_made_alone(remade, offline, tmp_path):
    assert _make(offline, tmp_path, "--only", "spatial") == [
        f"wrote {tmp_path}/spatial.safetensors"
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        f"spatial.{suffix}" for suffix in ("safetensors", "sha256", "json", "md")
    }
    found = check_weights(tmp_path)
    assert not found.pop("spatial")
    assert all("should come with the package" in trouble for trouble in found.values())
