"""What a device can do at most, measured in this run, and the least time that work needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.clock import median_seconds
from benchmarks.record import Record

PRODUCTS = 10  # of one measurement
BACKWARD = 2  # gradients of input and of weights, each as much work as the forward pass


@dataclass(frozen=True)
class Peaks:
    """Measured limits of a device.

    Attributes:
        bfloat16: operations a second of a large matrix product, two a multiply-add.
        tf32: likewise, of float32 numbers whose products may be rounded (on GPUs).
        float32: likewise, rounded nowhere.
        bandwidth: bytes a second of a large copy, read and written.
    """

    bfloat16: float
    tf32: float
    float32: float
    bandwidth: float

    def of(self, precision: str) -> float:
        """The peak of a precision's products; `float32` is PyTorch's default, TF32 convolutions."""
        return self.bfloat16 if precision == "bfloat16" else self.tf32


def measure_peaks(device: str, side: int, mib: int) -> Peaks:
    """Products of square matrices of `side`, and a copy of `mib` MiB."""
    rates = {}
    for name, kind, rounded in (
        ("bfloat16", torch.bfloat16, False),
        ("tf32", torch.float32, True),
        ("float32", torch.float32, False),
    ):
        with rounded_products(rounded):
            a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
            out = torch.empty_like(a)

            def multiply(a: Tensor = a, b: Tensor = b, out: Tensor = out) -> None:
                for _ in range(PRODUCTS):
                    torch.mm(a, b, out=out)

            seconds = median_seconds({"it": multiply}, device=device, repeats=3)["it"]
        rates[name] = PRODUCTS * 2 * side**3 / seconds
    read = torch.ones(mib << 18, device=device)  # float32
    written = torch.empty_like(read)

    def copy() -> None:
        for _ in range(PRODUCTS):
            written.copy_(read)

    seconds = median_seconds({"it": copy}, device=device, repeats=3)["it"]
    return Peaks(**rates, bandwidth=PRODUCTS * 2 * (mib << 20) / seconds)


@contextmanager
def rounded_products(allowed: bool) -> Iterator[None]:
    """Whether products and convolutions of float32 numbers may be rounded to TF32 on a GPU."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@dataclass(frozen=True)
class Work:
    """Arithmetic of a step, and the least time it needs.

    Attributes:
        flop: operations, counted while it ran.
        floor: seconds; see `count_work`.
    """

    flop: float
    floor: float


def count_work(network: nn.Module, step: Callable[[], object], peaks: Peaks, peak: float) -> Work:
    """Run `step` once and count.

    The floor is the sum over the layers of `network` of the longer of two times: its operations at
    the measured peak, and one reading of its input and weights and one writing of its output at
    the measured bandwidth; where gradients are recorded, `BACKWARD` times more. Layers that could
    be fused with their neighbours count like others, so that it is the floor of layers one by one.
    """
    floor = 0.0

    def look(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        nonlocal floor
        tensors = [each for each in (*given, made) if isinstance(each, Tensor)]
        moved = sum(each.numel() * each.element_size() for each in (*tensors, *module.parameters()))
        seconds = max(_operations(module, tensors) / peak, moved / peaks.bandwidth)
        floor += seconds * (1 + BACKWARD * torch.is_grad_enabled())

    hooks = [
        module.register_forward_hook(look)
        for module in network.modules()
        if not list(module.children())
    ]
    try:
        with FlopCounterMode(display=False) as counter:
            step()
    finally:
        for hook in hooks:
            hook.remove()
    return Work(counter.get_total_flops(), floor)


def _operations(module: nn.Module, tensors: list[Tensor]) -> float:
    """Of a convolution or a linear layer, two a multiply-add; other layers are bound by bytes."""
    made = tensors[-1].numel()
    if isinstance(module, nn.ConvTranspose2d):
        return 2 * tensors[0].numel() * module.weight[0].numel()
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
        return 2 * made * module.weight[0].numel()
    return 0.0


def tell_share(record: Record, name: str, work: Work, seconds: float, peak: float) -> str:
    """Record operations a second as a share of the peak, and the time beside the floor."""
    rate = work.flop / seconds
    record.tell(
        f"{name}, share of peak",
        rate / peak,
        f"{work.flop / 1e12:.3g} TFLOP at {rate / 1e12:.3g} of {peak / 1e12:.3g} TFLOP/s",
    )
    return f"{rate / peak:.0%} of the measured peak, {seconds / work.floor:.2f} times the floor"
