"""The networks of a scale with inputs of the right shapes, whose cost is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spfem.correlation.crossmodal.encoders import AudioEncoder, ExpressionEncoder, ImageEncoder
from spfem.correlation.crossmodal.fusion import CrossAttentionFusion
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.spatial_temporal import SpatialTemporalCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.temporal_training import formulated
from spfem.evaluation.lip_sync.network import LipSyncNetwork
from spfem.evaluation.lip_sync.windows import CEPSTRA, FRAMES, ROWS
from spfem.manipulator.model import ExpressionSpace, Manipulator
from spfem.renderer.checkpoint import new_renderer
from spfem.settings import (
    CrossModalSettings,
    LipSyncSettings,
    ManipulatorSettings,
    RendererSettings,
    Scale,
    SpatialSettings,
    TemporalSettings,
)


@dataclass(frozen=True)
class CostItem:
    """One network and what a unit of its work is.

    Attributes:
        network: as in `data/published/network_costs.csv`, where it is published.
        per: unit of work, with sizes.
        module: whose parameters count.
        inputs: of one unit.
        call: what is called with the inputs; default the module.
        learns: whether a unit is a learning step (forward, backward, Adam) on the result, a loss.
        pictures: that the backbone of a metric runs forward in a unit; of a learning step also
            backward, which is twice the work, for the first of both batches. 0 for others.
    """

    network: str
    per: str
    module: nn.Module
    inputs: tuple[Tensor, ...]
    call: Callable[..., object] | None = None
    learns: bool = False
    pictures: int = 0

    def run(self, inputs: Sequence[Tensor]) -> object:
        """Do one unit of work on inputs like `inputs`, of any shape that the item takes."""
        return (self.call or self.module)(*inputs)


def list_cost_items(scale: Scale, expression_size: int) -> list[CostItem]:
    """Every network of a scale, with initial weights.

    Args:
        scale: whose sizes.
        expression_size: E, coefficients of a frame (papers: 51).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [
            *_spatial(scale.spatial),
            *_temporal(scale.temporal),
            *_cross_modal(scale.cross_modal, expression_size),
            *_manipulator(scale.manipulator, expression_size),
            *_renderer(scale.renderer),
            _lip_sync(scale.lip_sync),
        ]


def _spatial(settings: SpatialSettings) -> list[CostItem]:
    side, count = settings.image_size, settings.batch_size
    metric = SpatialCoherence(settings)
    pairs = tuple(torch.rand(2, count, 3, side, side) * 2 - 1)
    return [
        CostItem("spatial metric", f"image of {side} px", metric, (pairs[0][:1],), metric.resnet50),
        CostItem(
            "spatial metric step",
            f"learning step of {count} pairs of {side} px",
            metric,
            pairs,
            learns=True,
            pictures=4 * count,
        ),
    ]


def _temporal(settings: TemporalSettings) -> list[CostItem]:
    side, frames, count = settings.image_size, settings.window_frames, settings.batch_size
    windows = tuple(torch.rand(2, count, frames, 3, side, side) * 2 - 1)
    items = []
    for name, kind in (
        ("temporal_vd", TemporalCoherence),
        ("temporal_cm", TemporalCoherence),
        ("spatial_temporal_vd", SpatialTemporalCoherence),
        ("spatial_temporal_cm", SpatialTemporalCoherence),
    ):
        metric = kind(formulated(name, settings))
        per = f"pair of windows of {frames} frames of {side} px"
        one = tuple(window[:1] for window in windows)
        title = f"{name.replace('_', ' ')} metric"
        items.append(CostItem(title, per, metric, one, pictures=2 * frames))
        if name == "spatial_temporal_vd":
            per = f"learning step of {count} {per.replace('pair', 'pairs')}"
            pictures = 4 * count * frames
            step = CostItem(f"{title} step", per, metric, windows, learns=True, pictures=pictures)
            items.append(step)
    return items


def _cross_modal(settings: CrossModalSettings, expression_size: int) -> list[CostItem]:
    audio, expression = AudioEncoder(settings), ExpressionEncoder(settings)
    fusion = CrossAttentionFusion(settings, audio.feature_channels)
    samples, side = settings.frame_samples, settings.image_size
    sound = torch.rand(1, 1, samples) * 2 - 1
    with torch.no_grad():
        features = audio.eval().encode(sound)
    return [
        CostItem("audio encoder", f"clip of {samples} samples", audio, (sound,)),
        CostItem(
            "expression encoder",
            f"{expression_size} coefficients",
            expression,
            (torch.randn(1, 1, expression_size),),
        ),
        CostItem(
            "image encoder",
            f"image of {side} px",
            ImageEncoder(settings),
            (torch.rand(1, 3, side, side) * 2 - 1,),
        ),
        CostItem("cross-attention", "two frames", fusion, (features, features)),
    ]


def _manipulator(settings: ManipulatorSettings, expression_size: int) -> list[CostItem]:
    names = ("jaw", *(f"coefficient{n}" for n in range(1, expression_size)))
    networks = Manipulator(settings, ExpressionSpace(names))
    frames = settings.window_frames
    window, label = torch.randn(1, frames, expression_size), torch.zeros(1, dtype=torch.int64)
    style, latent = torch.randn(1, settings.style_size), torch.randn(1, settings.latent_size)
    per = f"window of {frames} frames"
    return [
        CostItem("manipulator generator", per, networks.generator, (window, style)),
        CostItem("style encoder", per, networks.style_encoder, (window,)),
        CostItem("manipulator discriminator", per, networks.discriminator, (window, label)),
        CostItem("mapping network", "style", networks.mapping_network, (latent, label)),
    ]


def _renderer(settings: RendererSettings) -> list[CostItem]:
    renderer, side = new_renderer(settings, 0), settings.image_size
    channels, frames, mouth = (
        settings.condition_channels,
        settings.window_frames,
        settings.mouth_size,
    )

    def pictures(size: int) -> tuple[Tensor, Tensor]:
        return torch.rand(1, channels, size, size), torch.rand(1, 3, size, size) * 2 - 1

    windows = torch.rand(1, frames, channels, side, side)
    previous = torch.rand(1, frames - 1, 3, side, side) * 2 - 1
    return [
        CostItem(
            "renderer generator", f"frame of {side} px", renderer.generator, (windows, previous)
        ),
        CostItem(
            "renderer discriminator",
            f"picture of {side} px",
            renderer.image_discriminator,
            pictures(side),
        ),
        CostItem(
            "renderer mouth discriminator",
            f"picture of {mouth} px",
            renderer.mouth_discriminator,
            pictures(mouth),
        ),
    ]


def _lip_sync(settings: LipSyncSettings) -> CostItem:
    """The network behind LSE-D and LSE-C; its size is the same at every scale."""
    network, side = LipSyncNetwork(settings), settings.crop_size

    def embed(lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        return network.embed_lips(lips), network.embed_sound(sound)

    inputs = torch.rand(1, FRAMES, side, side) - 0.5, torch.randn(1, CEPSTRA, ROWS)
    return CostItem("lip-sync network", f"window of {FRAMES} frames", network, inputs, embed)
