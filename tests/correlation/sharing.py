"""Metric learning that one process, or one of several over gloo, does for a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from spfem.correlation import images as preprocess
from spfem.correlation import learn as temporal_training
from spfem.correlation import learn as training
from spfem.correlation.frames import FrameWindows
from spfem.correlation.learn import train_spatial, train_temporal
from spfem.settings import TemporalSettings
from tests.correlation.planted import SMALL, planted_pairs

LEARNING = {"spatial": 1, "spatial_speech": 1, "temporal_vd": 1, "spatial_temporal_cm": 1, "six": 6}
"""Steps of each; `six` is the spatial metric again."""


@contextmanager
def double_precision() -> Iterator[None]:
    """Learn in double precision, so that rounding cannot hide a wrong term."""
    plain = preprocess.images_from_frames
    users = (training, temporal_training)
    torch.set_default_dtype(torch.float64)
    for module in users:
        module.images_from_frames = lambda frames, device: plain(frames, device).double()
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        for module in users:
            module.images_from_frames = plain


def learn(name: str) -> dict[str, torch.Tensor]:
    """Weights, running statistics, gradients of the last step and the curve."""
    torch.set_num_threads(1)
    steps = LEARNING[name]
    frames, _ = planted_pairs((0, 1))
    spatial = replace(SMALL, steps=steps, curve_steps=steps, learning_rate=1e-3)
    if name in ("spatial", "spatial_speech", "six"):
        weight = 2.0 if name == "spatial_speech" else 0.0
        settings = replace(spatial, speech_weight=weight)
        learned = train_spatial(frames, frames, settings, seed=3)
    else:
        settings = TemporalSettings(
            spatial=spatial,
            window_frames=3,
            places=(16, 8),
            batch_size=4,
            adaptive=name.endswith("vd"),
            formulation=name[-2:],
            steps=steps,
            curve_steps=steps,
        )
        windows = FrameWindows(frames, 3)
        learned = train_temporal(name, windows, windows, settings, seed=3)
    found = {f"weight.{key}": value for key, value in learned.model.state_dict().items()}
    found |= {f"gradient.{key}": value.grad for key, value in learned.model.named_parameters()}
    for row in learned.curve:
        numbers = [value for value in row.values() if isinstance(value, int | float)]
        found[f"curve.{row['split']}"] = torch.from_numpy(np.array(numbers))
    return found


def learn_all() -> dict[str, dict[str, torch.Tensor]]:
    """Everything in double precision, and the spatial metric in single precision too."""
    found = {"rounded": learn("spatial")}
    with double_precision():
        return found | {name: learn(name) for name in LEARNING}


def main(rank: int, processes: int, folder: Path) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes
    )
    torch.save(learn_all(), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
