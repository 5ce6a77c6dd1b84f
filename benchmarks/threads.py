"""`python -m benchmarks.threads`: what threads and their waiting cost learners of the demo scale.

Each setting learns a few steps in a process of its own, alone and beside a busy process of two
threads, in turns, so that what else runs on the machine meets all alike. The best of the turns
counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

SETTINGS: dict[str, dict[str, str]] = {
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "2 threads, asleep while they wait": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"},
    "2 threads, short spin": {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "1000"},
}
"""Environment of a process by name, read when OpenMP is loaded."""
LEARNERS = ("spatial metric", "manipulator", "renderer")
PATIENCE_SECONDS = 120
STEPS, LEFT_OUT = 14, 4  # the first steps prepare kernels
BUSY = (
    "import torch\ntorch.set_num_threads(2)\na = torch.randn(700, 700)\n"
    "while True: a = (a @ a).clamp(-1, 1)"
)


def learn(name: str, progress: Callable[[Iterable[int]], Iterable[int]]) -> None:
    """Learn `STEPS` steps of a learner at demo scale, on made-up material."""
    import torch

    from benchmarks.made_up import made_up_face_clip
    from benchmarks.made_up_material import made_up_pairs
    from benchmarks.networks import made_up_expression, made_up_manipulator
    from spfem.correlation.learn import train_spatial
    from spfem.manipulator.data import ExpressionWindows
    from spfem.manipulator.learn import train_manipulator
    from spfem.renderer.learn import train_renderer
    from spfem.scales import load_scale

    torch.use_deterministic_algorithms(True)  # as a workspace sets it
    scale = load_scale("demo")
    if name == "spatial metric":
        pairs = made_up_pairs(scale.spatial.image_size)
        settings = replace(scale.spatial, steps=STEPS, curve_steps=STEPS)
        train_spatial(pairs, None, settings, seed=0, progress=progress)
    elif name == "manipulator":
        chosen = replace(scale.manipulator, steps=STEPS)
        windows = ExpressionWindows(
            [made_up_expression(40).roll(n, 0) for n in range(14)],
            [n % 7 for n in range(14)],
            window_frames=chosen.window_frames,
            batch_size=chosen.batch_size,
            seed=0,
        )
        train_manipulator(windows, chosen, made_up_manipulator(chosen).space, progress=progress)
    else:
        clip = made_up_face_clip(max(scale.renderer.sequence_frames), scale.renderer)
        train_renderer([clip], scale.renderer, seed=0, steps=STEPS, progress=progress)


def step_seconds(name: str) -> tuple[float, float]:
    """Median wall and processor seconds of a step, after the first ones."""
    clocks: list[tuple[float, float]] = []

    def note(steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            clocks.append((time.perf_counter(), time.process_time()))
            yield step
        clocks.append((time.perf_counter(), time.process_time()))

    learn(name, note)
    spent = pd.DataFrame(clocks).diff().iloc[1 + LEFT_OUT :].median()
    return float(spent[0]), float(spent[1])


def measure(learners: Iterable[str], turns: int) -> pd.DataFrame:
    """Rows of learner, setting and `beside` with the least seconds of a step over turns.

    A setting that does not finish in `PATIENCE_SECONDS` has none.
    """
    rows: list[dict[str, Any]] = []
    for _ in range(turns):
        for beside in (False, True):
            busy = subprocess.Popen([sys.executable, "-c", BUSY]) if beside else None
            try:
                for learner in learners:
                    for setting, variables in SETTINGS.items():
                        wall, processor = _measure_one(learner, variables)
                        row = {"learner": learner, "setting": setting, "beside": beside}
                        rows.append(row | {"wall": wall, "processor": processor})
                        print(rows[-1], flush=True)
            finally:
                if busy is not None:
                    busy.kill()
    keys = ["learner", "setting", "beside"]
    return pd.DataFrame(rows).groupby(keys, sort=False).min().reset_index()


def _measure_one(learner: str, variables: Mapping[str, str]) -> tuple[float, float]:
    words = [sys.executable, "-m", "benchmarks.threads", "--one", learner]
    try:
        answer = subprocess.run(
            words,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return float("nan"), float("nan")
    wall, processor = json.loads(answer.stdout.splitlines()[-1])
    return wall, processor


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__)
    parser.add_argument("--one", choices=LEARNERS, help="learn it here and print two numbers")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(step_seconds(given.one)))
    else:
        print(measure(LEARNERS, given.turns).round(4).to_string(index=False))
