"""The ASCCL step with a compiled backbone, and what compiling costs."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from benchmarks.clock import median_seconds
from benchmarks.correlation import learning_step
from benchmarks.made_up import made_up_images
from benchmarks.metric_steps import captured_step, silent_step
from benchmarks.record import Record
from benchmarks.rows import Row, Step, reference
from benchmarks.sizes import Sizes
from spfem.correlation.asccl import SpatialCoherence


def compiled_steps(record: Record, device: str, sizes: Sizes) -> None:
    """The row of the compiled step, alone and as a CUDA graph; not run without a compiler."""
    settings = replace(sizes.spatial, precision="bfloat16")
    count, side = settings.batch_size, settings.image_size
    pictures = [made_up_images(count, side, seed).to(device) for seed in (0, 1)]
    released = reference("spatial")
    torch.manual_seed(0)
    start = SpatialCoherence(sizes.spatial).to(device)
    plain = released.plain_copy(start)
    metric = SpatialCoherence(settings).to(device).train()
    metric.load_state_dict(start.state_dict())
    metric.resnet50.compile()
    step = silent_step(metric, pictures)
    begun = time.monotonic()
    try:
        step()
    except (RuntimeError, ImportError) as error:
        record.leave_out("ASCCL, compiled", f"cannot compile here: {str(error).splitlines()[0]}")
        return
    compiling = time.monotonic() - begun
    record.tell("ASCCL, compiled, seconds to compile", compiling)
    ways: dict[str, Step] = {
        "literal": learning_step(plain, lambda: released.spatial_loss(plain, *pictures)[0]),
        "bfloat16 compiled": step,
    }
    if torch.device(device).type == "cuda":
        ways["bfloat16 compiled, as a graph"] = captured_step(metric, pictures)
    seconds = median_seconds(ways, device=device, repeats=sizes.repeats)
    work = f"{count} pairs of {side} px; compiled in {compiling:.0f} s"
    for way in list(ways)[1:]:
        bench = f"spatial_step_{side}px"
        record.row(Row(bench, device, way, work, seconds["literal"], seconds[way]))
