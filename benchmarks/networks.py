"""The manipulator and NED's renderer at the published sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.clock import median_seconds
from benchmarks.made_up import EXPRESSIONS, made_up_face_clip
from benchmarks.rows import Row, Step, reference
from spfem.manipulator.data import gaussian_weights
from spfem.manipulator.manipulate import manipulate
from spfem.manipulator.networks import ExpressionSpace, Manipulator
from spfem.precision import autocast
from spfem.renderer.data import RendererClip, cover_outside, to_network
from spfem.renderer.learn import renderer_optimisers, update_renderer
from spfem.renderer.losses import renderer_losses
from spfem.renderer.networks import TrainedRenderer, copy_renderer, new_renderer
from spfem.renderer.render import generate_chunk, render_clips
from spfem.settings import ManipulatorSettings, RendererSettings


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


PRECISIONS = ("float32", "bfloat16")
STEP_SIDE, STEPS = 128, 3  # pixels; steps of a sequence, the first one without own pictures
Losses = dict[str, float]


def renderer_step(
    device: str, settings: RendererSettings | None = None, repeats: int = 3
) -> list[Row]:
    """Rows of a training step of one sequence's chunks; no VGG19, no augmentation.

    Args:
        device: to train on.
        settings: networks and losses; default: as published, at 128 pixels.
        repeats: counted runs of each way.
    """
    settings = settings or RendererSettings(image_size=STEP_SIDE, augmentation=0.0)
    frames = STEPS * settings.chunk_frames
    clip = made_up_face_clip(frames, settings)
    start = new_renderer(settings, 0)
    runs = {"reference": released_steps(start, clip, device)}
    for precision in PRECISIONS:
        renderer = copy_renderer(start, replace(settings, precision=precision))
        runs[precision] = own_steps(renderer, clip, device)
    first = {name: run() for name, run in runs.items()}  # also the uncounted call
    ways: dict[str, Step] = dict(runs)
    seconds = median_seconds(ways, device=device, repeats=repeats)
    rows = []
    for precision in PRECISIONS:
        worst = max(abs(first[precision][k] / v - 1) for k, v in first["reference"].items())
        work = (
            f"a step of {settings.chunk_frames} frames of {settings.image_size} px, mean of the "
            f"{STEPS} steps of a sequence, no VGG19; largest difference of a first loss term "
            f"{worst:.1e}; {torch.get_num_threads()} threads"
        )
        spent = seconds["reference"] / STEPS, seconds[precision] / STEPS
        rows.append(Row("renderer_step", device, precision, work, *spent))
    return rows


def released_steps(start: TrainedRenderer, clip: RendererClip, device: str) -> Callable[[], Losses]:
    """A run of a sequence's steps in the released way, which returns the terms of its first."""
    released = reference("renderer")
    settings = start.settings
    plain = [released.plain_copy(n, settings).to(device) for n in start.networks().values()]
    trainer = released.Trainer(*plain, settings)
    conditions, faces, centres = sequence_tensors(clip, device)

    def run() -> Losses:
        previous: Tensor | None = None
        first: Losses = {}
        for position in range(0, len(faces), settings.chunk_frames):
            end = position + settings.chunk_frames
            terms, previous = trainer(
                conditions[position : end + 2], faces[position:end], centres[position:end], previous
            )
            first = first or {name: float(value.detach()) for name, value in terms.items()}
        return first

    return run


def own_steps(renderer: TrainedRenderer, clip: RendererClip, device: str) -> Callable[[], Losses]:
    """The same in our way: what `train_renderer` does a step, on given frames."""
    settings = renderer.settings
    for network in renderer.networks().values():
        network.to(device).train()
    optimisers = renderer_optimisers(renderer, settings.learning_rate)
    conditions, faces, centres = sequence_tensors(clip, device)
    lead = settings.window_frames - 1

    def run() -> Losses:
        previous: Tensor | None = None
        first: Losses = {}
        for position in range(0, len(faces), settings.chunk_frames):
            end = position + settings.chunk_frames
            seen = conditions[position : end + lead]
            with autocast(device, settings.precision):
                made, previous = generate_chunk(renderer.generator, seen[None], previous)
                real = cover_outside(faces[position:end], seen[lead:, -1:])
                ours, theirs = renderer_losses(
                    renderer, seen[lead:], made[0], real, centres[position:end]
                )
            terms = {**ours, **theirs}
            first = first or {name: float(value.detach()) for name, value in terms.items()}
            update_renderer(optimisers, ours, theirs)
        return first

    return run


def sequence_tensors(clip: RendererClip, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Conditions with a lead of two (T + 2, C, S, S), faces (T, 3, S, S), centres (T, 2)."""
    conditions = to_network(clip.conditions, device)
    faces = to_network(clip.faces, device) * 2 - 1
    lead = conditions[:1].expand(2, -1, -1, -1)
    return torch.cat([lead, conditions]), faces, torch.from_numpy(clip.mouth_centres)


def renderer_inference(
    device: str, settings: RendererSettings | None = None, frames: int = 8, repeats: int = 3
) -> list[Row]:
    """Rows of a rendered frame, with the difference of the pictures in grey levels.

    The generator has initial weights, whose pictures amplify rounding more than learnt ones do.
    """
    released = reference("renderer")
    settings = settings or RendererSettings()
    clip = made_up_face_clip(frames, settings)
    start = new_renderer(settings, 0)
    plain = released.plain_copy(start.generator, settings).to(device)
    made: dict[str, np.ndarray] = {}

    def keep(name: str, pictures: np.ndarray) -> None:
        made[name] = pictures.astype(np.int16)

    ways: dict[str, Step] = {
        "reference": lambda: keep("reference", released.render(plain, clip.conditions))
    }
    for precision in PRECISIONS:
        generator = copy_renderer(start, replace(settings, precision=precision)).generator

        def render(generator: torch.nn.Module = generator, name: str = precision) -> None:
            keep(name, render_clips(generator, [clip.conditions], device=device)[0])  # type: ignore[arg-type]

        ways[precision] = render
    seconds = median_seconds(ways, device=device, repeats=repeats)
    own = {name: seconds[name] / frames for name in PRECISIONS}
    plain_seconds = seconds["reference"] / (frames - 2)  # the first two are never made
    rows = []
    for precision in PRECISIONS:
        gap = np.abs(made[precision] - made["float32"])
        work = (
            f"a frame of {settings.image_size} px in a clip of {frames}; difference to float32 "
            f"{gap.mean():.2g} grey levels on average, {gap.max()} at most; "
            f"{torch.get_num_threads()} threads"
        )
        rows.append(
            Row("renderer_inference", device, precision, work, plain_seconds, own[precision])
        )
    return rows
