from __future__ import annotations

from dataclasses import replace

import pytest

from spfem.head import load_head_model
from spfem.reading.learn import learn_reader
from tests.reading.planted import SETTINGS, planted_film


@pytest.fixture(scope="session")
def head():
    return load_head_model()


@pytest.fixture(scope="session")
def films(head):
    """Of three people: enough to see what learning does, not enough to learn."""
    return [planted_film(head, seed, clips=2, frames=8) for seed in range(3)]


@pytest.fixture(scope="session")
def reader(films):
    """A reader that has hardly learned."""
    return learn_reader(films, replace(SETTINGS, steps=5), seed=0)


@pytest.fixture(scope="session")
def good_reader(head):
    return learn_reader([planted_film(head, seed) for seed in range(12)], SETTINGS, seed=0)
