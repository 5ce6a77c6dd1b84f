from __future__ import annotations

import pytest

from spfem.head import load_head_model
from spfem.reading.learn import learn_reader
from tests.reading.planted import SETTINGS, planted_film


@pytest.fixture(scope="session")
def head():
    return load_head_model()


@pytest.fixture(scope="session")
def films(head):
    return [planted_film(head, seed) for seed in range(12)]


@pytest.fixture(scope="session")
def reader(films):
    return learn_reader(films, SETTINGS, 0, show=False)
