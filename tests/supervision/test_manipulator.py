from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from spfem import training
from spfem.correlation import CrossModalCoherence, SpatialCoherence, TemporalCoherence
from spfem.correlation.retrieval import AudioBank, nearest_below
from spfem.head import load_head_model
from spfem.manipulator import ExpressionSpace, learn_manipulator, load_manipulator
from spfem.settings import SpatialSettings, SupervisionSettings, TemporalSettings
from spfem.supervision.manipulator import Supervisors, supervise_manipulator
from tests.correlation.planted_sound import SMALL as CROSS_MODAL
from tests.manipulator.conftest import SMALL, planted_speech
from tests.test_training import KilledError, killed

SPATIAL = SpatialSettings(
    image_size=48, widths=(16, 16, 16), blocks=(1, 1, 1), centres=(8, 4, 2), precision="float32"
)
SETTINGS = SupervisionSettings(manipulator_frames=2)
SPACE = ExpressionSpace(tuple(f"unit{number}" for number in range(52)), (0.0, 1.0))
TERMS = ["spatial", "temporal_vd", "temporal_cm", "paired", "consistency"]


@dataclass
class Track:
    expression: np.ndarray
    identity: np.ndarray


@pytest.fixture(scope="module")
def clips():
    sequences, labels, _ = planted_speech(7, frames=16, coefficients=52)
    random = np.random.default_rng(0)
    keys = [f"A/{number}/{label}" for number, label in enumerate(labels)]
    tracks = {
        key: Track(sequence.numpy(), random.normal(0, 0.5, 48).astype(np.float32))
        for key, sequence in zip(keys, sequences, strict=True)
    }
    return tracks, dict(zip(keys, labels, strict=True))


def make_bank(labels, digest="bank"):
    """Every clip has 7 windows; labels ascend with the clips."""
    clip = np.repeat(np.arange(7), 7).astype(np.int32)
    random = np.random.default_rng(1)
    tables = {
        name: random.uniform(0, 3, (7, 7))
        for name in ("angry", "disgusted", "fear", "happy", "sad", "surprised")
    }
    return AudioBank(
        "A",
        tuple(labels),
        10,
        clip,
        np.tile(np.arange(7), 7).astype(np.int32),
        clip,
        {name: nearest_below(table, 2.0, 3) for name, table in tables.items()},
        {name: nearest_below(table.T, 2.0, 3) for name, table in tables.items()},
        2.0,
        digest,
    )


@pytest.fixture
def supervisors(tmp_path, clips):
    torch.manual_seed(0)
    temporal = {}
    SpatialCoherence(SPATIAL).save(tmp_path / "spatial.safetensors")
    for formulation in ("vd", "cm"):
        name = f"temporal_{formulation}"
        temporal[name] = tmp_path / f"{name}.safetensors"
        TemporalCoherence(
            TemporalSettings(
                spatial=SPATIAL, window_frames=3, places=(16, 8, 4), formulation=formulation
            )
        ).save(temporal[name])
    CrossModalCoherence(CROSS_MODAL).save(tmp_path / "cross.safetensors")
    return Supervisors(
        tmp_path / "spatial.safetensors",
        temporal,
        tmp_path / "cross.safetensors",
        {"A": make_bank(clips[1])},
    )


def supervise(supervisors, clips, settings=SETTINGS):
    return supervise_manipulator(supervisors, settings, load_head_model(), clips[0])


def test_killed_training_with_every_supervision_resumes_to_the_same_weights(
    tmp_path, monkeypatch, supervisors, clips
):
    monkeypatch.setattr(training, "KEEP_SECONDS", 0.0)
    settings = replace(SMALL, steps=5, batch_size=8, residual=True)

    def learn(name, **arguments):
        return learn_manipulator(
            *clips,
            tmp_path / name,
            settings,
            space=SPACE,
            inputs={},
            supervision=supervise(supervisors, clips),
            **arguments,
        )

    whole = learn("whole")
    with pytest.raises(KilledError):
        learn("killed", progress=killed)
    torch.rand(7)  # another state of the global random numbers
    resumed = learn("killed")
    assert (resumed.parent / "curve.csv").read_text() == (whole.parent / "curve.csv").read_text()
    assert (whole.parent / "curve.csv").read_text().splitlines()[0].split(",")[-5:] == TERMS
    wanted = load_manipulator(whole).state_dict()
    for name, tensor in load_manipulator(resumed).state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


def test_everything_that_supervises_is_in_the_digests(tmp_path, supervisors, clips):
    whole = supervise(supervisors, clips)
    assert list(whole.settings["weights"]) == TERMS

    def changed(other, settings=SETTINGS):
        made = supervise(other, clips, settings)
        return (
            {name for name, value in made.inputs.items() if value != whole.inputs[name]},
            made.settings != whole.settings,
        )

    assert changed(supervisors) == (set(), False)
    banks = {"A": make_bank(clips[1], "another")}
    assert changed(replace(supervisors, banks=banks)) == ({"banks"}, False)
    for field in ("spatial", "temporal", "paired", "consistency"):
        settings = replace(SETTINGS, **{f"manipulator_{field}": 7.0})
        assert changed(supervisors, settings) == (set(), True)
    for field in ("frames", "windows"):
        settings = replace(SETTINGS, **{f"manipulator_{field}": 7})
        assert changed(supervisors, settings) == (set(), True)
    torch.manual_seed(1)
    SpatialCoherence(SPATIAL).save(tmp_path / "spatial.safetensors")
    assert changed(supervisors) == ({"spatial"}, False)
    CrossModalCoherence(CROSS_MODAL).save(tmp_path / "cross.safetensors")
    assert changed(supervisors) == ({"spatial", "cross_modal"}, False)
