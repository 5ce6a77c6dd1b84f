"""The renderer's stage folders: one for the base, one for each adapted renderer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from spfem.artifacts import file_digest
from spfem.errors import CheckpointError
from spfem.opened_stages import open_stage
from spfem.renderer.checkpoint import TrainedRenderer, load_renderer, save_renderer
from spfem.renderer.clips import RendererClip
from spfem.renderer.perceptual_file import load_perceptual_loss
from spfem.renderer.supervision import RendererSupervision
from spfem.renderer.training import train_renderer
from spfem.settings import RendererSettings
from spfem.training import Progress

FILE_NAME = "renderer.safetensors"


@dataclass(frozen=True)
class MadeRenderer:
    """A renderer with the digest of the stage folder it lies in.

    Attributes:
        renderer: ready to render.
        digest: for stages that read it.
        seconds: training time.
    """

    renderer: TrainedRenderer
    digest: str
    seconds: float


def make_renderer(
    folder: Path,
    load_clips: Callable[[], Sequence[RendererClip]],
    settings: RendererSettings,
    *,
    inputs: Mapping[str, str],
    seed: int,
    base: MadeRenderer | None = None,
    load_supervision: Callable[[], RendererSupervision] | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = iter,
    force: bool = False,
) -> MadeRenderer:
    """Train a renderer into a stage folder, or reuse or resume the one that is there.

    Args:
        folder: of this renderer alone, such as `renderer/base` or `renderer/ned/<actor>`.
        load_clips: gives the clips; called only if there is something to train.
        settings: `base_steps` are trained without `base`, `adapt_steps` with it. A
            `perceptual_file` counts by its content, wherever it lies, and is not stored.
        inputs: digests of everything the clips and the supervision come from.
        seed: of the training.
        base: renderer to adapt.
        load_supervision: gives what supervises; called only if there is something to train.
        device: to train on.
        progress: wraps the steps.
        force: train anew.

    Raises:
        CheckpointError: if `settings.perceptual_file` is missing or no VGG19.
        SpfemError: as `open_stage` and `train_renderer` do.
    """
    perceptual = Path(settings.perceptual_file) if settings.perceptual_file else None
    settings = replace(settings, perceptual_file="")
    own = {"seed": str(seed), "base": "" if base is None else base.digest}
    if perceptual is not None:
        if not perceptual.is_file():
            raise CheckpointError(
                f"perceptual_file {perceptual} of the renderer is no file; name your own copy of "
                "torchvision's vgg19-dcbb9e9d.pth, or leave the setting empty"
            )
        own["perceptual"] = file_digest(perceptual)
    stage = open_stage(
        folder,
        "renderer",
        settings=settings,
        inputs={**inputs, **own},
        code=(make_renderer, load_clips, *([load_supervision] if load_supervision else [])),
        force=force,
    )
    path = folder / FILE_NAME
    if not stage.complete:
        renderer = train_renderer(
            load_clips(),
            settings,
            seed=seed,
            steps=settings.base_steps if base is None else settings.adapt_steps,
            device=device,
            initial=None if base is None else base.renderer,
            supervision=None if load_supervision is None else load_supervision(),
            perceptual=None if perceptual is None else load_perceptual_loss(perceptual, device),
            progress=progress,
            folder=folder,
        )
        save_renderer(renderer, path)
        stage.finish(last=renderer.curve[-1] if renderer.curve else {})
    return MadeRenderer(load_renderer(path, device), stage.digest, stage.seconds)
