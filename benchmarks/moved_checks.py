"""The renderer that moves pixels: right, with gradients, and fast, from a recorded scene."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.agreement import Case, compute, distance
from benchmarks.clock import median_seconds
from benchmarks.limits import rounded_products
from benchmarks.moved_scene import MovedScene, load_scene, rasters_of
from benchmarks.record import Record
from benchmarks.rows import Row
from benchmarks.sizes import Sizes
from benchmarks.waits import count_waits

LIMITS = {"output": 1e-3, "gradient": 1e-2}  # relative; a sample at an edge may fall to a side
BATCH = 8  # faces drawn at once
AIM_SIDE, AIM_FRAMES = 512, 300.0  # a second
VIDEO_FPS = 25.0  # what is written as the reference: the time of a frame of video


def moved_case(scene: MovedScene) -> Case:
    """Pictures of a scene, with gradients to pictures and edited vertices."""
    learned = ("pictures", "edited")

    def draw(module: nn.Module, given: Mapping[str, Tensor]) -> list[Tensor]:
        return [scene.bind(given)(given["pictures"], given["edited"])]

    # Depth is infinite where nothing is seen.
    inputs = {
        name: value.double() if value.is_floating_point() else value
        for name, value in scene.tensors.items()
    }
    constants = tuple(name for name in inputs if name not in learned)
    return Case("renderer that moves pixels", nn.Identity(), inputs, draw, constants)


def moved_checks(record: Record, device: str, sizes: Sizes, path: Path) -> None:
    """Agreement of a recorded scene, and its time at several sizes."""
    if find_spec("spfem.renderer.moved") is None:
        record.leave_out("renderer that moves pixels", "this version has none")
        return
    if not path.exists():
        record.leave_out("renderer that moves pixels", f"no recorded scene at {path}")
        return
    scene = load_scene(path)
    # In float32 on both devices: pixels are looked up at whole places, which do not converge.
    with rounded_products(False):
        both = [compute(moved_case(scene), where, torch.float32) for where in (device, "cpu")]
    for part, limit in LIMITS.items():
        figure = distance(*(getattr(numbers, part) for numbers in both))
        record.check(f"renderer that moves pixels, {part}, float32", figure, limit)
    for side in sizes.moved_sides:
        _time(record, device, scene, side, sizes.repeats)


def _time(record: Record, device: str, scene: MovedScene, side: int, repeats: int) -> None:
    """The row of one size."""
    batch = scene.enlarged(side).repeated(BATCH // len(scene.tensors["pictures"]))
    given = {name: value.to(device) for name, value in batch.tensors.items()}
    replay = rasters_of(given, scene.raster_count)
    renderer = batch.bind(given, replay)
    edited = given["edited"].clone().requires_grad_()

    def draw() -> None:
        replay.calls = 0
        with torch.inference_mode():
            renderer(given["pictures"], given["edited"])

    def learn() -> None:
        replay.calls = 0
        renderer(given["pictures"], edited).square().mean().backward()

    name = f"moved_renderer_{side}px, waits in a drawing"
    record.tell(name, count_waits(draw, device))
    ways = {"draw": draw, "learn": learn}
    seconds = median_seconds(ways, device=device, repeats=repeats)
    a_frame = seconds["draw"] / BATCH
    work = (
        f"a face of {side} px, {BATCH} at once, rasters replayed; {1 / a_frame:.0f} a second; "
        f"with the gradient {BATCH / seconds['learn']:.0f}; reference: a frame at 25 fps"
    )
    bench = f"moved_renderer_{side}px"
    record.row(Row(bench, device, "float32", work, 1 / VIDEO_FPS, a_frame))
    if side == AIM_SIDE:
        record.aim(f"{bench}, frames a second", 1 / a_frame, AIM_FRAMES)
