from __future__ import annotations

import pytest

from spfem.head import load_head_model
from tests.face.planted import planted_clip


@pytest.fixture(scope="session")
def head():
    return load_head_model()


@pytest.fixture(scope="session")
def planted(head):
    return planted_clip(head)
