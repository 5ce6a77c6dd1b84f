"""The networks of the renderer (NED): recurrent generator and PatchGANs, and their one file.

State-dict keys are the released ones, so that released weights load at the default settings.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from spfem.checkpoints import (
    load_checkpoint,
    load_weights,
    save_checkpoint,
    settings_from_facts,
    tensors_below,
)
from spfem.errors import CheckpointError, ShapeError
from spfem.precision import full
from spfem.renderer.data import cover_outside
from spfem.settings import RendererSettings

Network = TypeVar("Network", bound=nn.Module)
LEAST_WIDTH = 64  # narrower nets gain nothing


def channels_together(images: Tensor, width: int) -> Tensor:
    """Images (B, C, H, W) as they are, or with the channels of a pixel side by side in memory.

    The latter for a net of `width` channels whose convolutions run in bfloat16: matrix units
    read channels, and convolutions keep the order of their input. Values do not change.
    """
    if width < LEAST_WIDTH or images.is_meta:
        return images
    if images.dtype == torch.bfloat16 or torch.is_autocast_enabled(images.device.type):
        return images.contiguous(memory_format=torch.channels_last)
    return images


def cast_once(network: Network, width: int) -> Network:
    """The network, of `width` channels, for inference under autocast: a copy in its format.

    Autocast would cast the weights at every call when no gradient is recorded. Where it is off,
    the network itself is returned.
    """
    device = next(network.parameters()).device.type
    if not torch.is_autocast_enabled(device):
        return network
    cast = copy.deepcopy(network).to(torch.get_autocast_dtype(device))
    if width >= LEAST_WIDTH:
        cast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return cast


class PictureNorm(nn.InstanceNorm2d):
    """Each map of each picture of (B, C, H, W) to mean 0 and deviation 1; two pixels or more.

    PyTorch's own would first copy maps whose channels lie together in memory into another order,
    and back, which costs more than the norm itself.

    Source: NED, which keeps running statistics beside it that neither training nor test reads.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise `maps`, see above."""
        if maps.is_contiguous():
            return super().forward(maps)
        # of one picture, the batch is that picture
        parts = [functional.batch_norm(part, None, None, training=True) for part in maps.split(1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


SCALES = 2
LAYERS = 5


class FaceDiscriminator(nn.Module):
    """Two PatchGANs that see condition images beside a picture, at full and half resolution.

    Source: NED. `scale1_*` sees the full resolution; 5 547 906 parameters at the default settings.
    """

    def __init__(self, settings: RendererSettings) -> None:
        super().__init__()
        self.width = settings.discriminator_width
        for scale in range(SCALES):
            channels = settings.condition_channels - 1 + 3
            for layer in range(LAYERS):
                last = layer == LAYERS - 1
                out = 1 if last else settings.discriminator_width * min(2**layer, 8)
                stride = 2 if layer < LAYERS - 2 else 1
                parts: list[nn.Module] = [nn.Conv2d(channels, out, 4, stride=stride, padding=2)]
                nn.init.normal_(parts[0].weight, 0, 0.02)  # type: ignore[arg-type]
                nn.init.zeros_(parts[0].bias)  # type: ignore[arg-type]
                if 0 < layer < LAYERS - 1:
                    parts.append(PictureNorm(out))
                if not last:
                    parts.append(nn.LeakyReLU(0.2))
                self.add_module(f"scale{scale}_layer{layer}", nn.Sequential(*parts))
                channels = out

    def forward(self, conditions: Tensor, pictures: Tensor) -> list[list[Tensor]]:
        """Five feature maps of each scale, full resolution first; the last map is the score.

        Args:
            conditions: (B, C, H, W) in [0, 1], mask last (it is not seen).
            pictures: (B, 3, H, W) in [-1, 1].
        """
        images = torch.cat([conditions[:, :-1], pictures], dim=1)
        images = channels_together(images, self.width)
        maps = []
        for scale in reversed(range(SCALES)):
            features = [images]
            for layer in range(LAYERS):
                features.append(self.get_submodule(f"scale{scale}_layer{layer}")(features[-1]))
            maps.append(features[1:])
            # In the usual order of memory: PyTorch's gradient of a padded mean of images whose
            # channels lie together is wrong on a GPU (pytorch/pytorch#188344).
            images = functional.avg_pool2d(images.contiguous(), 3, 2, 1, count_include_pad=False)
            images = channels_together(images, self.width)
        return maps


class PictureBlock(nn.Module):
    """x + conv-norm-relu-conv-norm(x), reflection padded; (B, C, H, W) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            PictureNorm(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            PictureNorm(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add the change of the block to `features` (B, C, H, W)."""
        return features + self.conv_block(features)


def _branch(channels: int, settings: RendererSettings, blocks: int) -> nn.Sequential:
    width = settings.width
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(settings.kernel // 2),
        nn.Conv2d(channels, width, settings.kernel),
        PictureNorm(width),
        nn.ReLU(),
    ]
    for _ in range(settings.downsamplings):
        layers += [
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            PictureNorm(2 * width),
            nn.ReLU(),
        ]
        width *= 2
    return nn.Sequential(*layers, *(PictureBlock(width) for _ in range(blocks)))


class FaceGenerator(nn.Module):
    """Face pictures from windows of condition images and the generator's last own pictures.

    70 834 755 parameters at the default settings. Masks are not seen, they cut the output.

    Source: NED. Departures, both off by default: `fold` (pixels folded into channels around the
    net) and `skips` (condition features of each resolution are added on the way up).
    A previous picture that is exactly zero contributes exactly nothing; the released
    arithmetic is undefined there (instance norm of a constant map amplifies rounding).

    Raises:
        ShapeError: if the image size does not divide as the settings need.
    """

    def __init__(self, settings: RendererSettings) -> None:
        super().__init__()
        side = settings.fold << settings.downsamplings
        if settings.image_size % side:
            raise ShapeError(
                f"image_size {settings.image_size} is not a multiple of {side} "
                "(fold times two to the number of downsamplings); choose another size"
            )
        self.settings = settings
        folded = settings.fold**2
        seen = (settings.condition_channels - 1) * settings.window_frames
        late = settings.blocks // 2
        early = settings.blocks - late
        width = settings.width << settings.downsamplings
        self.model_down_seg = _branch(seen * folded, settings, early)
        self.model_down_img = _branch(3 * (settings.window_frames - 1) * folded, settings, early)
        self.model_res_img = nn.Sequential(*(PictureBlock(width) for _ in range(late)))
        up: list[nn.Module] = []
        for _ in range(settings.downsamplings):
            up += [
                nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1),
                PictureNorm(width // 2),
                nn.ReLU(),
            ]
            width //= 2
        self.model_up_img = nn.Sequential(*up)
        self.model_final_img = nn.Sequential(
            nn.ReflectionPad2d(settings.kernel // 2),
            nn.Conv2d(width, 3 * folded, settings.kernel),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0, 0.02)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, windows: Tensor, previous: Tensor | None = None) -> Tensor:
        """Make the newest frame of each window.

        Args:
            windows: (B, W, C, S, S) condition images in [0, 1], oldest frame first, mask last.
            previous: (B, W - 1, 3, S, S) the last own pictures in [-1, 1], oldest first; None
                or all zero for a sample that has none.

        Returns:
            (B, 3, S, S) RGB in [-1, 1]; exactly -1 where the newest mask is 0.
        """
        return self.finish(self.encode(windows), windows[:, -1], previous)

    def encode(self, windows: Tensor) -> list[Tensor]:
        """Features of the condition branch, which depends on no earlier output.

        The deepest (B, F, H, W); with `skips` preceded by those of each finer resolution, finest
        first. Raises `ShapeError` if the windows do not fit the settings.
        """
        settings = self.settings
        wanted = (settings.window_frames, settings.condition_channels)
        if windows.ndim != 5 or windows.shape[1:3] != wanted:
            raise ShapeError(
                f"condition windows have shape {tuple(windows.shape)}; this generator needs "
                f"(B, {wanted[0]}, {wanted[1]}, S, S)"
            )
        features = self._fold(windows[:, :, :-1].flatten(1, 2))
        finer = []
        for number, layer in enumerate(self.model_down_seg):
            features = layer(features)
            level, rest = divmod(number, 3)
            if settings.skips and rest == 0 and 1 <= level <= settings.downsamplings:
                finer.append(features)
        return [*finer, features]

    def finish(self, encoded: list[Tensor], newest: Tensor, previous: Tensor | None) -> Tensor:
        """Make pictures from `encode`'s features and the frames' own conditions (B, C, S, S)."""
        *finer, features = encoded
        if previous is not None:
            features = self._add_previous(features, previous)
        features = self.model_res_img(features)
        for number, layer in enumerate(self.model_up_img):
            features = layer(features)
            if finer and number % 3 == 2:
                features = features + finer.pop()
        pictures = full(self.model_final_img(features))
        if self.settings.fold > 1:
            pictures = functional.pixel_shuffle(pictures, self.settings.fold)
        return cover_outside(torch.tanh(pictures), newest[:, -1:])

    def _add_previous(self, features: Tensor, previous: Tensor) -> Tensor:
        known = previous.flatten(1).any(dim=1)
        if previous.is_cuda:  # to ask it costs more than the branch
            added = self.model_down_img(self._fold(previous.flatten(1, 2)))
            return features + torch.where(known[:, None, None, None], added, 0)
        if not bool(known.any()):
            return features
        if bool(known.all()):
            return features + self.model_down_img(self._fold(previous.flatten(1, 2)))
        rows = known.nonzero()[:, 0]
        added = self.model_down_img(self._fold(previous[rows].flatten(1, 2)))
        return features.index_add(0, rows, added.to(features.dtype))

    def _fold(self, images: Tensor) -> Tensor:
        if self.settings.fold > 1:
            images = functional.pixel_unshuffle(images, self.settings.fold)
        return channels_together(images, self.settings.width)


CHECKPOINT_KIND = "renderer"
OTHER_SETTINGS = "it belongs to other renderer settings"


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

    generator: FaceGenerator
    image_discriminator: FaceDiscriminator
    mouth_discriminator: FaceDiscriminator
    settings: RendererSettings
    curve: list[dict[str, float]]
    eye_discriminator: FaceDiscriminator | None = None

    def networks(self) -> dict[str, nn.Module]:
        """The networks by name: the generator and the discriminators."""
        names = ("generator", "image_discriminator", "mouth_discriminator", "eye_discriminator")
        networks = {name: getattr(self, name) for name in names}
        return {name: network for name, network in networks.items() if network is not None}


def new_renderer(settings: RendererSettings, seed: int) -> TrainedRenderer:
    """Untrained networks, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TrainedRenderer(
            FaceGenerator(settings),
            FaceDiscriminator(settings),
            FaceDiscriminator(settings),
            settings,
            [],
            FaceDiscriminator(settings) if settings.eye_discriminator else None,
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
    """Read a renderer that `save_renderer` wrote.

    Raises:
        CheckpointError: if the file is missing or damaged, or its tensors or settings do not fit.
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
