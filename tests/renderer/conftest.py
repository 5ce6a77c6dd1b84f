"""Planted clips and a small renderer trained on them once."""

from __future__ import annotations

import pytest

from spfem.renderer.learn import train_renderer
from tests.renderer.planted import SETTINGS, planted_clip


@pytest.fixture(scope="session")
def clips():
    return [planted_clip(seed, 12) for seed in range(3)]


@pytest.fixture(scope="session")
def trained(clips):
    return train_renderer(clips, SETTINGS, seed=0, steps=60)
