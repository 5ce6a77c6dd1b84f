"""How often a step makes the processor wait for the GPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

WARM_UPS = 2  # calls whose waits do not count: first checks, choice of kernels


def count_waits(step: Callable[[], object], device: str) -> int:
    """Synchronising operations of one call, after `WARM_UPS`; 0 on a processor, which has none.

    PyTorch warns of each; the places are printed, so that they can be found.
    """
    for _ in range(WARM_UPS):
        step()
    if torch.device(device).type != "cuda":
        return 0
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    waits = [each for each in caught if "synchroniz" in str(each.message)]
    for each in waits:
        print(f"  waits at {each.filename}:{each.lineno}", flush=True)
    return len(waits)
