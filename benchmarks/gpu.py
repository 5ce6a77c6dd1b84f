"""`python -m benchmarks.gpu OUT`: everything that a GPU must prove, most important first.

Nothing stops at a failure, results are written as they come, and what does not fit into the time
is said. The exit status is 1 if a check failed.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from benchmarks.agreement import Case, compare
from benchmarks.carry import CARRIED
from benchmarks.compiled_step import compiled_steps
from benchmarks.correlation_cases import correlation_cases
from benchmarks.crossmodal_cases import cross_modal_cases
from benchmarks.crossmodal_steps import cross_modal_steps
from benchmarks.face_cases import face_cases, fixed_cases, released_lip_sync_case
from benchmarks.faces import FACES, CarriedFaces, load_faces
from benchmarks.formats import format_checks
from benchmarks.learning import learn_there
from benchmarks.limits import Peaks, measure_peaks, rounded_products
from benchmarks.made_up_material import make_up_material
from benchmarks.manipulator_cases import manipulator_cases
from benchmarks.manipulator_steps import manipulator_steps
from benchmarks.memory_kept import SLACK_BYTES, held_bytes
from benchmarks.metric_steps import spatial_steps, temporal_steps
from benchmarks.moved_checks import moved_checks
from benchmarks.moved_scene import DEFAULT as SCENE
from benchmarks.record import Record
from benchmarks.renderer_cases import renderer_cases
from benchmarks.renderer_steps import rendering, supervised_steps, training_steps
from benchmarks.repeatability import files_move, several_processes, two_runs
from benchmarks.sizes import Sizes, published, rehearsed

GPU_SECONDS, REHEARSAL_SECONDS = 410.0, 1800.0
PATIENCE = 20.0  # factor on the time of sections in a rehearsal, whose machine may be busy
COMPILE_SECONDS = 75.0  # kept for the last section
LEAST_SECONDS = 5.0  # left for a section to be begun
SHIPPED = Path("spfem/weights")  # trained weights of the package, where it has any


class OutOfTimeError(Exception):
    """A section used up its share."""


@dataclass(frozen=True)
class Section:
    """A part of the run.

    Attributes:
        name: for the tables.
        most_seconds: after which it is stopped.
        run: what it does.
    """

    name: str
    most_seconds: float
    run: Callable[[], None]


class Run:
    """One run on one device: what its sections share."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.rehearsal: bool = given.rehearse
        self.device = "cpu" if self.rehearsal else "cuda"
        self.sizes: Sizes = rehearsed() if self.rehearsal else published()
        self.carried: Path = given.carried
        self.scene_path: Path = given.scene
        self.only: list[str] = given.only
        self.end = time.monotonic() + (REHEARSAL_SECONDS if self.rehearsal else given.seconds)
        card = torch.cuda.get_device_name(0) if self.device == "cuda" else platform.processor()
        card = card or "processor"
        self.record = Record(given.out, self.device, card, judged=not self.rehearsal)
        self.peaks = Peaks(1.0, 1.0, 1.0, 1.0)
        if self.rehearsal:  # a stand-in for what is carried
            self.carried = given.out / "made_up"
            make_up_material(self.carried, self.sizes)

    def sections(self) -> Iterator[Section]:
        """All parts, most important first."""
        record, device, sizes = self.record, self.device, self.sizes
        yield Section("peaks", 20, self._measure_peaks)
        for name, cases in (
            ("right: correlation", correlation_cases),
            ("right: cross-modal", cross_modal_cases),
            ("right: manipulator", manipulator_cases),
            ("right: NED renderer", renderer_cases),
            ("right: faces", face_cases),
        ):
            yield Section(name, 45, lambda cases=cases: self._compare(cases(sizes)))  # type: ignore[misc]
        yield Section(
            "renderer that moves pixels",
            40,
            lambda: moved_checks(record, device, sizes, self.scene_path),
        )
        yield Section("time: ASCCL", 40, lambda: spatial_steps(record, device, sizes, self.peaks))
        yield Section(
            "time: NED rendering", 70, lambda: rendering(record, device, sizes, self.peaks)
        )
        for windows in sizes.windows:
            yield Section(
                f"time: STCCL, {windows.window_frames} frames",
                45,
                lambda windows=windows: temporal_steps(  # type: ignore[misc]
                    record, device, windows, self.peaks, sizes.repeats
                ),
            )
        yield Section("time: SCMCL", 30, lambda: cross_modal_steps(record, device, sizes))
        yield Section("time: manipulator", 40, lambda: manipulator_steps(record, device, sizes))
        yield Section(
            "time: NED training", 40, lambda: training_steps(record, device, sizes, self.peaks)
        )
        yield Section("time: supervision", 30, lambda: supervised_steps(record, device, sizes))
        yield Section("two runs", 40, lambda: two_runs(record, device, sizes))
        yield Section("files", 20, self._move_files)
        yield Section("torchrun", 60, lambda: several_processes(record, device))
        yield Section("formats", 30, self._formats)
        yield Section("right: networks of one size", 40, self._fixed)
        yield Section("learned", 400, self._learn)
        yield Section("time: ASCCL compiled", 90, self._compile)

    def _measure_peaks(self) -> None:
        self.peaks = measure_peaks(self.device, self.sizes.matrix_side, self.sizes.copied_mib)
        for name in ("bfloat16", "tf32", "float32"):
            rate = getattr(self.peaks, name)
            self.record.tell(f"matrix product, {name}", rate / 1e12, "TFLOP/s")
        self.record.tell("copy", self.peaks.bandwidth / 1e9, "GB/s read and written")

    def _compare(self, cases: Iterable[Case]) -> None:
        with rounded_products(False):
            for case in cases:
                try:
                    compare(self.record, case, self.device)
                except OutOfTimeError:
                    raise
                except Exception as error:
                    self.record.fail(case.name, _told(error))

    def _move_files(self) -> None:
        with rounded_products(False):
            files_move(self.record, self.device, self.sizes, self.record.folder / "scratch")

    def _compile(self) -> None:
        if self.rehearsal:
            self.record.leave_out("ASCCL, compiled", "takes too long for a rehearsal")
        else:
            compiled_steps(self.record, self.device, self.sizes)

    def _fixed(self) -> None:
        if self.rehearsal:
            self.record.leave_out("networks of one size", "too large for a rehearsal")
            return
        self._compare(fixed_cases(self.sizes))
        try:
            case = released_lip_sync_case()
        except ModuleNotFoundError as error:
            self.record.leave_out("SyncNet", f"{error.name} is not installed")
            return
        self._compare([case])

    def _faces(self) -> CarriedFaces | None:
        path = self.carried / FACES
        return load_faces(path) if path.exists() else None

    def _formats(self) -> None:
        folders = [SHIPPED, self.carried]
        format_checks(self.record, self.device, folders, self._faces(), self.carried)

    def _learn(self) -> None:
        faces = self._faces()
        if faces is None:
            self.record.leave_out("ASCCL learned", f"no faces in {self.carried}")
            return
        left = self.end - time.monotonic() - COMPILE_SECONDS
        learn_there(self.record, self.device, self.sizes, faces, left)


def run_all(run: Run) -> int:
    """Every section in turn; the number of failed checks."""
    record = run.record
    print(f"on {record.card}, PyTorch {torch.__version__}, {os.cpu_count()} cores", flush=True)
    held_bytes(run.device)
    chosen = [
        section
        for section in run.sections()
        if not run.only or section.name == "peaks" or any(w in section.name for w in run.only)
    ]
    for section in chosen:
        record.section = section.name
        left = run.end - time.monotonic()
        if left < LEAST_SECONDS:
            record.leave_out(section.name, "out of time")
            continue
        print(f"{section.name} ({left:.0f} s left)", flush=True)
        begun, before = time.monotonic(), held_bytes(run.device)
        try:
            most = section.most_seconds * (PATIENCE if run.rehearsal else 1.0)
            with _at_most(min(most, left)):
                section.run()
        except OutOfTimeError:
            record.leave_out(f"the rest of {section.name}", "out of time")
        except Exception as error:
            traceback.print_exc()
            record.fail(section.name, _told(error))
        kept = held_bytes(run.device) - before
        record.check(f"memory kept by {section.name}, bytes", kept, SLACK_BYTES)
        record.tell(f"{section.name}, seconds", time.monotonic() - begun)
    return record.failures


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Stop what runs inside after so many seconds."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().replace("\n", " ")[:300]


def main() -> None:
    """Run, and say how it went."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the tables, made anew")
    parser.add_argument("--rehearse", action="store_true", help="on the processor, tiny sizes")
    parser.add_argument(
        "--carried", type=Path, default=CARRIED, help=f"what `carry` made; default: {CARRIED}"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="sections with a word in their name"
    )
    parser.add_argument(
        "--seconds", type=float, default=GPU_SECONDS, help=f"for all; default: {GPU_SECONDS:.0f}"
    )
    parser.add_argument("--scene", type=Path, default=SCENE, help=f"default: {SCENE}")
    given = parser.parse_args()
    if not given.rehearse and not torch.cuda.is_available():
        sys.exit("no GPU: torch sees none; --rehearse runs the same on the processor")
    run = Run(given)
    failures = run_all(run)
    counts = {name: run.record.results.count(name) for name in dict.fromkeys(run.record.results)}
    print(", ".join(f"{count} {name}" for name, count in counts.items()), flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
