"""Manipulators of each method: made once, supervised by what the method says."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from spfem.errors import InputError
from spfem.manipulator import load_manipulator
from spfem.manipulator.learn import Guide
from spfem.run import manipulators
from spfem.run.manipulators import EXPRESSION_SPACE, Supervision
from spfem.scales import load_scale
from spfem.supervision.shares import BATCHES
from tests.manipulator.conftest import SMALL, planted_speech

WANTED = {
    "ned": [],
    "ned+asccl": ["spatial"],
    "ned+stccl_vd": ["spatial_temporal_vd"],
    "ned+stccl_cm": ["spatial_temporal_cm"],
    "ned+scmcl": ["paired", "consistency"],
    "ned+all": ["spatial", "temporal_vd", "temporal_cm", "paired", "consistency"],
}


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Stages that make a small file instead of learning; gives the calls of `make_manipulator`."""
    calls = []

    def make(name):
        def stage(workspace, *arguments):
            *which, seed = arguments
            calls.append((name, *which, seed))
            path = tmp_path / "-".join((name, *which))
            path.write_text(path.name)
            return {} if name == "banks" else path

        return stage

    for name, function in (
        ("metric", "make_metric"),
        ("cross_modal", "make_cross_modal_metric"),
        ("banks", "make_audio_banks"),
    ):
        monkeypatch.setattr(manipulators, function, make(name))
    return calls


@pytest.mark.parametrize("method", WANTED)
def test_every_method_is_supervised_by_its_metrics_and_nothing_else(asked, method, monkeypatch):
    learned = {}
    monkeypatch.setattr(manipulators, "make_persons", lambda workspace: {})
    monkeypatch.setattr(
        manipulators, "_make_manipulator", lambda *arguments, **named: learned.update(named)
    )
    manipulators.make_manipulator(
        SimpleNamespace(scale=load_scale("full"), device="cpu"), method, 2
    )
    supervision = learned["supervision"]
    weights = list(supervision.settings["weights"]) if supervision else []
    assert weights == WANTED[method]
    assert all(seed == 2 for *_, seed in asked)
    made, terms = {call[:-1] for call in asked}, set(WANTED[method])
    assert {call[1] for call in made if call[0] == "metric"} == {
        term for term in terms if term == "spatial" or "temporal" in term
    }
    assert (("cross_modal", "expression") in made) == ("paired" in terms)
    assert (("banks", "expression") in made) == ("paired" in terms)


class Tracks(dict):
    digest = "faces"


@pytest.fixture
def speech(tmp_path, monkeypatch):
    """A workspace whose actors speak planted codes."""
    sequences, labels, _ = planted_speech(14, frames=20, coefficients=EXPRESSION_SPACE.size)
    keys = [f"actor/{index:03}" for index in range(14)]
    tracks = Tracks(
        (key, SimpleNamespace(expression=s.numpy())) for key, s in zip(keys, sequences, strict=True)
    )
    clips = [SimpleNamespace(key=k, label=label) for k, label in zip(keys, labels, strict=True)]
    monkeypatch.setattr(manipulators, "make_persons", lambda _: tracks)
    monkeypatch.setattr(manipulators, "make_corpus", lambda _: None)
    monkeypatch.setattr(manipulators, "manipulator_clips", lambda _: clips)
    workspace = SimpleNamespace(
        scale=SimpleNamespace(manipulator=SMALL), device="cpu", stage_folder=tmp_path.joinpath
    )
    return workspace, tracks


def test_a_manipulator_is_learned_once(speech, monkeypatch):
    workspace, tracks = speech
    tracks["actor/000"].expression = tracks["actor/000"].expression[:5]  # too short: left out
    path = manipulators.make_base_manipulator(workspace)
    assert load_manipulator(path).space == EXPRESSION_SPACE
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "artifact.json",
        "curve.csv",
        "manipulator.safetensors",
    ]
    header, *rows = (path.parent / "curve.csv").read_text().splitlines()
    assert header.startswith("step,discriminator,adversarial,style,cycle,mouth")
    assert len(rows) == SMALL.steps
    for key in tracks:
        tracks[key] = None  # a finished stage reads no tracks
    assert manipulators.make_base_manipulator(workspace) == path


def test_supervision_gets_keys_and_windows_in_training_order(speech):
    workspace, tracks = speech
    seen = []

    def load(keys, windows):
        for number in (0, 25, len(windows) - 1):
            window = windows.take(torch.tensor([number]))
            start = int(window.start)
            wanted = tracks[keys[int(window.clip)]].expression[start : start + 10]
            assert np.array_equal(window.expression[0].numpy(), wanted)  # in coefficients

        def losses(edit):
            assert edit.source.expression.shape == edit.edited.shape == (SMALL.batch_size, 10, 52)
            real = edit.restore(edit.source.expression)
            for window, clip, start in zip(
                real, edit.source.clip.tolist(), edit.source.start.tolist(), strict=True
            ):
                own = tracks[keys[clip]].expression[start : start + 10]
                assert np.allclose(window.numpy(), own, atol=1e-5)
            seen.append(edit.step)
            return {"first": edit.edited.square().mean(), "second": edit.edited.abs().mean()}

        return Guide({"first": 1.0, "second": 0.1}, losses)

    workspace.scale.manipulator = replace(SMALL, tune_steps=5)
    path = manipulators._make_manipulator(
        workspace,
        "ned",
        0,
        initial=manipulators.make_base_manipulator(workspace),
        supervision=Supervision({}, {}, load, 0.3),
    )
    assert seen == [*range(BATCHES), *range(5)]  # weighed first, then learned
    assert (path.parent / "curve.csv").read_text().splitlines()[0].endswith(",first,second")
    weighed = pd.read_csv(path.parent / "weights.csv").set_index("loss").share
    assert weighed.to_dict() == pytest.approx({"ned": 0.7, "first": 0.15, "second": 0.15}, 1e-4)


def test_clips_shorter_than_the_window_are_refused(speech):
    workspace, tracks = speech
    for track in tracks.values():
        track.expression = track.expression[:9]
    with pytest.raises(InputError, match="none of 14 clips"):
        manipulators.make_base_manipulator(workspace)
