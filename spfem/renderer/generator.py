"""The recurrent two-branch generator: condition images and own last pictures to a face."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from spfem.errors import ShapeError
from spfem.precision import full
from spfem.renderer.conditions import TEXTURE_CHANNELS, cover_outside
from spfem.renderer.layout import channels_together
from spfem.renderer.picture_norm import PictureNorm
from spfem.settings import RendererSettings


class ResidualBlock(nn.Module):
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
        """Add the block's change to `features` (B, C, H, W)."""
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
    return nn.Sequential(*layers, *(ResidualBlock(width) for _ in range(blocks)))


class Generator(nn.Module):
    """Face pictures from windows of condition images and the generator's last own pictures.

    Module names and order give the released state-dict keys at the default settings
    (70 834 755 parameters). Instance norms always use the statistics of the picture itself, as
    the released code does also when testing. Masks are not seen, they cut the output.

    Source: NED. Departures, all off by default: `fold` (pixels folded into channels around the
    net), `skips` (condition features of each resolution are added on the way up), `use_texture`
    (three more condition channels) and `texture_residual` (before the final tanh the output is
    added to the texture image, itself scaled by a predicted weight in (0, 1), so that a short
    training suffices and a wrong texture can be painted over).
    A previous picture that is exactly zero contributes exactly nothing; the released
    arithmetic is undefined there (instance norm of a constant map amplifies rounding).

    Raises:
        ShapeError: if the image size does not divide as the settings need, or `texture_residual`
            is on without `use_texture`.
    """

    def __init__(self, settings: RendererSettings) -> None:
        super().__init__()
        side = settings.fold << settings.downsamplings
        if settings.image_size % side:
            raise ShapeError(
                f"image_size {settings.image_size} is not a multiple of {side} "
                "(fold times two to the number of downsamplings); choose another size"
            )
        if settings.texture_residual and not settings.use_texture:
            raise ShapeError("texture_residual needs use_texture; switch both on or both off")
        self.settings = settings
        folded = settings.fold**2
        seen = (settings.condition_channels - 1) * settings.window_frames
        late = settings.blocks // 2
        early = settings.blocks - late
        width = settings.width << settings.downsamplings
        self.model_down_seg = _branch(seen * folded, settings, early)
        self.model_down_img = _branch(3 * (settings.window_frames - 1) * folded, settings, early)
        self.model_res_img = nn.Sequential(*(ResidualBlock(width) for _ in range(late)))
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
            nn.Conv2d(width, (4 if settings.texture_residual else 3) * folded, settings.kernel),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0, 0.02)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        if settings.texture_residual:  # start from the texture itself
            nn.init.normal_(self.model_final_img[1].weight, 0, 0.002)  # type: ignore[arg-type]

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
        """Features of the condition branch.

        It depends on no earlier output, so all frames of a chunk can be encoded together.

        Args:
            windows: as in `forward`.

        Returns:
            The deepest features (B, F, H, W); with `skips` preceded by those of each finer
            resolution, finest first.

        Raises:
            ShapeError: if the windows do not fit the settings.
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
        """Make pictures from `encode`'s features.

        Args:
            encoded: what `encode` returned.
            newest: (B, C, S, S) condition images of the frames to be made.
            previous: as in `forward`.
        """
        *finer, features = encoded
        if previous is not None:
            features = self._add_previous(features, previous)
        features = self.model_res_img(features)
        for number, layer in enumerate(self.model_up_img):
            features = layer(features)
            if finer and number % 3 == 2:
                features = features + finer.pop()
        change = full(self.model_final_img(features))
        if self.settings.fold > 1:
            change = functional.pixel_shuffle(change, self.settings.fold)
        if self.settings.texture_residual:
            texture = torch.atanh((newest[:, TEXTURE_CHANNELS] * 2 - 1).clamp(-0.98, 0.98))
            change = change[:, :3] + torch.sigmoid(4 + change[:, 3:]) * texture
        return cover_outside(torch.tanh(change), newest[:, -1:])

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
