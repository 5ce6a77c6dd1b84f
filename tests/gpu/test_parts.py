"""Parts of the run on a GPU that can be told right or wrong without one."""

from __future__ import annotations

import csv
import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks.agreement import Case, compare
from benchmarks.correlation_cases import normal
from benchmarks.faces import FACES, load_faces, write_faces
from benchmarks.gpu import Section, run_all
from benchmarks.made_up_material import make_up_material
from benchmarks.merge import read_rows
from benchmarks.record import Record
from benchmarks.rows import SHOWN, Row, merge_rows, renew_table, shown_table
from benchmarks.sizes import published, rehearsed
from spfem.errors import CorpusError, InputError


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "out", "cpu", "a processor", judged=True)


def checks(record):
    with (record.folder / "checks.csv").open(newline="") as file:
        return {row["check"]: row for row in csv.DictReader(file)}


class WrongOnTheDevice(nn.Linear):
    """Computes something else the second time in a row in one type, as a bad kernel would."""

    def __init__(self, wrong):
        super().__init__(4, 3)
        self.wrong, self.calls = wrong, []

    def __deepcopy__(self, memo):
        copy = WrongOnTheDevice(self.wrong)
        copy.load_state_dict(self.state_dict())
        copy.calls = self.calls
        return copy

    def forward(self, values):
        made = super().forward(values)
        second = made.dtype in self.calls
        self.calls.append(made.dtype)
        return made * (1 + self.wrong) if second else made


def test_a_wrong_kernel_fails_and_a_right_one_passes(record):
    inputs = {"x": normal(5, 4)}
    compare(record, Case("right", WrongOnTheDevice(0.0), inputs, lambda m, x: [m(x["x"])]), "cpu")
    compare(record, Case("wrong", WrongOnTheDevice(1e-3), inputs, lambda m, x: [m(x["x"])]), "cpu")
    results = {name: row["result"] for name, row in checks(record).items()}
    assert {results[name] for name in results if name.startswith("right")} == {"pass"}
    assert {results[name] for name in results if name.startswith("wrong")} == {"FAIL"}
    assert len(results) == 8
    assert record.failures == 4


def test_a_switched_relu_passes_in_float32_only(record):
    class Switching(WrongOnTheDevice):
        def __init__(self, wrong):
            super().__init__(wrong)
            self.switch = nn.ReLU()

    class SwitchedGradient(torch.autograd.Function):
        @staticmethod
        def forward(context, values, wrong):
            context.wrong = wrong
            return values.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * (1 + context.wrong), None

    class Gradient(Switching):
        def forward(self, values):
            wrong = self.wrong if values.dtype in self.calls else 0.0
            self.calls.append(values.dtype)
            return SwitchedGradient.apply(self.switch(nn.Linear.forward(self, values)), wrong)

    for name, wrong in (("one path", 1e-3), ("a tenth", 0.1)):
        case = Case(name, Gradient(wrong), {"x": normal(5, 4)}, lambda m, x: [m(x["x"])])
        compare(record, case, "cpu")
    results = {name: row["result"] for name, row in checks(record).items()}
    assert results["one path, gradient, float32"] == "pass"
    assert results["one path, gradient, float64"] == "FAIL"
    assert results["a tenth, gradient, float32"] == "FAIL"


def test_a_lost_gradient_fails(record):
    class Forgetful(nn.Linear):
        seen = 0

        def forward(self, values):
            Forgetful.seen += 1
            made = super().forward(values)
            return made if Forgetful.seen <= 2 else made.detach() + 0 * self.bias.sum()

    case = Case("forgetful", Forgetful(4, 3), {"x": normal(5, 4)}, lambda m, x: [m(x["x"])])
    compare(record, case, "cpu")
    results = {name: row["result"] for name, row in checks(record).items()}
    assert results["forgetful, output, float64"] == "pass"
    assert results["forgetful, gradient, float64"] == "FAIL"


def stub_run(record, sections, seconds=60.0):
    return SimpleNamespace(
        record=record,
        device="cpu",
        rehearsal=False,
        only=[],
        end=time.monotonic() + seconds,
        sections=lambda: iter(sections),
    )


def test_a_section_that_breaks_or_lasts_too_long_does_not_stop_the_next(record):
    def break_down():
        raise ValueError("planted")

    def oversleep():
        time.sleep(20)
        done.append("slept")

    done = []
    sections = [
        Section("breaks", 30, break_down),
        Section("sleeps", 0.2, oversleep),
        Section("works", 30, lambda: done.append(1)),
    ]
    assert run_all(stub_run(record, sections)) == 1
    assert done == [1]  # woken before its time; no clock, as counting memory takes its own
    found = checks(record)
    assert "planted" in found["breaks"]["note"]
    assert found["the rest of sleeps"]["result"] == "not run"


def test_the_published_sizes_are_the_papers():
    sizes = published()
    assert sizes.spatial.image_size == 224
    assert sizes.spatial.batch_size == 8
    assert [(w.window_frames, w.batch_size) for w in sizes.windows] == [(5, 8), (9, 8)]
    assert (sizes.manipulator.batch_size, sizes.clip_frames) == (64, 300)
    assert sizes.renderer.image_size == 256
    assert sizes.checked_spatial.widths == sizes.spatial.widths


def test_carried_faces_come_back(tmp_path):
    make_up_material(tmp_path, rehearsed())
    path = tmp_path / FACES
    carried = load_faces(path)
    assert [pairs.pairs[0].actor for pairs in (carried.train, carried.held_out)] == ["a", "b"]
    assert len(carried.train.faces["a/happy/0"]) == len(carried.visemes["a/happy/0"]) == 12
    with pytest.raises(InputError, match="more than 1e-05 MB"):
        write_faces(path, carried, 1e-5)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="make it again"):
        load_faces(path)


def test_rows_of_a_card_are_merged_under_its_name(tmp_path):
    out = Record(tmp_path / "run", "cuda", "NVIDIA H100", judged=True)
    out.row(Row("spatial_step_224px", "cuda", "bfloat16", "work", 9.0, 1.0))
    figures, readme = tmp_path / "benchmarks.csv", tmp_path / "README.md"
    merge_rows(figures, [Row("spatial_step", "cpu", "float32", "work", 6.0, 2.0)])
    merge_rows(figures, read_rows(out.folder / "benchmarks_gpu.csv"))
    readme.write_text(f"before\n\n{shown_table([])}\nafter\n")
    renew_table(readme, figures)
    lines = readme.read_text().splitlines()
    assert f"| {SHOWN[0][0]} | 3 (float32) | 9 (bfloat16, NVIDIA H100) |" in lines
    assert f"| {SHOWN[1][0]} | not measured | not measured |" in lines
    assert (lines[0], lines[-1], lines[-2]) == ("before", "after", "")
    readme.write_text("nothing")
    with pytest.raises(CorpusError, match="put it back"):
        renew_table(readme, figures)
