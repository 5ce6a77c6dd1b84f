"""A trained renderer as one safetensors file, and the released state-dict layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spfem.checkpoints import (
    load_checkpoint,
    load_weights,
    save_checkpoint,
    settings_from_facts,
    tensors_below,
)
from spfem.errors import CheckpointError, ShapeError
from spfem.renderer.discriminators import Discriminator
from spfem.renderer.generator import Generator
from spfem.settings import RendererSettings

CHECKPOINT_KIND = "renderer"
OTHER_SETTINGS = "it belongs to other renderer settings"

Curve = list[dict[str, float]]


@dataclass(frozen=True)
class TrainedRenderer:
    """A generator with the discriminators it was trained against.

    Attributes:
        generator: ready to render.
        image_discriminator: of the whole face.
        mouth_discriminator: of the mouth crop.
        settings: they were built with.
        curve: rows with `step` and the mean of each loss since the row before.
        eye_discriminator: of the crop between the eyes; None where the settings want none.
    """

    generator: Generator
    image_discriminator: Discriminator
    mouth_discriminator: Discriminator
    settings: RendererSettings
    curve: Curve
    eye_discriminator: Discriminator | None = None

    def networks(self) -> dict[str, nn.Module]:
        """The networks by name: the generator and the discriminators."""
        networks: dict[str, nn.Module] = {
            "generator": self.generator,
            "image_discriminator": self.image_discriminator,
            "mouth_discriminator": self.mouth_discriminator,
        }
        if self.eye_discriminator is not None:
            networks["eye_discriminator"] = self.eye_discriminator
        return networks


def new_renderer(settings: RendererSettings, seed: int) -> TrainedRenderer:
    """Untrained networks, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TrainedRenderer(
            Generator(settings),
            Discriminator(settings),
            Discriminator(settings),
            settings,
            [],
            Discriminator(settings) if settings.eye_discriminator else None,
        )


def copy_renderer(renderer: TrainedRenderer, settings: RendererSettings) -> TrainedRenderer:
    """Networks of their own with the weights of `renderer`, to be trained with `settings`.

    A discriminator of the eyes that `renderer` does not have starts untrained.

    Raises:
        CheckpointError: if `settings` describe other networks.
    """
    copy, given = new_renderer(settings, 0), renderer.networks()
    for name, network in copy.networks().items():
        if name in given:
            weights = given[name].state_dict()
            load_weights(network, weights, f"of the initial {name}", advice=OTHER_SETTINGS)
    return copy


def save_renderer(
    renderer: TrainedRenderer, path: Path, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write networks, settings, curve and what made them to one safetensors file."""
    tensors = {
        f"{name}.{key}": value
        for name, network in renderer.networks().items()
        for key, value in network.state_dict().items()
    }
    facts = {
        "settings": asdict(renderer.settings),
        "curve": renderer.curve,
        "provenance": dict(provenance or {}),
    }
    save_checkpoint(path, tensors, kind=CHECKPOINT_KIND, facts=facts)


def load_renderer(path: Path, device: torch.device | str = "cpu") -> TrainedRenderer:
    """Read a renderer that `save_renderer` wrote; strict in keys, shapes and settings.

    Raises:
        CheckpointError: if the file is missing, damaged or of another version.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND)
    settings = settings_from_facts(RendererSettings, facts.get("settings"), path)
    try:
        renderer = new_renderer(settings, 0)
    except ShapeError as error:
        raise CheckpointError(f"{path} holds settings of no renderer: {error}") from error
    for name, network in renderer.networks().items():
        own = tensors_below(tensors, f"{name}.")
        load_weights(network, own, f"{path} ({name})", advice=OTHER_SETTINGS)
        network.to(device)
    renderer.curve.extend(facts.get("curve", []))
    return renderer


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn a released state dict of G or D into this package's keys.

    Drops the buffers of instance norms (never used: norms take the picture's own statistics)
    and the second name under which each residual block is stored.

    Raises:
        CheckpointError: if the two copies of a residual block differ.

    Source: NED checkpoints.
    """
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    kept: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.rsplit(".", 1)[-1] in buffers:
            continue
        if "resnetblock_sequential" in key:
            twin = state.get(key.replace("resnetblock_sequential", "conv_block"))
            if twin is None or not torch.equal(twin, value):
                raise CheckpointError(
                    f"the two copies of {key!r} in the released checkpoint differ; it is damaged"
                )
            continue
        kept[key] = value
    return kept


def to_released(network: nn.Module) -> dict[str, Tensor]:
    """State dict of G or D with every key of the released layout, neutral norm buffers included."""
    state = {}
    for key, value in network.state_dict().items():
        state[key] = value
        if "conv_block" in key:
            state[key.replace("conv_block", "resnetblock_sequential")] = value
    for name, module in network.named_modules():
        if isinstance(module, nn.InstanceNorm2d):
            buffers = {
                "running_mean": torch.zeros(module.num_features),
                "running_var": torch.ones(module.num_features),
                "num_batches_tracked": torch.tensor(0),
            }
            for buffer, value in buffers.items():
                for twin in {name, name.replace("conv_block", "resnetblock_sequential")}:
                    state[f"{twin}.{buffer}"] = value
    return state
