"""Half precision, and the committed models, hashes and cards: whole, and damage is found."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
import torch
from studies.shipped_models import (
    LARGEST_ROUNDING,
    RECIPES,
    _rounding,
    make_weights,
    pack_half,
    publish,
)

import spfem.correlation
import spfem.manipulator
import spfem.reading.reader
from spfem.checkpoints import load_checkpoint, save_checkpoint
from spfem.correlation import SpatialCoherence
from spfem.errors import CheckpointError, SettingsError
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER, hash_file, sha256_of
from spfem.scales import load_scale
from spfem.weights.__main__ import main
from spfem.weights.card import (
    FIGURE_KEYS,
    KEYS,
    card_file,
    check_weights,
    page_file,
    read_card,
    render_card,
)
from tests.correlation.planted import planted_pairs

MOST_CHANGE = 2e-3  # of a loss, as a share of it


def _fitted(metric):
    """A network with the statistics of what it sees, so that its values are of usual size."""
    pairs, _ = planted_pairs(side=64)
    frames = np.concatenate(list(pairs.faces.values()))[:18]
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    metric.train()
    for _ in range(10):
        metric.resnet50(images)
    return metric.supervise(), images


def _both(metric, tmp_path):
    metric.save(tmp_path / "whole.safetensors", provenance={"seed": 1})
    pack_half(tmp_path / "whole.safetensors", tmp_path / "half.safetensors", kind=metric.kind)
    return [type(metric).load(tmp_path / f"{name}.safetensors") for name in ("whole", "half")]


def test_file_is_half_as_large_with_the_same_facts(tmp_path):
    metric = SpatialCoherence(load_scale("smoke").spatial)
    whole, half = _both(metric, tmp_path)
    assert whole.settings == half.settings
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half")]
    assert 0.5 <= sizes[1] / sizes[0] < 0.53
    tensors, facts = load_checkpoint(tmp_path / "half.safetensors", kind=metric.kind)
    assert facts["provenance"] == {"seed": 1}
    for name, value in metric.state_dict().items():
        if value.is_floating_point():
            assert tensors[name].dtype == torch.float16
            assert (tensors[name].float() - value).abs().max() <= value.abs().max() * 2**-11
        else:
            assert torch.equal(tensors[name], value)


def test_the_spatial_loss_hardly_moves(tmp_path):
    metric, images = _fitted(SpatialCoherence(load_scale("smoke").spatial))
    whole, half = _both(metric, tmp_path)
    losses = [
        float(m.total(m.compare(*images[:12].chunk(2), generator=torch.Generator().manual_seed(0))))
        for m in (whole, half)
    ]
    assert losses[0] != losses[1]
    assert abs(losses[1] / losses[0] - 1) < MOST_CHANGE


def test_what_does_not_fit_is_refused(tmp_path):
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    tensors = {"fine": torch.ones(2), "large": torch.tensor([1e6])}
    save_checkpoint(whole, tensors, kind="some", facts={})
    with pytest.raises(CheckpointError, match="large would be infinite"):
        pack_half(whole, half, kind="some")
    assert not half.exists()


NAMES = [name for variants in PRETRAINED.values() for name in variants.values()]


@cache
def card(name):
    return read_card(WEIGHTS_FOLDER / f"{name}.safetensors")


def assert_told(settings, told):
    """Every setting of today stands on the card; settings that left may stand there too."""
    for key, value in settings.items():
        if isinstance(value, dict):
            assert_told(value, told[key])
        else:
            assert told[key] == value, key


@pytest.fixture
def folder(tmp_path):
    """A copy of all models, to damage."""
    shutil.copytree(WEIGHTS_FOLDER, tmp_path / "weights", ignore=shutil.ignore_patterns("*.py*"))
    return tmp_path / "weights"


def test_what_is_shipped_is_whole(capsys):
    assert check_weights() == dict.fromkeys(NAMES, "")
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    assert [line.split() for line in said.splitlines()] == [[name, "whole"] for name in NAMES]


def test_there_is_a_recipe_for_each():
    assert list(RECIPES) == NAMES
    for kind, variants in PRETRAINED.items():
        for variant, name in variants.items():
            assert (RECIPES[name].kind, RECIPES[name].variant) == (kind, variant)


@pytest.mark.parametrize("name", NAMES)
def test_each_card_says_how_to_load_its_model(name):
    offered = vars(spfem.correlation) | vars(spfem.manipulator) | vars(spfem.reading.reader)
    model = eval(card(name)["load"], dict(offered))
    settings = json.loads(json.dumps(asdict(model.settings)))
    assert_told(settings, card(name)["settings"])
    count = sum(value.numel() for value in model.state_dict().values())
    assert count == card(name)["parameters"]


@pytest.mark.parametrize("name", NAMES)
def test_each_card_was_made_by_its_recipe(name):
    found, recipe = card(name), RECIPES[name]
    assert set(KEYS) == set(found)
    assert found["title"] == recipe.title
    assert found["limits"] == recipe.limits
    assert found["explained"] == dict(recipe.explained)
    assert found["stage"] == f"python -m spfem stage {recipe.stage} --scale demo"
    assert found["learned_from"]["scale"] == "demo"
    assert found["learned_from"]["corpus"] == "synthetic"
    assert 0 <= found["rounding"] <= LARGEST_ROUNDING
    assert {row["quantity"].split()[0] for row in found["figures"]} == set(recipe.explained)
    for row in found["figures"]:
        assert set(row) == set(FIGURE_KEYS)
        assert abs(row["value"] - row["unrounded"]) <= found["rounding"] + 1e-9
        if row["ci_low"] is not None:
            assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_settings_are_those_of_the_demo_scale():
    demo = load_scale("demo")
    wanted = {
        "reader": demo.reader,
        "spatial": demo.spatial,
        "spatial_speech": demo.spatial_speech,
        "spatial_temporal_vd": replace(demo.temporal, formulation="vd"),
        "cross_modal_expression": demo.cross_modal,
        "manipulator": demo.manipulator,
    }
    for name, settings in wanted.items():
        assert_told(json.loads(json.dumps(asdict(settings))), card(name)["settings"])


@pytest.mark.parametrize("name", NAMES)
def test_nobody_who_was_learned_from_was_measured_on(name):
    measured = card(name)["measured_on"].split()
    assert not set(card(name)["learned_from"]["actors"]) & {word.strip(",") for word in measured}


def test_figures_show_that_something_was_learned():
    def figures(name):
        return {row["quantity"]: row for row in card(name)["figures"]}

    reading = figures("reader")
    assert reading["unit_error"]["ci_high"] < reading["unit_error"]["baseline"]
    assert reading["correlation"]["value"] > reading["correlation"]["baseline"]
    for quantity in (name for name in reading if name.startswith("slope")):
        assert abs(reading[quantity]["value"] - 1) < abs(reading[quantity]["baseline"] - 1)
    for name in ("spatial", "spatial_speech", "spatial_temporal_vd"):
        found = figures(name)
        gap = found["matched"]["value"] - found["mismatched_place"]["value"]
        before = found["matched"]["baseline"] - found["mismatched_place"]["baseline"]
        assert gap > before + 0.1
    speech = figures("spatial_speech")["speech_auc"]
    assert speech["ci_low"] > figures("spatial")["speech_auc"]["value"]
    found = figures("cross_modal_expression")
    for query in ("audio", "expression"):
        row = found[f"recall_at_1 {query} to {query}"]
        assert row["ci_low"] > found["chance_at_1"]["value"]
    edits = figures("manipulator")
    assert edits["expression_error"]["ci_high"] < edits["expression_error"]["baseline"]
    assert edits["emotion_accuracy"]["value"] > edits["emotion_accuracy"]["baseline"]


def test_the_reader_was_learned_from_the_films_of_the_demo_scale():
    demo = load_scale("demo")
    _, facts = load_checkpoint(WEIGHTS_FOLDER / "reader.safetensors", kind="face reader")
    films = json.loads(json.dumps(asdict(demo.reader_films)))
    del films["processes"]
    assert facts["films"] == films
    learned = card("reader")["learned_from"]
    assert len(learned["actors"]) == films["people"]
    assert learned["clips"] == films["people"] * (1 + films["mixed_clips"])


def test_the_page_shows_every_figure_and_is_the_card():
    for name in NAMES:
        page = page_file(WEIGHTS_FOLDER / f"{name}.safetensors").read_text("utf-8")
        assert page == render_card(card(name))
        assert card(name)["sha256"] in page
        for row in card(name)["figures"]:
            assert f"| {row['quantity']} | {row['value']:.4f} |" in page


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "should come with the package"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not the file that was shipped"),
        (lambda path: card_file(path).unlink(), "has no card"),
        (lambda path: card_file(path).write_text("{"), "is no card"),
        (lambda path: card_file(path).write_text("{}"), "lacks name, title"),
        (lambda path: page_file(path).write_text("# Better\n"), "is not what spatial.json says"),
        (lambda path: page_file(path).unlink(), "is not what spatial.json says"),
        (lambda path: _change_card(path, bytes=1, variant="x"), "bytes"),
        (lambda path: _change_card(path, settings={}), "not the card of this file: settings"),
        (lambda path: _in_single_precision(path), "not in half precision"),
    ],
)
def test_damage_is_found(folder, damage, message, capsys):
    damage(folder / "spatial.safetensors")
    found = check_weights(folder)
    assert message in found.pop("spatial")
    assert set(found.values()) == {""}
    assert main(["check", "--folder", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "spatial_speech          whole" in captured.out
    assert captured.err.count("\n") == 1
    assert "must be mended: spatial" in captured.err


def _change_card(path, **changes):
    found = json.loads(card_file(path).read_text())
    card_file(path).write_text(json.dumps(found | changes))


def _in_single_precision(path):
    tensors, facts = load_checkpoint(path, kind="spatial coherence")
    whole = {key: value.float() for key, value in tensors.items()}
    save_checkpoint(path, whole, kind="spatial coherence", facts=facts)
    found = sha256_of(path)
    hash_file(path).write_text(f"{found}  {path.name}\n")
    count = sum(value.numel() for value in whole.values())
    _change_card(path, sha256=found, bytes=path.stat().st_size, parameters=count)


def test_what_does_not_belong_there_is_named(folder):
    (folder / "renderer.safetensors").write_bytes(b"")
    found = check_weights(folder)
    assert "belongs to no model" in found["renderer.safetensors"]


def test_a_copy_that_was_killed_is_not_taken_for_whole(folder, tmp_path, monkeypatch):
    made = WEIGHTS_FOLDER / "spatial.safetensors"
    real = shutil.copyfile

    def dies(source, target):
        if source.suffix == ".json":
            raise KeyboardInterrupt
        return real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("studies.shipped_models.shutil.copyfile", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(made, folder)
    assert check_weights(folder)["spatial"]
    publish(made, folder)
    assert not check_weights(folder)["spatial"]
    assert hash_file(folder / "spatial.safetensors").read_text() == hash_file(made).read_text()


def test_an_unknown_model_cannot_be_made(capsys, tmp_path):
    with pytest.raises(SettingsError, match=r"no model renderer comes .* choose of reader, "):
        make_weights(None, tmp_path, names=("renderer",))
    with pytest.raises(SystemExit):
        main(["make", "--only", "renderer"])
    assert "invalid choice: 'renderer'" in capsys.readouterr().err


def test_doctor_names_them(capsys, monkeypatch, folder):
    from spfem.doctor import shipped_model_facts

    assert [fact.name for fact in shipped_model_facts()] == NAMES
    assert not [fact for fact in shipped_model_facts() if fact.trouble]
    (folder / "manipulator.safetensors").write_bytes(b"x")
    monkeypatch.setattr("spfem.doctor.WEIGHTS_FOLDER", folder)
    facts = {fact.name: fact.trouble for fact in shipped_model_facts()}
    assert "not the file that was shipped" in facts.pop("manipulator")
    assert set(facts.values()) == {""}


def test_rounding_that_shows_in_a_figure_is_refused():
    def figure(unrounded, low, high):
        interval = {"ci_low": low, "ci_high": high}
        return {"quantity": "matched", "value": 0.5, "unrounded": unrounded, **interval}

    assert _rounding("spatial", [figure(0.501, 0.49, 0.51), figure(0.5, None, None)]) == 0.001
    assert _rounding("spatial", [figure(0.52, 0.4, 0.6)]) == 0.02  # known to a tenth only
    for wrong in (figure(0.52, 0.49, 0.51), figure(0.52, None, None)):
        with pytest.raises(CheckpointError, match=r"changes matched of spatial from 0\.52 to 0\.5"):
            _rounding("spatial", [wrong])
