from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

from spfem.doctor.disk import RUN_GB, disk_facts

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def facts_with_free(tmp_path, monkeypatch):
    """Facts by name on a disk with that many free GB."""

    def find(free_gb):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9e12, 0, free_gb * 1e9))
        return {fact.name: fact for fact in disk_facts(tmp_path / "not" / "yet")}

    return find


def test_a_roomy_disk_fits_every_scale(facts_with_free):
    facts = facts_with_free(100.0)
    assert all(facts[f"a {scale} run"].found.endswith(": fits") for scale in RUN_GB)
    assert not [fact for fact in facts.values() if fact.trouble]


def test_a_small_disk_is_a_trouble_only_for_the_default_run(facts_with_free):
    facts = facts_with_free(2.0)
    assert "does not fit, 3.4 GB are needed" in facts["a full run"].found
    assert not [fact for fact in facts.values() if fact.trouble]
    facts = facts_with_free(1.0)
    assert facts["a smoke run"].found.endswith(": fits")
    assert "1.6 GB are needed" in facts["a demo run"].trouble
    assert "--data" in facts["a demo run"].trouble


def test_what_is_there_is_not_needed_again(facts_with_free, tmp_path):
    folder = tmp_path / "not" / "yet" / "synthetic-demo" / "faces"
    folder.mkdir(parents=True)
    with (folder / "clip.npz").open("wb") as file:
        file.truncate(1_000_000_000)  # takes no blocks
    fact = facts_with_free(1.0)["a demo run"]
    assert "1.0 GB of it there: fits" in fact.found
    assert not fact.trouble


def test_memory_is_said(facts_with_free):
    assert float(facts_with_free(1.0)["memory"].found.split()[0]) > 0.5
