"""The stages that learn correlation metrics: made once, usable, made again when asked otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spfem.correlation import CrossModalCoherence, SpatialCoherence, SpatialTemporalCoherence
from spfem.correlation.retrieval import retrieve_all
from spfem.errors import CorpusError
from spfem.run.learned import (
    learn_joint,
    learn_single,
    learn_spatial,
    learn_temporal,
    measure_banks,
)
from spfem.settings import TemporalSettings
from tests.correlation import planted_sound
from tests.correlation.planted import SMALL, planted_pairs

QUICK = replace(SMALL, steps=3, curve_steps=2)
WINDOWS = TemporalSettings(
    spatial=replace(SMALL, image_size=24), places=(32, 12), window_frames=3, batch_size=2,
    steps=3, curve_steps=3, formulation="cm",
)  # fmt: skip
ROLES = {"A0": "train", "A1": "held_out", "A2": "target"}


class Store(dict):
    digest = "faces"


@pytest.fixture
def corpus():
    frames, _ = planted_pairs((0, 1))
    tracks = Store(
        (key, SimpleNamespace(faces=faces, found=np.ones(len(faces), bool)))
        for key, faces in frames.faces.items()
    )
    pairs = [
        SimpleNamespace(source=p.source, target=p.target, path=p.path, usable=True)
        for p in frames.pairs
    ]
    return tracks, SimpleNamespace(digest="pairs", pairs=pairs)


@pytest.mark.parametrize("name", ["spatial", "spatial_temporal_cm"])
def test_stage_leaves_a_usable_checkpoint_and_is_reused(corpus, tmp_path, name):
    folder, steps = tmp_path / "stage", []

    def learn(seed):
        counted = lambda each: (steps.append(step) or step for step in each)  # noqa: E731
        rest = {"seed": seed, "progress": counted}
        if name == "spatial":
            return learn_spatial(*corpus, ROLES, folder, QUICK, **rest)
        return learn_temporal(name, *corpus, ROLES, folder, WINDOWS, **rest)

    path = learn(0)
    kind = SpatialCoherence if name == "spatial" else SpatialTemporalCoherence
    assert kind.load(path).settings == (QUICK if name == "spatial" else WINDOWS)
    curve = json.loads((folder / "curve.json").read_text())
    assert {row["split"] for row in curve} == {"train", "held_out"}
    written = path.stat().st_mtime_ns
    assert learn(0) == path
    assert path.stat().st_mtime_ns == written
    assert steps == [0, 1, 2]
    learn(1)
    assert steps == [0, 1, 2] * 2
    assert {file.name for file in folder.iterdir()} == {"artifact.json", "curve.json", path.name}


def test_learning_may_start_from_a_learned_metric(corpus, tmp_path):
    published = learn_spatial(*corpus, ROLES, tmp_path / "published", QUICK, seed=0)
    still = replace(QUICK, learning_rate=1e-12, speech_weight=1.0)
    path = learn_spatial(*corpus, ROLES, tmp_path / "speech", still, seed=0, first=published)
    start, end = SpatialCoherence.load(published), SpatialCoherence.load(path)
    assert end.settings == still
    for name, parameter in start.named_parameters():
        torch.testing.assert_close(end.get_parameter(name), parameter, rtol=1e-5, atol=1e-6)
    other = learn_spatial(*corpus, ROLES, tmp_path / "published", QUICK, seed=1)
    written = path.stat().st_mtime_ns
    learn_spatial(*corpus, ROLES, tmp_path / "speech", still, seed=0, first=other)
    assert path.stat().st_mtime_ns > written


SOUND_ROLES = {"A": "train", "B": "held_out"}
SOUND = replace(
    planted_sound.SMALL, single_steps=4, joint_steps=4, curve_steps=4, consistency_start=1
)
INPUTS = {"corpus": "planted"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    clips, pairs, _ = planted_sound.planted_clips()
    asked = []

    def signals(key, modalities):
        asked.append((key, modalities))
        absent = {n: None for n in ("audio", "expression", "image") if n not in modalities}
        return replace(clips[key], **absent)

    def learn():
        shared = {"inputs": INPUTS, "seed": 0}
        encoders = {
            name: learn_single(name, signals, pairs, SOUND_ROLES, folder / name, SOUND, **shared)
            for name in ("audio", "expression")
        }
        rest = (signals, pairs, SOUND_ROLES, folder / "joint", SOUND)
        return learn_joint("expression", encoders, *rest, **shared)

    return learn, learn(), signals, asked, pairs, folder


def test_stages_learn_once_and_leave_a_metric_that_supervises(learned):
    learn, path, _, asked, _, folder = learned
    assert {modalities for _, modalities in asked} == {
        ("audio",),
        ("expression",),
        ("audio", "expression"),
    }
    count = len(asked)
    assert learn() == path
    assert len(asked) == count
    metric = CrossModalCoherence.load(path)
    windows = torch.rand(3, 5, 12, requires_grad=True)
    metric(windows, torch.rand(3, 5, 12), torch.ones(3)).backward()
    assert windows.grad.abs().sum() > 0
    assert not list(folder.rglob("state.safetensors"))
    assert len(list(folder.rglob("curve.json"))) == 3


def test_banks_are_measured_once_an_actor_and_answer(learned):
    _, path, signals, asked, pairs, folder = learned
    clips: dict[str, tuple[str, ...]] = {}
    for pair in pairs.pairs:
        actor = pair.source[0]
        clips[actor] = tuple(dict.fromkeys((*clips.get(actor, ()), pair.source, pair.target)))
    banks = [
        measure_banks(path, signals, clips, folder / "banks", 5, inputs=INPUTS) for _ in range(2)
    ]
    count = len(asked)
    assert set(banks[0]) == {"A", "B"}
    found, again = (retrieve_all(bank["A"], "happy") for bank in banks)
    assert np.array_equal(found.window, again.window)
    assert found.found.any()
    (folder / "banks" / "B.npz").unlink()
    measure_banks(path, signals, clips, folder / "banks", 5, inputs=INPUTS)
    assert {key[0] for key, _ in asked[count:]} == {"B"}


def test_nobody_to_learn_from_is_refused(learned, tmp_path):
    _, _, signals, _, pairs, _ = learned
    with pytest.raises(CorpusError, match="learn from"):
        learn_single(
            "audio", signals, pairs, {"A": "target"}, tmp_path, SOUND, inputs=INPUTS, seed=0
        )
