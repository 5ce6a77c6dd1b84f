"""Shared by all tests: one thread, so that digits do not depend on the machine's cores."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest
import torch

from tests.offline.network import NoNetwork
from tests.parity import import_check

ROOT = Path(__file__).resolve().parent.parent


def imported_modules(*folders: str) -> set[str]:
    """First names of all that the code in folders imports, without Python's and our own."""
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"spfem", "studies", "tools"}


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
    assert offline.attempts == []  # here too: of several processes only one makes the run
    return answer
