"""ASCCL learned at its published size on carried faces, in the time that is left."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from studies.moment_similarity import list_comparisons, score_similarity, similarity_rows

from benchmarks.faces import CarriedFaces
from benchmarks.record import Record
from benchmarks.sizes import Sizes
from spfem.checkpoints import save_checkpoint
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.frames import FramePairs
from spfem.correlation.learn import train_spatial, untrained_metric

TRIED_STEPS = 20  # to know how many fit
SHARE = 0.75  # of the time for learning; the rest is for scores
COMPARISONS, PAIRS = 120, 24  # of the similarity table
MOST_BYTES = 16_000_000  # of a checkpoint that is kept


def learn_there(
    record: Record, device: str, sizes: Sizes, faces: CarriedFaces, seconds: float
) -> None:
    """Learn, and write `learned_curve.csv`, `learned_similarity.csv` and, if small, the metric.

    Args:
        record: where the figures go.
        device: where to learn.
        sizes: sizes; steps are at most `sizes.learning_steps`.
        faces: what to learn from.
        seconds: for everything here.
    """
    begun = time.monotonic()
    precision = "bfloat16" if device != "cpu" else "float32"
    settings = replace(sizes.spatial, precision=precision)
    start = untrained_metric(faces.train, settings, seed=0, device=device)
    rows = _score(start, faces, "before")
    tried = replace(settings, steps=min(TRIED_STEPS, sizes.learning_steps), curve_steps=10**9)
    clock = _Clock()
    train_spatial(faces.train, None, tried, seed=0, device=device, progress=clock)
    a_step = clock.median()
    left = SHARE * (seconds - (time.monotonic() - begun))
    steps = int(min(sizes.learning_steps, left / a_step))
    if steps < 2 * settings.curve_steps:
        record.leave_out("ASCCL learned", f"out of time: only {steps} steps would fit")
        return
    settings = replace(settings, steps=steps, decay_share=0.3)
    clock = _Clock()
    learned = train_spatial(
        faces.train, faces.held_out, settings, seed=0, device=device, progress=clock
    )
    rows += _score(learned.model, faces, "after")
    _write(record.folder / "learned_curve.csv", learned.curve)
    _write(record.folder / "learned_similarity.csv", rows)
    work = f"{steps} steps of {settings.batch_size} pairs of {settings.image_size} px"
    record.tell("ASCCL learned, seconds a step", clock.median(), f"{work}, {precision}")
    values = {(row["state"], row["split"], row["quantity"]): float(row["value"]) for row in rows}
    for state, split, quantity in values:
        if state == "after":
            before = values["before", split, quantity]
            name = f"ASCCL learned, {quantity}, {split}"
            record.tell(name, values[state, split, quantity], f"before {before:.4f}")
    ends = [row["loss"] for row in learned.curve if row["split"] == "train"]
    record.holds(
        "ASCCL learned, the loss fell", ends[-1] < ends[0], f"{ends[0]:.4f} to {ends[-1]:.4f}"
    )
    _keep(record, learned.model, steps)


class _Clock:
    """Wraps the steps and notes when each begins."""

    def __init__(self) -> None:
        self.begun: list[float] = []

    def __call__(self, steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            self.begun.append(time.monotonic())
            yield step
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.begun.append(time.monotonic())

    def median(self) -> float:
        """Seconds a step: the mean over the later half, since a GPU runs behind its orders."""
        half = len(self.begun) // 2
        return (self.begun[-1] - self.begun[half]) / (len(self.begun) - 1 - half)


def _score(
    metric: SpatialCoherence, faces: CarriedFaces, state: str
) -> list[dict[str, str | float]]:
    """Rows of the similarity table of actors learned from and of unseen ones."""
    rows = []
    for split, frames in (("train", faces.train), ("held_out", faces.held_out)):
        spread = np.linspace(0, len(frames.pairs), min(PAIRS, len(frames.pairs)), endpoint=False)
        some = FramePairs(frames.faces, tuple(frames.pairs[int(n)] for n in spread))
        listed = list_comparisons(some, faces.visemes, COMPARISONS, seed=0)
        scores = score_similarity(metric.eval(), some, listed)
        rows += similarity_rows(
            [scores], metric="spatial", state=state, split=split, resamples=500, confidence=0.95
        )
    return rows


def _keep(record: Record, metric: SpatialCoherence, steps: int) -> None:
    """Write the weights in bfloat16 if they are small enough."""
    tensors = {
        name: value.bfloat16() if value.is_floating_point() else value
        for name, value in metric.state_dict().items()
    }
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    if size > MOST_BYTES:
        note = f"{size / 1e6:.1f} MB in bfloat16, more than {MOST_BYTES / 1e6:.0f}"
        record.leave_out("ASCCL learned, checkpoint kept", note)
        return
    path = record.folder / "learned_spatial.safetensors"
    save_checkpoint(path, tensors, kind="spatial weights, bfloat16", facts={"steps": steps})
    record.tell("ASCCL learned, checkpoint kept", path.stat().st_size / 1e6, "MB")


def _write(path: Path, rows: Sequence[dict[str, str | float]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
