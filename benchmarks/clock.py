"""Median times of several ways to do the same, taken in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch


def median_seconds(
    ways: Mapping[str, Callable[[], object]],
    *,
    device: torch.device | str = "cpu",
    repeats: int = 3,
) -> dict[str, float]:
    """Median wall time of a call of each way, after one uncounted call of each.

    Args:
        ways: by name; called in turn.
        device: a GPU is waited for before the clock is read.
        repeats: counted calls of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, step in ways.items():
            _wait(device)
            start = time.perf_counter()
            step()
            _wait(device)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def _wait(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
