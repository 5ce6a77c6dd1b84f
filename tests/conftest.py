"""Shared by all tests: one thread, so that digits do not depend on the machine's cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests.offline.network import NoNetwork
from tests.parity import import_check

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def parity_folder() -> Path:
    folder = Path(os.environ.get("SPFEM_PARITY", ROOT.parent / "shared" / "parity"))
    if not (folder / "manifest.json").exists():
        pytest.skip(f"no parity fixtures at {folder}")
    return folder


@pytest.fixture(scope="module")
def check(parity_folder):
    yield from import_check(parity_folder)


@pytest.fixture(scope="session")
def offline(tmp_path_factory) -> NoNetwork:
    """Runs programs without a network, and notes what they ask of it."""
    return NoNetwork(tmp_path_factory.mktemp("offline") / "network.log")


@pytest.fixture(scope="session")
def smoke(offline):
    """The run of all notebooks at smoke scale, without a network; what is done is not repeated."""
    answer = offline.run(["bash", ROOT / "run_all.sh", "--scale", "smoke"])
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-4000:]
    return answer
