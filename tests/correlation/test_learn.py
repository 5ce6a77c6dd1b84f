from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spfem.correlation import SpatialCoherence
from spfem.correlation.learn import CURVE_NAME, learn_spatial
from tests.correlation.planted import SMALL, planted_pairs

QUICK = replace(SMALL, steps=3, curve_steps=2)
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


def test_stage_leaves_a_usable_checkpoint_and_is_reused(corpus, tmp_path):
    folder = tmp_path / "spatial"
    steps = []

    def counted(each):
        return (steps.append(step) or step for step in each)

    arguments = (*corpus, ROLES, folder)
    path = learn_spatial(*arguments, QUICK, seed=0, progress=counted)
    assert SpatialCoherence.load(path).settings == QUICK
    curve = json.loads((folder / CURVE_NAME).read_text())
    assert {row["split"] for row in curve} == {"train", "held_out"}
    written = path.stat().st_mtime_ns
    learn_spatial(*arguments, QUICK, seed=0, progress=counted)
    assert path.stat().st_mtime_ns == written
    assert steps == [0, 1, 2]
    learn_spatial(*arguments, QUICK, seed=1, progress=counted)
    learn_spatial(*arguments, QUICK, seed=1, force=True, progress=counted)
    assert steps == [0, 1, 2] * 3
    assert sorted(file.name for file in folder.iterdir()) == [
        "artifact.json",
        "curve.json",
        "spatial.safetensors",
    ]


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
