from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from spfem.methods import METHODS
from spfem.run import renderers as renderer_supervision
from spfem.run.renderers import make_renderer_metrics
from spfem.scales import load_scale
from tests.supervision.test_renderer_faces import spatial_metric, window_metric

SUPERVISED = [name for name, method in METHODS.items() if method.supervised]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A workspace whose metrics are files with a word in them."""
    words = {}

    def made(name):
        path = tmp_path / name
        path.write_text(words.get(name, name))
        return path

    monkeypatch.setattr(renderer_supervision, "make_metric", lambda w, name, seed: made(name))
    monkeypatch.setattr(
        renderer_supervision, "make_cross_modal_metric", lambda w, visual, seed: made(visual)
    )
    monkeypatch.setattr(
        renderer_supervision,
        "make_audio_banks",
        lambda w, visual, seed: {"T": SimpleNamespace(digest=words.get("bank", visual))},
    )
    monkeypatch.setattr(
        renderer_supervision, "load_spatial_metric", lambda w, seed: spatial_metric()
    )
    monkeypatch.setattr(
        renderer_supervision, "load_temporal_metric", lambda w, name, seed: window_metric(name)
    )
    workspace = SimpleNamespace(scale=load_scale("smoke"), device="cpu")

    def inputs(method):
        return make_renderer_metrics(workspace, METHODS[method], "T", made("moves")).inputs

    return SimpleNamespace(words=words, workspace=workspace, inputs=inputs, made=made)


@pytest.mark.parametrize("method", SUPERVISED)
def test_the_digest_changes_with_all_that_supervises_and_nothing_else(world, method):
    wanted, first = METHODS[method], world.inputs(method)
    assert world.inputs(method) == first
    spatial, temporal, paired = wanted.spatial, bool(wanted.temporal), wanted.paired
    files = {name: name in wanted.temporal for name in METHODS["ned+all"].temporal}
    files |= {"moves": True, "spatial": spatial, "image": paired, "bank": paired}
    for name, matters in files.items():
        world.words[name] = "changed"
        assert (world.inputs(method) != first) == matters, name
        del world.words[name]
    weights = {
        "renderer_every": True,
        "renderer_spatial": spatial,
        "renderer_temporal": temporal,
        "renderer_paired": paired,
        "renderer_consistency": paired,
        "renderer_pairs": paired,
        "manipulator_paired": False,
    }
    scale = world.workspace.scale
    for name, matters in weights.items():
        changed = replace(scale.supervision, **{name: 7})
        world.workspace.scale = replace(scale, supervision=changed)
        assert (world.inputs(method) != first) == matters, name
        world.workspace.scale = scale


@pytest.mark.parametrize("method", ["ned+asccl", "ned+stccl_vd", "ned+stccl_cm"])
def test_terms_are_those_of_the_method_with_the_weights_of_the_scale(world, method):
    scale = world.workspace.scale
    weights = replace(
        scale.supervision, renderer_spatial=0.3, renderer_temporal=0.2, renderer_every=5
    )
    world.workspace.scale = replace(scale, supervision=weights)
    metrics = make_renderer_metrics(world.workspace, METHODS[method], "T", world.made("moves"))
    supervision = metrics.load(lambda track: None)
    found = {term.name: (term.weight, term.frames) for term in supervision.faces}
    wanted = {"spatial": (0.3, 4)} if METHODS[method].spatial else {}
    wanted |= dict.fromkeys(METHODS[method].temporal, (0.2, 3))
    assert found == wanted
    assert supervision.pairs is None
    assert supervision.every == 5
