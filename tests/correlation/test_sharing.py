"""Two processes over gloo learn what one process learns on the whole batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.correlation.sharing import LEARNING, learn_all

pytestmark = pytest.mark.slow  # two processes that import torch and learn


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharing")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.correlation.sharing", str(rank), "2", str(folder)],
            cwd=Path(__file__).parents[2],
        )
        for rank in range(2)
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def alone():
    """What this process learns on whole batches."""
    return learn_all()


ONE_STEP = [name for name, steps in LEARNING.items() if steps == 1]


@pytest.mark.parametrize("name", ["rounded", *LEARNING])
def test_both_processes_end_with_the_very_same_weights(shared, name):
    first, second = (each[name] for each in shared)
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


@pytest.mark.parametrize("name", ONE_STEP)
def test_gradients_of_shares_are_those_of_the_whole_batch(shared, alone, name):
    gradients = {key: value for key, value in alone[name].items() if key.startswith("gradient")}
    largest = max(value.abs().max() for value in gradients.values())
    assert largest > 0.1
    for key, value in gradients.items():
        assert (shared[0][name][key] - value).abs().max() < 1e-11 * largest, key


@pytest.mark.parametrize("name", LEARNING)
def test_weights_statistics_and_curve_are_those_of_one_process(shared, alone, name):
    assert shared[0][name].keys() == alone[name].keys()
    for key, value in alone[name].items():
        if not key.startswith("gradient"):
            torch.testing.assert_close(shared[0][name][key], value, rtol=1e-6, atol=1e-8, msg=key)
