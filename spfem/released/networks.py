"""Released NED and SCMCL manipulators and renderers read into this package's networks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from spfem.checkpoints import ReleasedFile, load_weights, read_released, tensors_below
from spfem.errors import CheckpointError, ShapeError
from spfem.manipulator.networks import FLAME_SPACE, Manipulator, save_manipulator
from spfem.released.kinds import OpenedRelease
from spfem.renderer.networks import TrainedRenderer, from_released, new_renderer, save_renderer
from spfem.settings import ManipulatorSettings, RendererSettings

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
        CheckpointError: if the file cannot be read, is of another layout (missing, surplus and
            misshapen entries are named) or of another expression space.
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
            load_weights(
                manipulator.get_submodule(name),
                tensors,
                f"{file.path} ({name})",
                advice="it is not of the released layout of NED and SCMCL",
            )
    return manipulator, untrained


GENERATOR_ENDING = "_net_G.pth"
CONDITION_CHANNELS = 9  # of a frame: NMFC, eyes and shape
ADVICE = "it is not of the released layout of NED and SCMCL"
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

    Raises:
        CheckpointError: if a file cannot be read or is of another layout, with the names of the
            missing, surplus and misshapen entries.
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
    generator = _generator_file(path)
    epoch = generator.name.removesuffix(GENERATOR_ENDING)
    files = {name: generator.with_name(epoch + ending) for name, ending in ENDINGS.items()}
    parts = {
        name: read_released(file)
        for name, file in files.items()
        if name == "generator" or file.exists()
    }
    eyes = generator.with_name(f"{epoch}_net_De.pth")
    return parts, [eyes.name] if eyes.exists() else []


def _generator_file(path: Path) -> Path:
    if not path.is_dir():
        if not path.name.endswith(GENERATOR_ENDING):
            raise CheckpointError(
                f"{path} is no renderer of NED; give its folder or <epoch>{GENERATOR_ENDING} "
                "(a joint file of SCMCL is of the kind scmcl-renderer)"
            )
        return path
    found = sorted(path.glob(f"*{GENERATOR_ENDING}"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise CheckpointError(
            f"{path} must hold one <epoch>{GENERATOR_ENDING}, found {names}; give the file itself"
        )
    return found[0]


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
