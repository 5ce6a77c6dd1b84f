"""Each metric is learned once, into a checkpoint with its curve; anew when its inputs change."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spfem.correlation import SpatialCoherence, SpatialTemporalCoherence, TemporalCoherence
from spfem.correlation.retrieval import retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.errors import CorpusError, SettingsError
from spfem.run import metrics
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, planted_pairs
from tests.correlation.planted_sound import SMALL as SMALL_SOUND
from tests.correlation.planted_sound import planted_clips

QUICK = replace(SMALL, steps=3, curve_steps=2)
WINDOWS = TemporalSettings(
    spatial=replace(SMALL, image_size=24),
    places=(32, 12),
    window_frames=3,
    batch_size=2,
    steps=2,
    curve_steps=1,
)
SOUND = replace(SMALL_SOUND, single_steps=4, joint_steps=4, curve_steps=4, consistency_start=1)


class Store(dict):
    digest = "faces"


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A workspace of two actors whose pictures are planted; `steps` counts what is learned."""
    frames, _ = planted_pairs((0, 1))
    faces = Store(
        (key, SimpleNamespace(faces=faces, found=np.ones(len(faces), bool)))
        for key, faces in frames.faces.items()
    )
    pairs = [
        SimpleNamespace(source=p.source, target=p.target, path=p.path, usable=True)
        for p in frames.pairs
    ]
    steps = []
    scale = SimpleNamespace(
        spatial=QUICK, spatial_speech=replace(QUICK, learning_rate=1e-12, speech_weight=1.0),
        temporal=WINDOWS, temporal_from_spatial=False, cross_modal=SOUND,
        manipulator=SimpleNamespace(window_frames=5),
    )  # fmt: skip
    made = SimpleNamespace(
        workspace=SimpleNamespace(scale=scale, device="cpu", stage_folder=tmp_path.joinpath),
        corpus=SimpleNamespace(
            roles={"A0": "train", "A1": "held_out", "A2": "target"}, digest="c", fps=25
        ),
        pairs=SimpleNamespace(digest="pairs", pairs=pairs),
        steps=steps,
        folder=tmp_path,
    )
    monkeypatch.setattr(metrics, "make_corpus", lambda _: made.corpus)
    monkeypatch.setattr(metrics, "make_faces", lambda _: faces)
    monkeypatch.setattr(metrics, "make_pairs", lambda _: made.pairs)

    def counted(each):
        return (steps.append(step) or step for step in each)

    monkeypatch.setattr(metrics, "show_progress", lambda _: counted)
    return made


def test_spatial_metric_is_learned_once_a_seed(world):
    path = metrics.make_spatial_metric(world.workspace)
    assert SpatialCoherence.load(path).settings == QUICK
    curve = json.loads((path.parent / "curve.json").read_text())
    assert {row["split"] for row in curve} == {"train", "held_out"}
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "artifact.json",
        "curve.json",
        "spatial.safetensors",
    ]
    assert metrics.make_metric(world.workspace, "spatial") == path
    assert world.steps == [0, 1, 2]
    other = metrics.make_spatial_metric(world.workspace, 1)
    assert other.parent.name == "seed1"
    assert world.steps == [0, 1, 2] * 2
    world.pairs.digest = "other"
    metrics.make_spatial_metric(world.workspace)
    assert world.steps == [0, 1, 2] * 3


def test_speech_metric_goes_on_from_the_published_one(world):
    path = metrics.make_metric(world.workspace, "spatial_speech")
    published = metrics.make_spatial_metric(world.workspace)
    assert world.steps == [0, 1, 2] * 2
    start, end = SpatialCoherence.load(published), SpatialCoherence.load(path)
    assert end.settings == world.workspace.scale.spatial_speech
    for name, parameter in start.named_parameters():
        torch.testing.assert_close(end.get_parameter(name), parameter, rtol=1e-5, atol=1e-6)
    world.workspace.scale.spatial = replace(QUICK, steps=2)  # another published metric
    metrics.make_metric(world.workspace, "spatial_speech")
    assert len(world.steps) == 6 + 2 + 3


def test_missing_metrics_are_learned_side_by_side_after_the_spatial_ones(monkeypatch, world, waves):
    learned = []
    monkeypatch.setattr(metrics, "make_metric", lambda _, *run: learned.append(run))
    world.workspace.scale.metric_seeds = (0, 3)
    world.workspace.scale.face = SimpleNamespace(processes=5)
    metrics.make_spatial_metric(world.workspace, 3)
    names = ("spatial_speech", "temporal_vd")
    metrics.make_metrics(world.workspace, names)
    missing = [(name, seed) for name in names for seed in (0, 3)]
    assert waves == [(5, [("spatial", 0)]), (5, missing)]
    assert learned == [("spatial", 0), *missing]
    metrics.make_metrics(world.workspace, ("spatial",))  # one alone gains nothing
    world.workspace.device = "cuda"
    metrics.make_metrics(world.workspace, names)
    assert len(waves) == 2


def test_temporal_metric_is_learned_once_a_seed(world):
    path = metrics.make_metric(world.workspace, "spatial_temporal_cm")
    metric = SpatialTemporalCoherence.load(path)
    assert metric.settings == replace(WINDOWS, formulation="cm")
    curve = json.loads((path.parent / "curve.json").read_text())
    assert {row["split"] for row in curve} == {"train", "held_out"}
    assert metrics.make_temporal_metric(world.workspace, "spatial_temporal_cm") == path
    assert world.steps == [0, 1]
    metrics.make_metric(world.workspace, "spatial_temporal_cm", 1)
    assert world.steps == [0, 1] * 2


def test_a_temporal_metric_can_go_on_from_the_spatial_one(world):
    world.workspace.scale.temporal_from_spatial = True
    world.workspace.scale.temporal = replace(WINDOWS, learning_rate=1e-12)
    path = metrics.make_metric(world.workspace, "temporal_cm")
    assert world.steps == [0, 1, 2, 0, 1]
    start = SpatialCoherence.load(metrics.make_spatial_metric(world.workspace))
    end = TemporalCoherence.load(path)
    for name, parameter in start.named_parameters():
        torch.testing.assert_close(end.get_parameter(name), parameter, rtol=1e-5, atol=1e-6)
    world.workspace.scale.spatial = replace(QUICK, steps=2)  # another spatial metric
    metrics.make_metric(world.workspace, "temporal_cm")
    assert len(world.steps) == 5 + 2 + 2


def test_a_study_learns_with_its_own_settings_in_its_own_place(world):
    own = replace(QUICK, steps=1)
    place = ("study", "short")
    path = metrics.make_spatial_metric(world.workspace, settings=own, place=place)
    assert path.parent == world.folder / "study" / "short" / "seed0"
    assert SpatialCoherence.load(path).settings == own
    assert SpatialCoherence.load(metrics.make_spatial_metric(world.workspace)).settings == QUICK


def test_unknown_metric_is_refused(world):
    with pytest.raises(SettingsError, match="metric 'sound' is unknown"):
        metrics.make_metric(world.workspace, "sound")


@pytest.fixture
def heard(world, monkeypatch):
    """The world with sound and expressions; `asked` notes the clips that are read."""
    clips, world.pairs, _ = planted_clips()
    world.corpus.roles = {"A": "train", "B": "held_out"}
    world.asked = []

    def signals(key, modalities):
        world.asked.append((key, modalities))
        absent = {n: None for n in ("audio", "expression", "image") if n not in modalities}
        return replace(clips[key], **absent)

    monkeypatch.setattr(metrics, "clip_signals", lambda workspace, size: signals)
    known = [SimpleNamespace(actor=key[0], key=key) for key in clips]
    monkeypatch.setattr(metrics, "bank_clips", lambda corpus: known)
    return world


def test_sound_and_expressions_learn_alone_and_then_together(heard):
    path = metrics.make_cross_modal_metric(heard.workspace, "expression")
    read = {("audio",), ("expression",), ("audio", "expression")}
    assert {modalities for _, modalities in heard.asked} == read
    count = len(heard.asked)
    assert metrics.make_cross_modal_metric(heard.workspace, "expression") == path
    assert len(heard.asked) == count
    metric = CrossModalCoherence.load(path)
    windows = torch.rand(3, 5, 12, requires_grad=True)
    metric(windows, torch.rand(3, 5, 12), torch.ones(3)).backward()
    assert windows.grad.abs().sum() > 0
    assert not list(heard.folder.rglob("state.safetensors"))
    assert len(list(heard.folder.rglob("curve.json"))) == 3
    metrics.make_cross_modal_metric(heard.workspace, "expression", direct=True)
    assert len(list(heard.folder.rglob("curve.json"))) == 4  # with the same encoders


def test_banks_are_measured_once_an_actor_and_answer(heard):
    banks = [metrics.make_audio_banks(heard.workspace) for _ in range(2)]
    assert set(banks[0]) == {"A", "B"}
    found, again = (retrieve_all(each["A"], "happy") for each in banks)
    assert np.array_equal(found.window, again.window)
    assert found.found.any()
    count = len(heard.asked)
    next(heard.folder.rglob("B.npz")).unlink()
    metrics.make_audio_banks(heard.workspace)
    assert {key[0] for key, _ in heard.asked[count:]} == {"B"}


def test_nobody_to_learn_from_is_refused(heard):
    heard.corpus.roles = {"A": "target"}
    with pytest.raises(CorpusError, match="learn from"):
        metrics.make_cross_modal_encoder(heard.workspace, "audio")
