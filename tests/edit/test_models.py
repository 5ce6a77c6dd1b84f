"""Which manipulator an edit takes: the shipped one without a run, else the run's."""

from __future__ import annotations

import pytest
import torch

from spfem.edit.video import load_edit_manipulator
from spfem.errors import CheckpointError, SettingsError
from spfem.manipulator import pretrained_manipulator
from tests.edit.made_up import save_models


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A project folder in which nothing was run."""
    monkeypatch.setattr("spfem.edit.video.project_folder", lambda: tmp_path)
    return tmp_path


def _weights(manipulator):
    return torch.cat([value.flatten() for value in manipulator.state_dict().values()])


def test_without_models_the_shipped_manipulator_is_taken(nowhere):
    taken = load_edit_manipulator(None, "ned", seed=3)
    assert torch.equal(_weights(taken), _weights(pretrained_manipulator()))


def test_models_that_are_named_are_taken_instead(nowhere):
    folder = save_models(nowhere / "run")
    taken = load_edit_manipulator(folder, "ned", seed=0)
    assert len(_weights(taken)) != len(_weights(pretrained_manipulator()))


def test_a_method_that_is_not_shipped_needs_a_run(nowhere):
    with pytest.raises(CheckpointError, match=r"run_all\.sh .* without it ned needs no run"):
        load_edit_manipulator(None, "ned+asccl", seed=0)
    save_models(nowhere / "data" / "synthetic-demo", method="ned+asccl")
    assert load_edit_manipulator(None, "ned+asccl", seed=0).settings.width == 16
    with pytest.raises(SettingsError, match="'glad' is unknown"):
        load_edit_manipulator(None, "glad", seed=0)
