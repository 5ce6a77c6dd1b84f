"""The GPU, its memory, and which scales fit into it."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.doctor.machine import Fact
from spfem.settings import SpatialSettings, TemporalSettings

FLOAT = 4  # bytes
OF_A_WEIGHT = 4 * FLOAT  # the weight, its gradient, two moments of Adam
CONTEXT_GB = 1.0  # of the driver and of libraries
BFLOAT16_SINCE = (8, 0)  # compute capability, Ampere
SCALES = ("smoke", "demo", "full", "paper")


@dataclass(frozen=True)
class Graphics:
    """What PyTorch says of a GPU: name, bytes of memory, compute capability."""

    name: str
    memory: int
    capability: tuple[int, int]


def found_graphics() -> Graphics | None:
    """The first GPU that PyTorch sees."""
    import torch

    if not torch.cuda.is_available():
        return None
    seen = torch.cuda.get_device_properties(0)
    return Graphics(seen.name, seen.total_memory, (seen.major, seen.minor))


def graphics_facts(graphics: Graphics | None) -> list[Fact]:
    """Lines about a GPU; of a machine without one, one line that says so."""
    if graphics is None:
        return [Fact("device", "cpu (torch sees no GPU)")]
    memory = graphics.memory / 1e9
    fast = "bfloat16 in hardware" if graphics.capability >= BFLOAT16_SINCE else "no bfloat16"
    needs = {name: needed_gb(name) for name in SCALES}
    told = ", ".join(f"{name} {need:.1f}" for name, need in needs.items())
    small = [name for name, need in needs.items() if need > memory]
    fits = "all fit" if not small else f"too large: {', '.join(small)}; halve their batch_size"
    return [
        Fact("device", f"cuda: {graphics.name}, {memory:.0f} GB, {fast}"),
        Fact("fits on it", f"{fits} (the largest step, of STCCL, needs in GB: {told})"),
    ]


def needed_gb(scale: str) -> float:
    """Gigabytes that the largest learning step of a scale needs, in float32: that of STCCL."""
    from spfem.scales import load_scale

    temporal = load_scale(scale).temporal
    return CONTEXT_GB + step_bytes(temporal) / 1e9


def step_bytes(settings: TemporalSettings) -> int:
    """Bytes of a step of STCCL: weights, and what the backward pass needs of the query windows."""
    pictures = settings.batch_size * settings.window_frames
    return pictures * activation_bytes(settings.spatial) + weight_bytes(settings.spatial)


def activation_bytes(settings: SpatialSettings) -> int:
    """Bytes that the backbone keeps of one picture for the backward pass, in float32.

    A block keeps the input and output of its norms and convolutions and of its activation: six
    maps, of which the first block of a level has four at the side before.
    """
    side, channels = settings.image_size, settings.widths[0]
    numbers = 3 * side**2 + 3 * channels * side**2  # picture; convolution, norm, activation
    for width, blocks in zip(settings.widths, settings.blocks, strict=True):
        smaller = (side + 1) // 2
        numbers += (channels + 3 * width) * side**2 + 3 * width * smaller**2
        numbers += (blocks - 1) * 6 * width * smaller**2
        side, channels = smaller, width
    return FLOAT * numbers


def weight_bytes(settings: SpatialSettings) -> int:
    """Bytes of the backbone's convolutions, their gradients and moments."""
    channels, numbers = settings.widths[0], 27 * settings.widths[0]
    for width, blocks in zip(settings.widths, settings.blocks, strict=True):
        numbers += 9 * channels * width + 9 * width**2 + channels * width
        numbers += (blocks - 1) * 18 * width**2
        channels = width
    return OF_A_WEIGHT * numbers
