"""On a machine with a GPU: every network, loss and operator computes what the processor does."""

from __future__ import annotations

import csv

import pytest
import torch

from benchmarks.agreement import compare
from benchmarks.correlation_cases import correlation_cases
from benchmarks.crossmodal_cases import cross_modal_cases
from benchmarks.face_cases import face_cases, fixed_cases
from benchmarks.limits import rounded_products
from benchmarks.manipulator_cases import manipulator_cases
from benchmarks.moved_checks import moved_checks
from benchmarks.moved_scene import DEFAULT
from benchmarks.record import Record
from benchmarks.renderer_cases import renderer_cases
from benchmarks.repeatability import files_move, several_processes, two_runs
from benchmarks.sizes import rehearsed
from tests.conftest import ROOT

CASES = {
    "correlation": correlation_cases,
    "cross-modal": cross_modal_cases,
    "manipulator": manipulator_cases,
    "renderer": renderer_cases,
    "faces": face_cases,
    "networks of one size": fixed_cases,
}
SCENE = ROOT / DEFAULT
needs_a_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch sees no GPU; these compare one with the processor"
)


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path, "cuda", "this card", judged=False)


def assert_passed(record):
    with (record.folder / "checks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert not [row for row in rows if row["result"] == "FAIL"]


@needs_a_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_a_gpu_computes_what_the_processor_does(name, record):
    with rounded_products(False):
        for case in CASES[name](rehearsed()):
            compare(record, case, "cuda")
    assert_passed(record)


@needs_a_gpu
@pytest.mark.gpu
def test_a_gpu_moves_pixels_as_the_processor_does(record):
    pytest.importorskip("spfem.renderer.moved")
    moved_checks(record, "cuda", rehearsed(), SCENE)
    assert_passed(record)


@needs_a_gpu
@pytest.mark.gpu
def test_runs_repeat_and_files_move(record, tmp_path):
    two_runs(record, "cuda", rehearsed())
    with rounded_products(False):
        files_move(record, "cuda", rehearsed(), tmp_path / "files")
    several_processes(record, "cuda")
    assert_passed(record)
