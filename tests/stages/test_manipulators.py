from __future__ import annotations

from types import SimpleNamespace

import pytest

from spfem.methods import METHODS
from spfem.run import learned as manipulators
from spfem.scales import load_scale

WANTED = {
    "ned": [],
    "ned+asccl": ["spatial"],
    "ned+stccl_vd": ["spatial_temporal_vd"],
    "ned+stccl_cm": ["spatial_temporal_cm"],
    "ned+scmcl": ["paired", "consistency"],
    "ned+all": ["spatial", "temporal_vd", "temporal_cm", "paired", "consistency"],
}


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Stages that make a small file instead of learning; gives the calls of `make_manipulator`."""
    asked = []

    def make(name):
        def stage(workspace, *arguments):
            *which, seed = arguments
            asked.append((name, *which, seed))
            path = tmp_path / "-".join((name, *which))
            path.write_text(path.name)
            return {} if name == "banks" else path

        return stage

    for name, function in (
        ("spatial", "make_spatial_metric"),
        ("temporal", "make_temporal_metric"),
        ("cross_modal", "make_cross_modal_metric"),
        ("banks", "make_audio_banks"),
    ):
        monkeypatch.setattr(manipulators, function, make(name))
    return asked


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_supervised_by_its_metrics_and_nothing_else(made, method, monkeypatch):
    learned = {}
    corpus = SimpleNamespace(digest="corpus")
    faces = SimpleNamespace(digest="faces")
    monkeypatch.setattr(manipulators, "make_corpus", lambda workspace: corpus)
    monkeypatch.setattr(manipulators, "make_persons", lambda workspace: faces)
    monkeypatch.setattr(manipulators, "manipulator_clips", lambda corpus: ())
    monkeypatch.setattr(
        manipulators, "learn_manipulator", lambda *arguments, **named: learned.update(named)
    )
    workspace = SimpleNamespace(
        scale=load_scale("full"), device="cpu", stage_folder=lambda *names: "/".join(names)
    )
    manipulators.make_manipulator(workspace, method, 2)
    supervision = learned["supervision"]
    weights = list(supervision.settings["weights"]) if supervision else []
    assert weights == WANTED[method]
    assert all(seed == 2 for *_, seed in made)
    asked = {call[:-1] for call in made}
    terms = set(WANTED[method])
    assert (("spatial",) in asked) == ("spatial" in terms)
    assert {call[1] for call in asked if call[0] == "temporal"} == {
        term for term in terms if "temporal" in term
    }
    assert (("cross_modal", "expression") in asked) == ("paired" in terms)
    assert (("banks", "expression") in asked) == ("paired" in terms)
