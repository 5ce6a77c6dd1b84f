"""ASCCL and STCCL: a learning step in three ways, against the released one and the floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.clock import median_seconds
from benchmarks.correlation import learning_step
from benchmarks.limits import Peaks, count_work, tell_share
from benchmarks.made_up import made_up_images
from benchmarks.record import Record
from benchmarks.rows import Row, Step, reference
from benchmarks.sizes import Sizes
from benchmarks.waits import count_waits
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.precision import Captured
from spfem.settings import SpatialSettings, TemporalSettings

LITERAL, FLOOR = 3.0, 0.5  # aims: times the literal version, and the floor's share of the step
Metric = SpatialCoherence | TemporalCoherence


def spatial_steps(record: Record, device: str, sizes: Sizes, peaks: Peaks) -> None:
    """The ASCCL step on `batch_size` pairs."""
    settings = sizes.spatial
    count, side = settings.batch_size, settings.image_size
    pictures = [made_up_images(count, side, seed).to(device) for seed in (0, 1)]
    released = reference("spatial")
    start = _seeded(lambda: SpatialCoherence(settings)).to(device)
    plain = released.plain_copy(start)
    _time_steps(
        record,
        device,
        f"spatial_step_{side}px",
        f"{count} pairs of {side} px",
        learning_step(plain, lambda: released.spatial_loss(plain, *pictures)[0]),
        lambda precision: _copy_spatial(start, settings, precision),
        pictures,
        peaks,
        sizes.repeats,
    )


def temporal_steps(
    record: Record, device: str, settings: TemporalSettings, peaks: Peaks, repeats: int
) -> None:
    """The STCCL step on `batch_size` windows, all pairs of frames, as the release learns."""
    settings = replace(settings, frame_pairs="all")
    shape = settings.batch_size, settings.window_frames
    side = settings.image_size
    windows = [
        made_up_images(shape[0] * shape[1], side, seed).unflatten(0, shape).to(device)
        for seed in (0, 1)
    ]
    released = reference("spatial")
    start = _seeded(lambda: TemporalCoherence(settings)).to(device)
    plain = released.plain_copy(start)
    _time_steps(
        record,
        device,
        f"temporal_step_{shape[1]}_frames",
        f"{shape[0]} clips of {shape[1]} frames of {side} px, all pairs of frames",
        learning_step(plain, lambda: released.temporal_loss(plain, *windows)[0]),
        lambda precision: _copy_temporal(start, settings, precision),
        windows,
        peaks,
        repeats,
    )


def _time_steps(
    record: Record,
    device: str,
    bench: str,
    work: str,
    literal: Step,
    copy: Callable[[str], Metric],
    inputs: Sequence[Tensor],
    peaks: Peaks,
    repeats: int,
) -> None:
    """Time the ways in turn; write a row each, the shares of the peak, and the waits."""
    ways: dict[str, Step] = {"literal": literal}
    counted = {}
    for precision in ("float32", "bfloat16"):
        metric = copy(precision).train()
        step = silent_step(metric, inputs)
        counted[precision] = count_work(metric, step, peaks, peaks.of(precision))
        ways[precision] = step
        record.check(f"{bench}, {precision}, waits in a step", count_waits(step, device), 0)
    if torch.device(device).type == "cuda":
        ways["bfloat16 as a graph"] = captured_step(copy("bfloat16").train(), inputs)
        counted["bfloat16 as a graph"] = counted["bfloat16"]
    seconds = median_seconds(ways, device=device, repeats=repeats)
    for way, count in counted.items():
        peak = peaks.of(way.split()[0])
        share = tell_share(record, f"{bench}, {way}", count, seconds[way], peak)
        row = Row(bench, device, way, f"{work}; {share}", seconds["literal"], seconds[way])
        record.row(row)
    best = min(counted, key=lambda way: seconds[way])
    record.aim(f"{bench}, times the literal", seconds["literal"] / seconds[best], LITERAL, best)
    floor = counted["bfloat16"].floor
    record.aim(f"{bench}, share of the floor", floor / seconds[best], FLOOR, f"{floor:.4f} s")


def silent_step(metric: Metric, inputs: Sequence[Tensor]) -> Step:
    """A step of Adam whose loss nobody reads, as between two points of a curve."""
    optimiser = torch.optim.Adam(metric.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        metric(*inputs).backward()
        optimiser.step()

    return step


def captured_step(metric: Metric, inputs: Sequence[Tensor]) -> Step:
    """The same as one CUDA graph: places are drawn outside and sent to where it reads them."""
    optimiser = torch.optim.Adam(metric.parameters(), lr=1e-3, fused=True, capturable=True)
    with torch.no_grad():
        maps = metric.resnet50(inputs[0].flatten(0, -4))
    draw: Any = metric.draw_centres if isinstance(metric, SpatialCoherence) else metric.draw_places
    random = torch.Generator().manual_seed(0)

    def work(query: Tensor, key: Tensor, *places: Tensor) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        if isinstance(metric, SpatialCoherence):
            loss = metric.total(metric.compare(query, key, centres=places))
        else:
            loss = metric.total(metric.compare(query, key, places=places))
        loss.backward()
        optimiser.step()
        return loss.detach()

    graph = Captured(work, *inputs, *draw(maps, random))
    shapes = [
        torch.empty(each.shape[2:]).expand(1, 1, -1, -1).to(inputs[0].device) for each in maps
    ]
    del maps

    def step() -> None:
        graph(*inputs, *draw(shapes, random))

    return step


def _copy_spatial(
    start: SpatialCoherence, settings: SpatialSettings, precision: str
) -> SpatialCoherence:
    metric = SpatialCoherence(replace(settings, precision=precision))
    metric.load_state_dict(start.state_dict())
    return metric.to(next(start.parameters()).device)


def _copy_temporal(
    start: TemporalCoherence, settings: TemporalSettings, precision: str
) -> TemporalCoherence:
    spatial = replace(settings.spatial, precision=precision)
    metric = TemporalCoherence(replace(settings, spatial=spatial))
    metric.load_state_dict(start.state_dict())
    return metric.to(next(start.parameters()).device)


def _seeded(make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()
