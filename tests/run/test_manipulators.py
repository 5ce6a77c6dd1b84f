"""Manipulators of each method: made once, supervised by what the method says."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spfem.errors import InputError, SettingsError
from spfem.manipulator import load_manipulator
from spfem.manipulator.learn import Guide
from spfem.manipulator.networks import AffineGenerator, Generator
from spfem.methods import METHODS, NED, PUBLISHED
from spfem.run import manipulators as models
from spfem.run import metrics, scored_runs
from spfem.run.artifacts import MANIPULATOR_NAME
from spfem.run.manipulators import EXPRESSION_SPACE, Supervision
from spfem.scales import SCALES, load_scale
from spfem.supervision.shares import BATCHES
from tests.manipulator.conftest import SMALL, planted_speech

WANTED = {
    "ned": [],
    "ned+asccl": ["spatial"],
    "ned+stccl_vd": ["spatial_temporal_vd"],
    "ned+stccl_cm": ["spatial_temporal_cm"],
    "ned+scmcl": ["paired", "consistency"],
    "ned+scmcl_pictures": ["paired", "consistency", "picture_consistency"],
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
        home = metrics if name == "metric" else models
        monkeypatch.setattr(home, function, make(name))
    return calls


@pytest.mark.parametrize("method", WANTED)
def test_every_method_is_supervised_by_its_metrics_and_nothing_else(asked, method, monkeypatch):
    learned = {}
    monkeypatch.setattr(models, "make_persons", lambda workspace: {})
    monkeypatch.setattr(
        models, "_make_manipulator", lambda *arguments, **named: learned.update(named)
    )
    models.make_manipulator(SimpleNamespace(scale=load_scale("full"), device="cpu"), method, 2)
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
    assert (("cross_modal", "image") in made) == ("picture_consistency" in terms)
    assert (("banks", "image") in made) == ("picture_consistency" in terms)


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
    monkeypatch.setattr(models, "make_persons", lambda _: tracks)
    monkeypatch.setattr(models, "make_corpus", lambda _: None)
    monkeypatch.setattr(models, "manipulator_clips", lambda _: clips)
    workspace = SimpleNamespace(
        scale=SimpleNamespace(manipulator=SMALL), device="cpu", stage_folder=tmp_path.joinpath
    )
    return workspace, tracks


def test_a_manipulator_is_learned_once(speech, monkeypatch):
    workspace, tracks = speech
    tracks["actor/000"].expression = tracks["actor/000"].expression[:5]  # too short: left out
    path = models.make_base_manipulator(workspace)
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
    assert models.make_base_manipulator(workspace) == path


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

    base, settings = models.make_base_manipulator(workspace), replace(SMALL, tune_steps=3)
    supervision = Supervision({}, {}, load, 0.0)
    path = models._make_manipulator(
        workspace, "ned", settings, 0, initial=base, supervision=supervision
    )
    assert seen == [*range(BATCHES), *range(3)]  # weighed, then learned
    assert (path.parent / "curve.csv").read_text().splitlines()[0].endswith(",first,second")


def test_clips_shorter_than_the_window_are_refused(speech):
    workspace, tracks = speech
    for track in tracks.values():
        track.expression = track.expression[:9]
    with pytest.raises(InputError, match="none of 14 clips"):
        models.make_base_manipulator(workspace)


def test_the_published_form_is_learned_with_its_own_settings(speech, monkeypatch):
    workspace, tracks = speech
    told = {key: np.stack([tracks[key].expression] * 7) for key in ("actor/000", "actor/007")}
    monkeypatch.setattr(models, "clip_counterparts", lambda workspace, codes: told)
    shared = replace(SMALL, tune_steps=2, affine_rank=2, aligned_weight=1.0, adversarial_weight=0.0)
    scale = replace(load_scale("smoke"), manipulator=shared, published_manipulator=SMALL)

    def make(method, **changed):
        workspace.scale = replace(scale, **changed)
        return models.make_manipulator(workspace, method)

    path = make(PUBLISHED)
    assert path == workspace.stage_folder("manipulator", PUBLISHED, "seed0", MANIPULATOR_NAME)
    base = workspace.stage_folder("manipulator", "base")
    assert not base.exists()  # it goes on from nothing
    plain = make(NED)
    assert base.exists()
    published, ours = load_manipulator(path), load_manipulator(plain)
    assert (published.settings, ours.settings) == (SMALL, shared)
    assert (type(published.generator), type(ours.generator)) == (Generator, AffineGenerator)
    headers = [made.with_name("curve.csv").read_text("utf-8").split()[0] for made in (path, plain)]
    assert headers[0] == "step,discriminator,adversarial,style,cycle,mouth"
    assert headers[1] == "step,style,cycle,mouth,aligned"

    first = path.stat().st_mtime_ns
    make(PUBLISHED, manipulator=replace(shared, affine_rank=3))
    assert path.stat().st_mtime_ns == first  # nothing of ours decides it
    make(PUBLISHED, published_manipulator=replace(SMALL, style_weight=0.5))
    assert path.stat().st_mtime_ns != first


def test_where_all_methods_share_the_published_form_there_is_no_second_one():
    paper = SimpleNamespace(scale=load_scale("paper"))
    with pytest.raises(SettingsError, match=r"at scale paper .* take the method ned"):
        models.make_manipulator(paper, PUBLISHED)


@pytest.mark.parametrize("scale", SCALES)
def test_tables_show_the_published_form_on_moved_pixels_right_before_ned(monkeypatch, scale):
    names = list(METHODS)
    assert names.index(PUBLISHED) + 1 == names.index(NED)
    monkeypatch.setattr(scored_runs, "calibrating_methods", lambda _: ("copy", "truth"))
    made = load_scale(scale)
    settings = made.published_manipulator
    assert (settings is None) == (scale == "paper") == (made.manipulator.adversarial_weight > 0)
    workspace = SimpleNamespace(scale=made)
    seeds = [seed for name, seed in scored_runs.base_runs(workspace, "moved") if name == PUBLISHED]
    assert seeds == ([] if settings is None else list(made.metric_seeds))
    assert set(seeds) <= set(made.seeds)  # paired with plain NED
    assert PUBLISHED not in dict(scored_runs.base_runs(workspace, "ned"))
    assert PUBLISHED not in (*made.methods_of("moved"), *made.methods_of("ned"))
    if settings is not None:
        assert settings.affine_rank == settings.aligned_weight == 0
        weights = (settings.adversarial_weight, settings.style_weight, settings.cycle_weight)
        assert all((*weights, settings.mouth_weight))


def test_missing_manipulators_are_learned_side_by_side_after_what_they_need(
    monkeypatch, tmp_path, waves
):
    made = []
    monkeypatch.setattr(
        models, "make_supervision", lambda _, method, *rest: made.append(("metrics", method.name))
    )
    for name in ("make_manipulator", "make_base_manipulator"):
        monkeypatch.setattr(models, name, lambda _, *which, name=name: made.append((name, *which)))
    scale = replace(load_scale("full"), face=replace(load_scale("full").face, processes=3))
    workspace = SimpleNamespace(scale=scale, device="cpu", stage_folder=tmp_path.joinpath)
    there = tmp_path / "manipulator" / "ned" / "seed0" / MANIPULATOR_NAME
    there.parent.mkdir(parents=True)
    there.touch()
    wanted = [("ned", 0), ("ned+asccl", 0), ("ned+asccl", 1), (PUBLISHED, 0)]
    models.make_manipulators(workspace, wanted)
    assert waves == [(3, [("base", 0), ("base", 1)]), (3, wanted[1:])]
    assert made[0][0] == "metrics"
    assert made.index(("make_base_manipulator", 1)) < made.index(
        ("make_manipulator", "ned+asccl", 0)
    )
    models.make_manipulators(SimpleNamespace(**vars(workspace) | {"device": "cuda"}), wanted)
    models.make_manipulators(workspace, wanted[:2])  # one alone gains nothing
    assert len(waves) == 2
