"""The manipulator: an iteration of its training, plain and supervised, and the edit of a clip."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.clock import median_seconds
from benchmarks.literal_manipulator import LiteralTrainer
from benchmarks.made_up import EXPRESSIONS, made_up_metric
from benchmarks.networks import made_up_expression, made_up_manipulator, manipulator_inference
from benchmarks.record import Record
from benchmarks.rows import Row, Step
from benchmarks.sizes import Sizes
from benchmarks.waits import count_waits
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.manipulator.data import ExpressionWindows, WindowBatch
from spfem.manipulator.learn import Guide, Retrieved, Trainer
from spfem.settings import SupervisionSettings
from spfem.supervision.pairs import PairLosses, embed_windows
from spfem.supervision.pictures import Compared, PictureLosses, metric_term
from spfem.training import step_random

CLIPS = 14  # two of each emotion
TRAINED, EDITED = 3.0, 100.0  # aims: times the literal version


def manipulator_steps(record: Record, device: str, sizes: Sizes) -> None:
    """Rows of an iteration, with and without supervision, and of an edit."""
    settings = sizes.manipulator
    literal, ours = (made_up_manipulator(settings).to(device).train() for _ in range(2))
    windows = _windows(sizes, device)
    trainer = LiteralTrainer(literal, settings.learning_rate)
    numbers = itertools.count()

    def released() -> None:
        number = next(numbers)
        source, reference = windows.batch(number, 0), windows.batch(number, 1)
        trainer.step(source.expression, source.label, reference.expression, reference.label)

    ways: dict[str, Step] = {"literal": released, "ours": _iterate(ours, sizes, device, None)}
    for name, guide_of in _supervisions(sizes, device).items():
        supervised = made_up_manipulator(settings).to(device).train()
        ways[name] = _iterate(supervised, sizes, device, guide_of)
    waits = count_waits(ways["ours"], device)
    record.check("manipulator_iteration, waits in a step", waits, 0)
    seconds = median_seconds(ways, device=device, repeats=sizes.repeats)
    plain = seconds["literal"]
    for way in ways:
        if way == "literal":
            continue
        bench = "manipulator_iteration" if way == "ours" else f"manipulator_iteration_{way}"
        work = f"an iteration on {windows.batch_size} windows"
        if way != "ours":
            work += f" with {way}, {seconds[way] / seconds['ours']:.2f} times ours without"
        record.row(Row(bench, device, "float32", work, plain, seconds[way]))
    record.aim("manipulator_iteration, times the literal", plain / seconds["ours"], TRAINED)
    rows = manipulator_inference(device, settings, frames=sizes.clip_frames, repeats=sizes.repeats)
    for row in rows:
        record.row(row)
    edited = rows[0]
    record.aim("manipulator_inference, times the literal", edited.reference / edited.ours, EDITED)


def _iterate(
    manipulator: nn.Module,
    sizes: Sizes,
    device: str,
    guide_of: Callable[[ExpressionWindows], Guide] | None,
) -> Step:
    windows = _windows(sizes, device)
    guide = None if guide_of is None else guide_of(windows)
    trainer = Trainer(manipulator, sizes.manipulator, windows, guide)  # type: ignore[arg-type]
    numbers = itertools.count()

    def iterate() -> None:
        number = next(numbers)
        trainer.step(number, step_random(0, number))

    return iterate


def _windows(sizes: Sizes, device: str) -> ExpressionWindows:
    """Windows of made-up clips, two of each emotion."""
    clips = [made_up_expression(sizes.clip_frames // 2).roll(n, 0).to(device) for n in range(CLIPS)]
    return ExpressionWindows(
        clips,
        [n % 7 for n in range(CLIPS)],
        window_frames=sizes.manipulator.window_frames,
        batch_size=sizes.manipulator.batch_size,
        seed=0,
    )


class _Faces:
    """Stands in for moved pictures, which need Warp: smooth ones, linear in expressions."""

    def __init__(self, side: int, device: str) -> None:
        self.side = side
        random = torch.Generator().manual_seed(0)
        self.basis = (0.1 * torch.randn(EXPRESSIONS, 256, generator=random)).to(device)

    def move(self, places: list[tuple[int, int]], source: Tensor, edited: Tensor) -> Compared:
        moved, shown = (self._draw(codes) for codes in (edited, source))
        return Compared(moved, shown, moved.new_zeros(len(places), 2, 3))

    def _draw(self, expression: Tensor) -> Tensor:
        coarse = torch.tanh(expression @ self.basis).view(-1, 1, 16, 16)
        size = (self.side, self.side)
        smooth = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
        return smooth.expand(-1, 3, -1, -1)


def _supervisions(sizes: Sizes, device: str) -> dict[str, Callable[[ExpressionWindows], Guide]]:
    """Guides by name: ASCCL and STCCL on pictures, SCMCL on retrieved windows."""
    counts = SupervisionSettings()

    def pictures(windows: ExpressionWindows, name: str) -> Guide:
        if name == "spatial":
            metric: Any = SpatialCoherence(sizes.spatial).to(device).supervise()
            term = metric_term(metric, counts.manipulator_frames)
        else:
            metric = TemporalCoherence(sizes.windows[0]).to(device).supervise()
            term = metric_term(metric, counts.manipulator_windows)
        faces: Any = _Faces(sizes.spatial.image_size, device)
        return Guide({name: 0.1}, PictureLosses({name: term}, faces, seed=0))

    def pairs(windows: ExpressionWindows) -> Guide:
        metric = made_up_metric(sizes.cross_modal).to(device).supervise()
        part = PairLosses(metric, embed_windows(metric, windows))
        return Guide({"paired": 1.0, "consistency": 1.0}, part, _retrieve)

    return {
        "ASCCL": lambda windows: pictures(windows, "spatial"),
        "STCCL": lambda windows: pictures(windows, "temporal_vd"),
        "SCMCL": pairs,
    }


def _retrieve(source: WindowBatch, label: Tensor, step: int) -> Retrieved:
    """A pair for most windows, the next one in the list."""
    paired = source.number % 5 != 0
    distance = torch.where(paired, 0.5, torch.inf)
    crossing = (source.label != 0) & (label != 0) & paired
    between = torch.where(crossing, source.number, -1)
    first = torch.where(crossing, 0.2, 0.0)
    window = torch.where(paired, (source.number - 1).clamp(min=0), -1)
    return Retrieved(window, distance, between, first)
