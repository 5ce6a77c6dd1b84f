"""Released metrics, manipulators and renderers read into this package's networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from torch import nn

from spfem.checkpoints import ReleasedFile, load_weights, read_released, tensors_below
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.encoders import ENCODERS, save_encoder
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import SpatialTemporalCoherence, TemporalCoherence
from spfem.errors import CheckpointError, SettingsError, ShapeError
from spfem.manipulator.networks import FLAME_SPACE, Manipulator, save_manipulator
from spfem.released.kinds import OpenedRelease
from spfem.renderer.networks import TrainedRenderer, from_released, new_renderer, save_renderer
from spfem.settings import (
    CrossModalSettings,
    ManipulatorSettings,
    RendererSettings,
    SpatialSettings,
    TemporalSettings,
)

Made = TypeVar("Made")


def spatial_settings(file: ReleasedFile) -> SpatialSettings:
    """Widths and blocks of the backbone (ASCCL)."""
    levels = file.count(r"resnet50\.layer(\d+)\..+")  # layers count from 1
    widths = tuple(file.size(f"resnet50.layer{n}.0.conv2.weight") for n in range(1, levels))
    blocks = tuple(file.count(rf"resnet50\.layer{n}\.(\d+)\..+") for n in range(1, levels))
    if not widths:
        raise CheckpointError(
            f"{file.path} has no entry resnet50.layer1.0.conv2.weight; it holds no ASCCL or STCCL "
            "metric"
        )
    centres = SpatialSettings().centres[: len(widths)]
    return _made(file, lambda: SpatialSettings(widths=widths, blocks=blocks, centres=centres))


def temporal_settings(file: ReleasedFile) -> TemporalSettings:
    """Widths and blocks of the backbone (STCCL, whose layout is that of ASCCL)."""
    spatial = spatial_settings(file)
    places = TemporalSettings().places[: len(spatial.widths)]
    return _made(file, lambda: TemporalSettings(spatial=spatial, places=places))


def sequence_settings(file: ReleasedFile, prefix: str = "") -> CrossModalSettings:
    """Layers, widths and embedding of an audio or expression encoder (SCMCL).

    Its entries are `<prefix>convs.<i>.0.weight`.
    """
    layers = file.count(rf"{re.escape(prefix)}convs\.(\d+)\..+")
    widths = [file.size(f"{prefix}convs.{layer}.0.weight") for layer in range(max(layers, 1))]
    doublings = tuple(n for n in range(1, layers) if widths[n] == 2 * widths[n - 1])
    embedding = file.size(f"{prefix}fc.weight")
    return _made(
        file,
        lambda: CrossModalSettings(
            width=widths[0], layers=layers, doublings=doublings, embedding=embedding
        ),
    )


def image_settings(
    file: ReleasedFile, prefix: str = "", settings: CrossModalSettings | None = None
) -> CrossModalSettings:
    """As `sequence_settings`, of an image encoder (SCMCL); `settings` are kept for other parts."""
    width, embedding = (file.size(f"{prefix}model.{n}.weight") for n in ("conv1", "fc"))
    known = settings or CrossModalSettings()
    return _made(file, lambda: replace(known, image_width=width, embedding=embedding))


def pair_settings(file: ReleasedFile, *, image: bool) -> CrossModalSettings:
    """Sizes of a jointly learned pair (SCMCL); heads, which no shape shows, are the default."""
    settings = sequence_settings(file, "audio_encoder.")
    if image:
        settings = image_settings(file, "image_encoder.", settings)
    blocks = file.count(r"audio_attn\.blocks\.(\d+)\..+")
    return _made(file, lambda: replace(settings, blocks=blocks))


def _made(file: ReleasedFile, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except SettingsError as error:
        raise CheckpointError(f"{file.path} has sizes of no known network: {error}") from error


DEAD_BACKBONE = r"resnet50\.bn2\..+"  # built, never called
DEAD_FUSION = r"\w+_attn\.blocks\.\d+\.norm_[qkv]\..+"  # their result is overwritten
FIRST_CONVOLUTION = "resnet50.conv1.weight"


Save = Callable[..., None]
"""Writes a filled network: `save(path, provenance=...)`."""


@dataclass(frozen=True)
class MetricLayout:
    """One layout of released files.

    Attributes:
        build: network of the sizes of a file, and the function that saves it.
        dead: regular expression of entries that no computation of the release reads.
        learned_on_bgr: whether the release fed it BGR images.
    """

    build: Callable[[ReleasedFile], tuple[nn.Module, Save]]
    dead: str = ""
    learned_on_bgr: bool = False


def open_metric(kind: str, path: Path, *, keep_channel_order: bool = False) -> OpenedRelease:
    """Read a released metric or encoder.

    Sizes come from the shapes in the file, everything else is the default of the settings. The
    released ASCCL and STCCL metrics were learned on BGR images: the input channels of the first
    convolution are turned round, so that RGB images give what BGR images gave there.

    Errors as in `spfem.released.kinds.open_released`, also for a channel order where there is none
    to keep.
    """
    layout = LAYOUTS[kind]
    if keep_channel_order and not layout.learned_on_bgr:
        raise SettingsError(f"{kind} was not learned on BGR images; do not keep the channel order")
    file = read_released(path).without(layout.dead)
    network, save = layout.build(file)
    tensors = dict(file.tensors)
    if layout.learned_on_bgr and not keep_channel_order and FIRST_CONVOLUTION in tensors:
        tensors[FIRST_CONVOLUTION] = tensors[FIRST_CONVOLUTION].flip(1)
    load_weights(network, tensors, path, advice=f"it is not of the released layout {kind!r}")
    provenance, notes = file.provenance(kind), []
    if layout.learned_on_bgr:
        provenance["input_channels"] = (
            "BGR, as released" if keep_channel_order else "RGB, turned from BGR"
        )
        notes.append(f"input channels: {provenance['input_channels']}")
    write = partial(save, provenance=provenance)
    return OpenedRelease(len(tensors), provenance, write, tuple(notes))


def _metric(network: Any) -> tuple[nn.Module, Save]:
    return network, network.save


def _encoder(modality: str, file: ReleasedFile) -> tuple[nn.Module, Save]:
    settings = image_settings(file) if modality == "image" else sequence_settings(file)
    network = ENCODERS[modality](settings)
    return network, partial(save_encoder, network, settings)


def _pair(visual: Literal["expression", "image"], file: ReleasedFile) -> tuple[nn.Module, Save]:
    return _metric(CrossModalCoherence(pair_settings(file, image=visual == "image"), visual))


LAYOUTS = {
    kind: MetricLayout(build, DEAD_BACKBONE, learned_on_bgr=True)
    for kind, build in {
        "spatial": lambda file: _metric(SpatialCoherence(spatial_settings(file))),
        "temporal": lambda file: _metric(TemporalCoherence(temporal_settings(file))),
        "spatial-temporal": lambda file: _metric(SpatialTemporalCoherence(temporal_settings(file))),
    }.items()
}
LAYOUTS |= {f"scmcl-{m}": MetricLayout(partial(_encoder, m)) for m in ENCODERS}
LAYOUTS["scmcl-expression-pair"] = MetricLayout(partial(_pair, "expression"), DEAD_FUSION)
LAYOUTS["scmcl-image-pair"] = MetricLayout(partial(_pair, "image"), DEAD_FUSION)
"""By kind, see `spfem.released.kinds`."""


ADVICE = "it is not of the released layout of NED and SCMCL"
NEEDED = ("generator", "style_encoder", "mapping_network")
OPTIONAL = ("discriminator",)
NETWORKS = NEEDED + OPTIONAL
SCMCL = "scmcl-manipulator"

NO_DISCRIMINATOR = (
    "the file has no discriminator: an untrained one stands in its place, which editing never "
    "uses, but training on would start from it"
)
UNTRAINED_MAPPING = (
    "SCMCL never trained the mapping network, it is NED's: edit by reference rather than by label"
)


def open_manipulator(kind: str, path: Path) -> OpenedRelease:
    """Read `<NN>_nets.pth` or `<NN>_nets_finetuned.pth` of NED or SCMCL.

    Other networks of the file, such as those of a joint SCMCL training, are left out. The
    manipulator works on `FLAME_SPACE`, unscaled, as released.

    Raises:
        CheckpointError: as `open_released` says, or if it is of another expression space.
    """
    file = read_released(path, NEEDED, OPTIONAL)
    manipulator, untrained = _fill_manipulator(file, encode_reference=kind == SCMCL)
    provenance, notes = file.provenance(kind), []
    if untrained:
        provenance["untrained"] = list(untrained)
        notes.append(NO_DISCRIMINATOR)
    if kind == SCMCL:
        notes.append(UNTRAINED_MAPPING)
    return OpenedRelease(
        len(file.tensors),
        provenance,
        partial(save_manipulator, manipulator=manipulator, provenance=provenance),
        tuple(notes),
    )


def _fill_manipulator(
    file: ReleasedFile, *, encode_reference: bool
) -> tuple[Manipulator, tuple[str, ...]]:
    coefficients = file.size("generator.seq2.4.weight")
    if coefficients != FLAME_SPACE.size:
        raise CheckpointError(
            f"{file.path} is for {coefficients} expression coefficients; released manipulators "
            f"have {FLAME_SPACE.size} (jaw opening and 50 of FLAME)"
        )
    settings = ManipulatorSettings(
        style_size=file.size("style_encoder.seq2.4.weight"),
        latent_size=file.size("mapping_network.shared.0.weight", axis=1),
        width=file.size("generator.seq1.0.weight"),
        encoder_width=file.size("style_encoder.seq1.0.weight"),
        mapping_width=file.size("mapping_network.shared.0.weight"),
        standardise=False,
        encode_reference=encode_reference,
    )
    emotions = file.count(r"mapping_network\.unshared\.(\d+)\..+")
    manipulator = Manipulator(settings, FLAME_SPACE, emotions=emotions)
    found = {name: tensors_below(file.tensors, f"{name}.") for name in NETWORKS}
    untrained = tuple(name for name in OPTIONAL if not found[name])
    for name, tensors in found.items():
        if name not in untrained:
            network = manipulator.get_submodule(name)
            load_weights(network, tensors, f"{file.path} ({name})", advice=ADVICE)
    return manipulator, untrained


GENERATOR_ENDING = "_net_G.pth"
CONDITION_CHANNELS = 9  # of a frame: NMFC, eyes and shape
JOINT_PARTS = {
    "generator": "rendererG.netG.",
    "image_discriminator": "rendererD.netD.",
    "mouth_discriminator": "rendererD.netDm.",
}
UNUSED_JOINT_PARTS = {"rendererD.netDe", "rendererD.criterionVGG"}
ENDINGS = {
    "generator": GENERATOR_ENDING,
    "image_discriminator": "_net_D.pth",
    "mouth_discriminator": "_net_Dm.pth",
}


def open_renderer(kind: str, path: Path) -> OpenedRelease:
    """Read the renderer of one person.

    `ned-renderer` is `<epoch>_net_G.pth` (or the folder that holds one), with `_net_D.pth` and
    `_net_Dm.pth` beside it; SCMCL's exported renderers have this layout too. `scmcl-renderer` is
    one file that holds them all. Discriminators that are missing (SCMCL publishes generators
    only) are replaced by untrained ones, which is said in the notes and in the provenance. The
    eye discriminator and the VGG features of a joint file are left out.
    """
    parts, dropped = _joint_parts(path) if kind == "scmcl-renderer" else _separate_parts(path)
    renderer = _new_renderer(parts)
    missing = []
    for name, network in renderer.networks().items():
        if name in parts:
            tensors = from_released(parts[name].tensors)
            load_weights(network, tensors, f"{parts[name].path} ({name})", advice=ADVICE)
        else:
            missing.append(name)
    files = {part.path.name: part.digest for part in parts.values()}
    provenance: dict[str, Any] = {
        "imported_from": list(files),
        "digest": list(files.values()),
        "kind": kind,
        "dropped": dropped,
    }
    notes = []
    if missing:
        provenance["untrained"] = missing
        notes.append(
            f"not there: {', '.join(missing)}; untrained networks stand in their place, which "
            "rendering never uses, but adapting this renderer to a face would start from them"
        )
    entries = sum(len(part.tensors) for part in parts.values())
    write = partial(save_renderer, renderer, provenance=provenance)
    return OpenedRelease(entries, provenance, write, tuple(notes))


def _separate_parts(path: Path) -> tuple[dict[str, ReleasedFile], list[str]]:
    found = sorted(path.glob(f"*{GENERATOR_ENDING}")) if path.is_dir() else [path]
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise CheckpointError(
            f"{path} must hold one <epoch>{GENERATOR_ENDING}, found {names}; give the file itself"
        )
    generator = found[0]
    if not generator.name.endswith(GENERATOR_ENDING):
        raise CheckpointError(
            f"{path} is no renderer of NED; give its folder or <epoch>{GENERATOR_ENDING} "
            "(a joint file of SCMCL is of the kind scmcl-renderer)"
        )
    epoch = generator.name.removesuffix(GENERATOR_ENDING)
    files = {name: generator.with_name(epoch + ending) for name, ending in ENDINGS.items()}
    parts = {
        name: read_released(file)
        for name, file in files.items()
        if name == "generator" or file.exists()
    }
    eyes = generator.with_name(f"{epoch}_net_De.pth")
    return parts, [eyes.name] if eyes.exists() else []


def _joint_parts(path: Path) -> tuple[dict[str, ReleasedFile], list[str]]:
    file = read_released(path, ["rendererG"], ["rendererD"])
    parts = {name: file.below(start) for name, start in JOINT_PARTS.items()}
    kept = {name: part for name, part in parts.items() if part.tensors or name == "generator"}
    rest = {
        ".".join(name.split(".")[:2])
        for name in file.tensors
        if not name.startswith(tuple(JOINT_PARTS.values()))
    }
    if unknown := sorted(rest - UNUSED_JOINT_PARTS):
        raise CheckpointError(f"{path} has surplus networks ({', '.join(unknown)}); {ADVICE}")
    return kept, [*file.dropped, *sorted(rest)]


def _new_renderer(parts: Mapping[str, ReleasedFile]) -> TrainedRenderer:
    """Networks of the sizes of the files; settings that shapes do not show are the defaults."""
    file = parts["generator"]
    seen = file.size("model_down_seg.1.weight", axis=1)
    downsamplings = -(-file.count(r"model_up_img\.(\d+)\.weight") // 3)
    before = 4 + 3 * downsamplings  # layers in front of the residual blocks
    early = file.count(r"model_down_seg\.(\d+)\.conv_block\..+") - before
    critic_width = RendererSettings().discriminator_width
    if "image_discriminator" in parts:
        critic_width = parts["image_discriminator"].size("scale0_layer0.0.weight")
    settings = RendererSettings(
        width=file.size("model_down_seg.1.weight"),
        kernel=file.size("model_down_seg.1.weight", axis=2),
        window_frames=seen // CONDITION_CHANNELS,
        downsamplings=downsamplings,
        blocks=max(early, 0) + file.count(r"model_res_img\.(\d+)\..+"),
        discriminator_width=critic_width,
    )
    if seen % CONDITION_CHANNELS or settings.window_frames < 2:
        raise CheckpointError(
            f"{file.path} takes {seen} condition channels; released renderers take "
            f"{CONDITION_CHANNELS} (NMFC, eyes, shape) of each of 3 frames"
        )
    try:
        return new_renderer(settings, seed=0)
    except ShapeError as error:
        raise CheckpointError(f"{file.path} has sizes of no known renderer: {error}") from error
