"""Jobs that a workspace gives out, done by the test's own process."""

from __future__ import annotations

import pytest

import spfem.run.workspace


@pytest.fixture
def waves(monkeypatch):
    """What was given out side by side: processes, and what each job is of beside its workspace."""
    given_out = []

    def run_jobs(work, jobs, processes):
        given_out.append((processes, [key for _, key in jobs]))
        for job in jobs:
            yield job, work(job)

    monkeypatch.setattr(spfem.run.workspace, "run_jobs", run_jobs)
    return given_out
