"""Stages of renderers, and the opened models of an edit: of the package, a run, or the user's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from tqdm.auto import tqdm

from spfem.edit.neural import NeuralRenderer, sample_faces
from spfem.edit.video import EditModels, EditRequest
from spfem.errors import CheckpointError, SettingsError
from spfem.face.clip_track import MadeTrack
from spfem.files import file_digest, project_folder
from spfem.head.model import load_head_model
from spfem.manipulator.networks import CHECKPOINT_KIND as MANIPULATOR_KIND
from spfem.manipulator.networks import (
    FLAME_SPACE,
    Manipulator,
    load_manipulator,
    pretrained_manipulator,
)
from spfem.methods import find_method
from spfem.pretrained import PRETRAINED
from spfem.renderer.data import RendererClip
from spfem.renderer.learn import RendererSupervision, train_renderer
from spfem.renderer.losses import load_perceptual_loss
from spfem.renderer.networks import FaceGenerator, TrainedRenderer, load_renderer, save_renderer
from spfem.run.artifacts import MANIPULATOR_NAME, open_stage
from spfem.run.deciding_code import code_digest
from spfem.run.faces import make_track
from spfem.run.workspace import choose_device
from spfem.scales import BASE_SEED
from spfem.settings import FaceSettings, RendererSettings
from spfem.training import Progress

RENDERER_NAME = "renderer.safetensors"


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
) -> MadeRenderer:
    """Train a renderer into a stage folder, or reuse or resume the one that is there.

    Args:
        folder: of this renderer alone, such as `renderer/base` or `renderer/ned/<actor>`.
        load_clips: gives the clips; called only if there is something to train.
        settings: `base_steps` are trained without `base`, `adapt_steps` with it. A
            `perceptual_file` counts by its content, wherever it lies, and is not stored.
        inputs: digests of everything the clips and the supervision come from.
        seed: for weights and draws.
        base: renderer to adapt.
        load_supervision: gives what supervises; called only if there is something to train.
        device: to train on.
        progress: wraps the steps.

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
    )
    path = folder / RENDERER_NAME
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


def open_edit_models(request: EditRequest) -> EditModels:
    """Load what an edit asks for; tracks and adapted renderers are kept for the next one.

    Raises:
        CheckpointError: if a model is missing (the error lists what is there), damaged, or of
            another expression space.
        SettingsError: if method or device are unknown, or files do not go together.
        AssetError: naming files of FLAME and DECA that are missing.
    """
    device = choose_device(request.device)
    keep = request.keep or (request.models or project_folder() / "data" / "cache") / "own"

    def track(path: Path, face: int | None) -> MadeTrack:
        folder = _clip_folder(keep, path, face) / "track"
        return make_track(folder, path, FaceSettings(), face=face)

    opened = partial(EditModels, follow=lambda path, face: track(path, face).track, device=device)
    if request.renderer_file is not None:
        from spfem.edit.flame_route import load_flame_models  # few have the files

        flame = load_flame_models(
            request.manipulator,
            request.renderer_file,
            request.flame or project_folder() / "data" / "optional",
            device,
            by_label=request.emotion is not None,
        )
        return opened(flame.manipulator, flame=flame)
    manipulator = load_edit_manipulator(
        request.models, request.method, request.seed, request.manipulator
    )
    if request.renderer != "ned":
        return opened(manipulator)
    base = _load_base_renderer(request.models, device)

    def adapt(
        load_clips: Callable[[], Sequence[RendererClip]], settings: RendererSettings
    ) -> FaceGenerator:
        made = make_renderer(
            _clip_folder(keep, request.clip, request.face) / f"renderer-seed{request.seed}",
            load_clips,
            settings,
            inputs={
                "track": track(request.clip, request.face).digest,
                "code of the sample": code_digest(sample_faces),
            },
            seed=request.seed,
            base=base,
            device=device,
            progress=lambda steps: tqdm(steps, desc="adapting the renderer to this face"),
        )
        return made.renderer.generator

    return opened(manipulator, neural=NeuralRenderer(base.renderer.settings, adapt, device))


def _clip_folder(keep: Path, clip: Path, face: int | None) -> Path:
    return keep / (file_digest(clip) + ("" if face is None else f"-face{face}"))


def _load_base_renderer(models: Path | None, device: str) -> MadeRenderer:
    """NED's renderer that knows faces in general, of a finished run; none comes with the package.

    Raises:
        CheckpointError: if the folder lacks it.
    """
    folder = models or _demo_folder()
    path = folder / "renderer" / "base" / f"seed{BASE_SEED}" / RENDERER_NAME
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; train the models once with: bash run_all.sh (or name the folder "
            "of a finished run with --models, or edit with --renderer moved, which needs no run)"
        )
    return MadeRenderer(load_renderer(path, device), file_digest(path), 0.0)


def load_edit_manipulator(
    models: Path | None, method: str, seed: int, file: Path | None = None
) -> Manipulator:
    """The manipulator of a method, in the face units that own videos are tracked in.

    Args:
        models: stages of a finished run; None for the manipulator that comes with the package,
            or, of a method with which none comes, for the run at demo scale.
        method: one of `spfem.methods.METHODS`.
        seed: of the run's learning; what comes with the package has one only.
        file: checkpoint in place of all these; None for them.

    Raises:
        SettingsError: if the method is unknown, or the file is for FLAME codes.
        CheckpointError: if the folder lacks it (the error lists what is there), the file is
            damaged, or it is of another expression space.
    """
    path = file
    if path is None:
        method = find_method(method).manipulator
        if models is None and method in PRETRAINED[MANIPULATOR_KIND]:
            return pretrained_manipulator(method)
        folder = models or _demo_folder()
        path = folder / "manipulator" / method / f"seed{seed}" / MANIPULATOR_NAME
        if not path.exists():
            raise CheckpointError(
                f"{path} is missing; {_list_methods(folder)}; train the models once with: "
                "bash run_all.sh (or name the folder of a finished run with --models; without it "
                f"{', '.join(PRETRAINED[MANIPULATOR_KIND])} needs no run)"
            )
    manipulator = load_manipulator(path)
    if manipulator.space == FLAME_SPACE:
        raise SettingsError(
            f"{path} edits FLAME codes, which the renderers of the package cannot draw; add "
            "--renderer-file FILE, imported from NED or SCMCL, and --flame DIR with your files of "
            "FLAME and DECA"
        )
    wanted = load_head_model().expression_names
    if tuple(manipulator.space.names) != tuple(wanted):
        raise CheckpointError(
            f"{path} edits another expression space ({len(manipulator.space.names)} "
            f"coefficients, first {manipulator.space.names[0]!r}); own videos are tracked in "
            f"{len(wanted)} face units, first {wanted[0]!r}: train or import such a manipulator"
        )
    return manipulator


def _demo_folder() -> Path:
    return project_folder() / "data" / "synthetic-demo"


def _list_methods(folder: Path) -> str:
    found = sorted((folder / "manipulator").glob(f"*/seed*/{MANIPULATOR_NAME}"))
    if not found:
        return f"{folder} holds no manipulator"
    names = ", ".join(f"{path.parent.parent.name} ({path.parent.name})" for path in found)
    return f"{folder} holds {names}"
