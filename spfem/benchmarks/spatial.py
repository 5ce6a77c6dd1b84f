"""The learning steps of the spatial and the temporal metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from spfem.benchmarks.made_up import made_up_images
from spfem.benchmarks.table import Row
from spfem.benchmarks.timing import Step, median_seconds, reference
from spfem.correlation.comparison import compare_level
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.settings import SpatialSettings, TemporalSettings

PRECISIONS = ("float32", "bfloat16")
STEP_TERAFLOPS = 1.61  # of one learning step of 8 pairs at 224 pixels
FLOOR_SECONDS = (0.012, 0.018)  # of that step on a GPU of the H100 class


def learning_step(network: torch.nn.Module, loss_of: Callable[[], torch.Tensor]) -> Step:
    """A call that takes one step of Adam on `loss_of` and returns the loss."""
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> float:
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def spatial_step(
    device: str, settings: SpatialSettings | None = None, repeats: int = 3
) -> list[Row]:
    """Rows of the spatial step in both precisions; the loss of bfloat16 is compared, too."""
    released = reference("spatial")
    settings = settings or SpatialSettings()
    query, key = (
        made_up_images(settings.batch_size, settings.image_size, seed).to(device) for seed in (0, 1)
    )
    torch.manual_seed(0)
    start = SpatialCoherence(settings).to(device)
    plain = released.plain_copy(start)
    ways = {"reference": learning_step(plain, lambda: released.spatial_loss(plain, query, key)[0])}
    first_losses = {}
    for precision in PRECISIONS:
        ours = SpatialCoherence(replace(settings, precision=precision)).to(device).train()
        ours.load_state_dict(start.state_dict())
        drawn = torch.Generator().manual_seed(0)
        with torch.no_grad():
            levels = ours.compare(query, key, generator=drawn)
            first_losses[precision] = float(ours.total(levels))
        ours.load_state_dict(start.state_dict())
        ways[precision] = learning_step(ours, lambda ours=ours: ours(query, key))  # type: ignore[misc]
    seconds = median_seconds(ways, device=device, repeats=repeats)
    work = (
        f"{settings.batch_size} pairs of {settings.image_size} px, "
        f"{torch.get_num_threads()} threads"
    )
    exact = first_losses["float32"]
    error = abs(first_losses["bfloat16"] - exact) / exact
    notes = {"float32": "", "bfloat16": f"; first loss differs by {error:.1e} relative"}
    if torch.device(device).type == "cuda":
        low, high = FLOOR_SECONDS
        for precision in PRECISIONS:
            rate = STEP_TERAFLOPS / seconds[precision]
            print(
                f"  {precision}: {rate:.0f} TFLOP/s of the {STEP_TERAFLOPS} TFLOP of a full-size "
                f"step; estimated floor {low * 1e3:.0f} to {high * 1e3:.0f} ms",
                flush=True,
            )
    rows = [
        Row("spatial_step", device, p, work + notes[p], seconds["reference"], seconds[p])
        for p in PRECISIONS
    ]
    return [*rows, _overhead(device, start, released, query, seconds["float32"])]


def _overhead(
    device: str, metric: SpatialCoherence, released: object, images: torch.Tensor, step: float
) -> Row:
    """Drawing places and comparing levels alone, without the backbone."""
    with torch.no_grad():
        maps = metric.resnet50(images)
    plain = released.plain_copy(metric)  # type: ignore[attr-defined]
    plain.resnet50 = _Recorded(maps)

    def ours() -> None:
        for level, (features, at) in enumerate(zip(maps, metric.draw_centres(maps), strict=True)):
            compare_level(metric.mlp, level, features, features, at, metric.settings)

    seconds = median_seconds(
        {
            "reference": lambda: released.spatial_loss(plain, images, images),  # type: ignore[attr-defined]
            "ours": ours,
        },
        device=device,
        repeats=5,
    )
    work = f"drawing places and comparing levels: {seconds['ours'] / step:.2%} of a float32 step"
    return Row("sampling_overhead", device, "float32", work, seconds["reference"], seconds["ours"])


class _Recorded(torch.nn.Module):
    """Stands in for a backbone: gives the same maps for any images."""

    def __init__(self, maps: list[torch.Tensor]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return self.maps


def temporal_step(
    device: str, settings: TemporalSettings | None = None, repeats: int = 3
) -> list[Row]:
    """Rows of the step of all-pairs differences, windows of 5 frames, at 128 px."""
    released = reference("spatial")
    settings = settings or TemporalSettings(
        spatial=SpatialSettings(image_size=128),
        window_frames=5,
        batch_size=1,
        frame_pairs="all",
    )
    side, shape = settings.spatial.image_size, (settings.batch_size, settings.window_frames)
    query, key = (
        made_up_images(shape[0] * shape[1], side, seed).unflatten(0, shape).to(device)
        for seed in (0, 1)
    )
    torch.manual_seed(0)
    start = TemporalCoherence(settings).to(device)
    plain = released.plain_copy(start)
    ways = {"reference": learning_step(plain, lambda: released.temporal_loss(plain, query, key)[0])}
    for precision in PRECISIONS:
        spatial = replace(settings.spatial, precision=precision)
        ours = TemporalCoherence(replace(settings, spatial=spatial)).to(device)
        ours.load_state_dict(start.state_dict())
        ways[precision] = learning_step(ours, lambda ours=ours: ours(query, key))  # type: ignore[misc]
    seconds = median_seconds(ways, device=device, repeats=repeats)
    work = f"{shape[0]} pair of {shape[1]} frames of {side} px, all pairs of frames"
    return [
        Row("temporal_step", device, p, work, seconds["reference"], seconds[p]) for p in PRECISIONS
    ]
