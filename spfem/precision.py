"""How numbers reach the processor or GPU, in which format networks compute, CUDA graphs.

A graph is work of many small operations, recorded once and replayed whole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.errors import SettingsError

BFLOAT16 = ("amx_bf16", "avx512_bf16")  # with the latter a learning step takes .7 to .94 as long
WARM_UPS = 3  # calls before the recording, in which libraries choose their kernels


class Captured:
    """A function of tensors on the current GPU, as one launch instead of hundreds.

    The function must compute the same operations on the same shapes every time, must not read a
    number of the GPU, and may change tensors that it holds (weights, moments).

    Args:
        function: tensors to a tensor or a tuple of them.
        examples: arguments of the right shapes; the function is called `WARM_UPS` times on them,
            and what it changes stays changed.
    """

    def __init__(self, function: Callable[..., Any], *examples: Tensor) -> None:
        self.inputs = [example.clone() for example in examples]
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UPS):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(beside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = function(*self.inputs)

    def __call__(self, *arguments: Tensor) -> Any:
        """The function's result for `arguments`; its tensors are overwritten by the next call."""
        for held, given in zip(self.inputs, arguments, strict=True):
            held.copy_(given, non_blocking=True)
        self.graph.replay()
        return self.outputs


def full(values: Tensor) -> Tensor:
    """Values (any shape) in float32, or in float64 if they are: for sums and losses."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def autocast(device: torch.device | str, precision: str) -> torch.autocast:
    """Context in which the networks run.

    Args:
        device: where they run.
        precision: "float32", "bfloat16", or "auto": bfloat16 where the processor multiplies
            bfloat16 matrices in hardware (`BFLOAT16` on CPUs, Ampere and later on GPUs), else
            float32.

    Raises:
        SettingsError: for another word.
    """
    kind = torch.device(device).type
    if precision == "auto":
        if kind == "cuda":
            wanted = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            able = torch.cpu.get_capabilities()
            wanted = kind == "cpu" and any(able.get(name, False) for name in BFLOAT16)
    elif precision in ("float32", "bfloat16"):
        wanted = precision == "bfloat16"
    else:
        raise SettingsError(
            f"precision {precision!r} is unknown; choose 'float32', 'bfloat16' or 'auto'"
        )
    return torch.autocast(kind, torch.bfloat16, enabled=wanted)


def upload(values: np.ndarray | Tensor, device: torch.device | str) -> Tensor:
    """`values` (any shape) as a tensor on `device`.

    An ordinary copy to a GPU first waits until all work that was given to it is done; from pinned
    memory the copy takes its place in the queue.
    """
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@cache
def constant(values: tuple[tuple[int, ...], ...] | tuple[int, ...], device: torch.device) -> Tensor:
    """Whole numbers as an int64 tensor (N,) or (N, 2), made once a device; never to be changed."""
    with torch.inference_mode(False):  # what is first asked for there shall serve learning, too
        return torch.tensor(values, device=device)
