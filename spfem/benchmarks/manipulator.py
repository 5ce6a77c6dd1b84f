"""Editing the expressions of a clip with the manipulator of the published size."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from spfem.benchmarks.made_up import EXPRESSIONS
from spfem.benchmarks.table import Row
from spfem.benchmarks.timing import median_seconds, reference
from spfem.manipulator import ExpressionSpace, Manipulator, manipulate
from spfem.manipulator.windows import gaussian_weights
from spfem.settings import ManipulatorSettings


def made_up_manipulator(settings: ManipulatorSettings, size: int = EXPRESSIONS) -> Manipulator:
    """A manipulator with initial weights that sees raw coefficients, as the released one."""
    names = ("jaw", *(f"coefficient{n}" for n in range(1, size)))
    raw = replace(settings, standardise=False, residual=False)
    return Manipulator(raw, ExpressionSpace(names)).eval()


def made_up_expression(frames: int, size: int = EXPRESSIONS) -> Tensor:
    """Coefficients (T, E) that wander smoothly around 0."""
    coarse = torch.randn((1, size, frames // 5 + 2), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, frames, mode="linear")[0].T.contiguous()


def manipulator_inference(
    device: str,
    settings: ManipulatorSettings | None = None,
    frames: int = 300,
    repeats: int = 3,
) -> list[Row]:
    """Rows of a clip's edit: without, and with the released reading of ten files a window."""
    released = reference("manipulator")
    manipulator = made_up_manipulator(settings or ManipulatorSettings()).to(device)
    window = manipulator.settings.window_frames
    expression = made_up_expression(frames)
    style = torch.randn(
        manipulator.settings.style_size, generator=torch.Generator().manual_seed(1)
    ).to(device)
    generator, weights = manipulator.generator, gaussian_weights(window).float()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        released.write_codes(folder, expression.numpy())
        ways = {
            "reference": lambda: released.manipulate(
                generator, style, expression=expression, length=window, weights=weights
            ),
            "reading": lambda: released.manipulate(
                generator, style, folder=folder, length=window, weights=weights
            ),
            "ours": lambda: manipulate(expression, manipulator=manipulator, style=style),
        }
        gap = float((ways["reference"]() - ways["ours"]()).abs().max())
        seconds = median_seconds(ways, device=device, repeats=repeats)
    work = (
        f"codes of a clip of {frames} frames, largest difference {gap:.1e}; "
        f"{torch.get_num_threads()} threads"
    )
    rows = []
    for bench, way, files in (
        ("manipulator_inference", "reference", "no files read"),
        ("manipulator_inference_files", "reading", "the reference reads ten pickles a window"),
    ):
        rows.append(
            Row(bench, device, "float32", f"{work}; {files}", seconds[way], seconds["ours"])
        )
    return rows
