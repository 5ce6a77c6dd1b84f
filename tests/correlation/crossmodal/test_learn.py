from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spfem.correlation.retrieval import retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.errors import CorpusError
from spfem.run.learned import learn_joint, learn_single, measure_banks
from tests.correlation.crossmodal.planted import SMALL, planted_clips

ROLES = {"A": "train", "B": "held_out"}
SETTINGS = replace(SMALL, single_steps=4, joint_steps=4, curve_steps=4, consistency_start=1)
INPUTS = {"corpus": "planted"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    clips, pairs, clocks = planted_clips()
    asked = []

    def signals(key, modalities):
        asked.append((key, modalities))
        clip = clips[key]
        absent = {n: None for n in ("audio", "expression", "image") if n not in modalities}
        return replace(clip, **absent)

    def learn():
        encoders = {
            modality: learn_single(
                modality, signals, pairs, ROLES, folder / modality, SETTINGS, inputs=INPUTS, seed=0
            )
            for modality in ("audio", "expression")
        }
        return learn_joint(
            "expression",
            encoders,
            signals,
            pairs,
            ROLES,
            folder / "joint",
            SETTINGS,
            inputs=INPUTS,
            seed=0,
        )

    return learn, learn(), signals, asked, pairs, clocks, folder


def test_stages_learn_once_and_leave_a_metric_that_supervises(learned):
    learn, path, _, asked, _, _, folder = learned
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
    _, path, signals, asked, pairs, _, folder = learned
    clips: dict[str, tuple[str, ...]] = {}
    for pair in pairs.pairs:
        actor = pair.source[0]
        clips[actor] = tuple(dict.fromkeys((*clips.get(actor, ()), pair.source, pair.target)))
    banks = [
        measure_banks(path, signals, clips, folder / "banks", 5, inputs=INPUTS) for _ in range(2)
    ]
    count = len(asked)
    assert set(banks[0]) == {"A", "B"}
    found = retrieve_all(banks[0]["A"], "happy")
    again = retrieve_all(banks[1]["A"], "happy")
    assert np.array_equal(found.window, again.window)
    assert found.found.any()
    (folder / "banks" / "B.npz").unlink()
    measure_banks(path, signals, clips, folder / "banks", 5, inputs=INPUTS)
    assert {key[0] for key, _ in asked[count:]} == {"B"}


def test_nobody_to_learn_from_is_refused(learned, tmp_path):
    _, _, signals, _, pairs, _, _ = learned
    with pytest.raises(CorpusError, match="learn from"):
        learn_single(
            "audio", signals, pairs, {"A": "target"}, tmp_path, SETTINGS, inputs=INPUTS, seed=0
        )
