"""Two runs with one seed, files from one device on another, and the code for several processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.agreement import distance
from benchmarks.correlation_cases import normal
from benchmarks.made_up import EXPRESSIONS, made_up_face_clip, made_up_images, made_up_metric
from benchmarks.made_up_material import made_up_pairs
from benchmarks.networks import made_up_expression, made_up_manipulator
from benchmarks.record import Record
from benchmarks.sizes import Sizes
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.learn import train_spatial
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import train_manipulator
from spfem.manipulator.networks import load_manipulator, save_manipulator
from spfem.renderer.learn import train_renderer
from spfem.renderer.networks import load_renderer, new_renderer, save_renderer

STEPS = 3
DRIFT = 0.02  # of weights that several steps of Adam moved, between two runs that may differ
ROOT = Path(__file__).resolve().parent.parent


def two_runs(record: Record, device: str, sizes: Sizes) -> None:
    """Weights after a few steps, learned twice: as usual, and with deterministic operations."""
    spatial = replace(sizes.checked_spatial, steps=STEPS)
    manipulator = replace(sizes.manipulator, steps=STEPS)
    windows = ExpressionWindows(
        [made_up_expression(30).roll(n, 0).to(device) for n in range(7)],
        list(range(7)),
        window_frames=manipulator.window_frames,
        batch_size=manipulator.batch_size,
        seed=0,
    )
    space = made_up_manipulator(manipulator).space
    clip = made_up_face_clip(max(sizes.checked_renderer.sequence_frames), sizes.checked_renderer)
    learned: dict[str, Callable[[], nn.Module]] = {
        "ASCCL": lambda: (
            train_spatial(
                made_up_pairs(spatial.image_size), None, spatial, seed=0, device=device
            ).model
        ),
        "manipulator": lambda: train_manipulator(windows, manipulator, space)[0],
        "NED renderer": lambda: (
            train_renderer(
                [clip], sizes.checked_renderer, seed=0, steps=STEPS, device=device
            ).generator
        ),
    }
    for name, learn in learned.items():
        usual = [_weights(learn()) for _ in range(2)]
        record.check(f"two runs of {name}", distance(*usual), DRIFT, f"{STEPS} steps, one seed")
        with _deterministic():
            exact = [_weights(learn()) for _ in range(2)]
        figure = distance(*exact)
        if name == "NED renderer" and device != "cpu":
            note = "reflection padding has no deterministic gradient on a GPU"
            record.check(f"two deterministic runs of {name}", figure, DRIFT, note)
        else:
            record.check(f"two deterministic runs of {name}", figure, 0.0, "to the last bit")


@contextmanager
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def _weights(module: nn.Module) -> list[Tensor]:
    return [value.detach().double().cpu() for value in module.state_dict().values()]


def files_move(record: Record, device: str, sizes: Sizes, folder: Path) -> None:
    """Networks written where they are and read on the processor give the same numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "moved.safetensors"
    torch.manual_seed(0)
    spatial = SpatialCoherence(sizes.checked_spatial).to(device)
    spatial.save(path)
    side = sizes.checked_spatial.image_size
    pictures = made_up_images(2, side, 0)
    _alike(
        record, "ASCCL", spatial.resnet50, SpatialCoherence.load(path).resnet50, (pictures,), device
    )
    joint = made_up_metric(sizes.cross_modal).to(device)
    joint.save(path)
    windows = normal(4, 2, EXPRESSIONS).float()
    loaded = CrossModalCoherence.load(path)
    _alike(record, "SCMCL", joint.embed_visual, loaded.embed_visual, (windows,), device, joint)
    manipulator = made_up_manipulator(sizes.manipulator).to(device)
    save_manipulator(path, manipulator)
    settings = sizes.manipulator
    given = (
        normal(2, settings.window_frames, EXPRESSIONS).float(),
        normal(2, settings.style_size).float(),
    )
    other = load_manipulator(path)
    _alike(record, "manipulator", manipulator.generator, other.generator, given, device)
    renderer = new_renderer(sizes.checked_renderer, 0)
    for network in renderer.networks().values():
        network.to(device)
    save_renderer(renderer, path)
    clip = made_up_face_clip(3, sizes.checked_renderer)
    seen = torch.from_numpy(clip.conditions).permute(0, 3, 1, 2)[None].float() / 255
    read = load_renderer(path)
    _alike(record, "NED renderer", renderer.generator, read.generator, (seen,), device)
    path.unlink()


def _alike(
    record: Record,
    name: str,
    here: Callable[..., Any],
    there: Callable[..., Any],
    given: tuple[Tensor, ...],
    device: str,
    owner: nn.Module | None = None,
) -> None:
    for each in (here, there, owner):
        if isinstance(each, nn.Module):
            each.eval()
    with torch.no_grad():
        own = here(*(value.to(device) for value in given))
        read = there(*given)
    both = [
        [value.double().cpu() for value in (made if isinstance(made, list) else [made])]
        for made in (own, read)
    ]
    record.check(f"{name} written here, read on the processor", distance(*both), 1e-3, "float32")


def last_words(errors: str) -> str:
    """What a process said before `torchrun`, which closes its output with pages of its own."""
    own = re.split(r"^[EW]\d{4} .*/elastic/", errors, maxsplit=1, flags=re.MULTILINE)[0]
    return " ".join((own.strip() or errors.strip()).split())[-300:]


def several_processes(record: Record, device: str) -> None:
    """`torchrun` with one process, through gradients, batch norm and means of several."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"]
    words += ["-m", "benchmarks.one_process", device]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120)
    if done.returncode:
        record.fail("torchrun with one process", last_words(done.stderr))
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    wanted = "gloo" if device == "cpu" else "nccl"
    record.holds("torchrun with one process, backend", found["backend"] == wanted, wanted)
    for name in ("loss", "gradient", "statistics"):
        record.check(f"torchrun with one process, {name}", found[name], 1e-3, "against plain code")
