"""Shared by all tests: one thread, so that digits do not depend on the machine's cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

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
