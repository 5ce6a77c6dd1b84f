"""Medians of interleaved runs: the two ways take turns, so that a drifting machine hits both."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

import spfem
from spfem.errors import SettingsError

Step = Callable[[], object]


def median_seconds(
    ways: Mapping[str, Step], *, device: torch.device | str = "cpu", repeats: int = 3
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


def reference(name: str) -> ModuleType:
    """The literal implementation `tests/reference/<name>.py`, which only a checkout has.

    Raises:
        SettingsError: in an installed package without the tests.
    """
    root = Path(spfem.__file__).parents[1]
    if not (root / "tests" / "reference" / f"{name}.py").is_file():
        raise SettingsError(
            f"the benchmark compares with tests/reference/{name}.py, which {root} lacks; "
            "run it in a checkout of the repository"
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(f"tests.reference.{name}")
