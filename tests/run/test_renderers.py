"""What supervises the renderer of each method: its digest, its terms, its form."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from spfem.methods import METHODS
from spfem.run import metrics, renderers
from spfem.run.edit_models import RENDERER_NAME
from spfem.run.renderers import make_renderer_metrics
from spfem.scales import load_scale
from tests.supervision.test_renderer import spatial_metric, window_metric

ALL = METHODS["ned+all"]
SUPERVISED = [name for name, method in METHODS.items() if method.supervised]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A workspace whose metrics are files with a word in them."""
    words = {}

    def made(name):
        path = tmp_path / name
        path.write_text(words.get(name, name))
        return path

    monkeypatch.setattr(metrics, "load_identity_features", lambda: torch.nn.Flatten())
    for name in ("make_faces", "make_pairs"):
        monkeypatch.setattr(metrics, name, lambda _: SimpleNamespace(digest=words.get("made")))
    monkeypatch.setattr(metrics, "make_corpus", lambda _: SimpleNamespace(roles={}))
    monkeypatch.setattr(metrics, "make_metric", lambda w, name, seed: made(name))
    monkeypatch.setattr(renderers, "make_cross_modal_metric", lambda w, visual, seed: made(visual))
    monkeypatch.setattr(
        renderers,
        "make_audio_banks",
        lambda w, visual, seed: {"T": SimpleNamespace(digest=words.get("bank", visual))},
    )
    monkeypatch.setattr(metrics, "load_spatial_metric", lambda w, seed: spatial_metric())
    monkeypatch.setattr(metrics, "load_temporal_metric", lambda w, name, seed: window_metric(name))
    workspace = SimpleNamespace(scale=load_scale("smoke"), device="cpu")

    def inputs(method):
        return make_renderer_metrics(workspace, METHODS[method], "T", made("moves"))[0]

    return SimpleNamespace(words=words, workspace=workspace, inputs=inputs, made=made)


@pytest.mark.parametrize("method", SUPERVISED)
def test_the_digest_changes_with_all_that_supervises_and_nothing_else(world, method):
    wanted, first = METHODS[method], world.inputs(method)
    assert world.inputs(method) == first
    spatial = bool({"spatial", "spatial_untrained"} & set(wanted.pictures))
    windows, every = ([n for n in m.pictures if "temporal" in n] for m in (wanted, ALL))
    temporal, paired = bool(windows), wanted.paired
    files = {name: name in windows for name in every}
    learned = "spatial" in wanted.pictures
    files |= {"moves": paired, "spatial": learned, "image": paired, "bank": paired}
    files["made"] = "spatial_untrained" in wanted.pictures
    for name, matters in files.items():
        world.words[name] = "changed"
        assert (world.inputs(method) != first) == matters, name
        del world.words[name]
    weights = {
        "renderer_every": True,
        "renderer_spatial": spatial,
        "renderer_temporal": temporal,
        "renderer_identity": "identity" in wanted.pictures,
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


def test_the_released_form_is_another_renderer(world):
    assert world.inputs("ned+asccl") != world.inputs("ned+asccl_released")


TERMS = {
    "ned+asccl": ("spatial", 0.3, 4),
    "ned+asccl_released": ("spatial", 0.3, 4),
    "ned+identity": ("identity", 0.7, 4),
    "ned+stccl_vd": ("spatial_temporal_vd", 0.2, 3),
    "ned+stccl_cm": ("spatial_temporal_cm", 0.2, 3),
}


@pytest.mark.parametrize("method", TERMS)
def test_terms_are_those_of_the_method_with_the_weights_of_the_scale(world, method):
    scale = world.workspace.scale
    weights = replace(
        scale.supervision,
        renderer_spatial=0.3,
        renderer_temporal=0.2,
        renderer_identity=0.7,
        renderer_every=5,
    )
    world.workspace.scale = replace(scale, supervision=weights)
    _, load = make_renderer_metrics(world.workspace, METHODS[method], "T", world.made("moves"))
    supervision = load(lambda track: None)
    assert [(t.name, t.weight, t.frames) for t in supervision.faces] == [TERMS[method]]
    assert supervision.released_form == (method == "ned+asccl_released")
    assert supervision.pairs is None
    assert supervision.every == 5


def test_missing_renderers_are_adapted_side_by_side_after_what_they_need(
    monkeypatch, tmp_path, waves
):
    prepared = []
    monkeypatch.setattr(renderers, "_prepare", lambda _, *key: prepared.append((key, len(waves))))
    monkeypatch.setattr(renderers, "make_actor_renderer", lambda _, *key: f"renderer {key}")
    workspace = SimpleNamespace(
        scale=load_scale("demo"), device="cpu", stage_folder=tmp_path.joinpath
    )
    wanted = [("M001", "ned", 0), ("M001", "ned+asccl", 0), ("W001", "ned", 0)]
    there = tmp_path / "renderer" / "ned" / "seed0" / "M001" / RENDERER_NAME
    there.parent.mkdir(parents=True)
    there.touch()
    made = renderers.make_actor_renderers(workspace, wanted)
    assert made == {key: f"renderer {key}" for key in wanted}
    assert prepared == [(key, 0) for key in wanted[1:]]  # before any process
    assert waves == [(workspace.scale.face.processes, wanted[1:])]
    renderers.make_actor_renderers(workspace, wanted[:2])  # one alone gains nothing
    renderers.make_actor_renderers(SimpleNamespace(**vars(workspace) | {"device": "cuda"}), wanted)
    assert len(waves) == 1
