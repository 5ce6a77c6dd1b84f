"""The run that waits for a GPU, made on the processor with what a light install has."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.record import CHECK_COLUMNS, ROW_COLUMNS
from tests.conftest import ROOT

LIGHT = Path(__file__).parent / "light"
BENCHES = {
    "spatial_step_32px",
    "temporal_step_3_frames",
    "temporal_step_4_frames",
    "stage_a_step",
    "stage_b_step",
    "paired_term",
    "manipulator_iteration",
    "moved_renderer_64px",
    "manipulator_iteration_ASCCL",
    "manipulator_iteration_STCCL",
    "manipulator_iteration_SCMCL",
    "manipulator_inference",
    "manipulator_inference_files",
    "renderer_step_64px",
    "renderer_step_ASCCL",
    "renderer_step_STCCL",
    "renderer_inference_1_clips",
    "renderer_inference_2_clips",
}
NOT_HERE = {
    "renderer, recorded chunk against the plain one",
    "networks of one size",
    "ASCCL, compiled",
}


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_whole_run_passes_on_a_processor(tmp_path):
    environment = os.environ | {
        "PYTHON": sys.executable,
        "PYTHONPATH": str(LIGHT),  # hides what a light install lacks
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", ROOT / "benchmarks" / "gpu.sh", tmp_path, "--rehearse"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    checks, rows = read(tmp_path / "checks.csv"), read(tmp_path / "benchmarks_gpu.csv")
    assert tuple(checks[0]) == CHECK_COLUMNS
    assert tuple(rows[0]) == ROW_COLUMNS
    assert not [row for row in checks if row["result"] == "FAIL"]
    assert {row["check"] for row in checks if row["result"] == "not run"} == NOT_HERE
    assert sum(row["result"] == "pass" for row in checks) > 200
    assert {row["bench"] for row in rows} == BENCHES
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert read(tmp_path / "learned_curve.csv")
    assert {row["state"] for row in read(tmp_path / "learned_similarity.csv")} == {
        "before",
        "after",
    }


@pytest.mark.slow
def test_without_a_gpu_it_says_so():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "nowhere"],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "--rehearse" in done.stderr
    assert not (ROOT / "nowhere").exists()
