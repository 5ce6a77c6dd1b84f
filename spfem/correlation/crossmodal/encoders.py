"""One network a modality: audio slices, expression vectors and face crops to one embedding space.

Source: SCMCL. State-dict names are those of the released checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spfem.correlation.crossmodal.norm import BatchNorm1d
from spfem.correlation.crossmodal.resnet import ResNet18
from spfem.errors import ShapeError
from spfem.settings import CrossModalSettings

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def project_features(features: Tensor, linear: nn.Linear) -> Tensor:
    """Embed a feature map: mean over places, `linear` unless already an embedding, tanh.

    Args:
        features: (B, C, L) or (B, C, H, W), C those of `linear`; or (B, D, ...) fused features,
            which skip it.
        linear: C to D.

    Returns:
        (B, D) in (-1, 1).

    Raises:
        ShapeError: if the channels are of neither kind.
    """
    pooled = features.flatten(2).mean(dim=2)
    if pooled.shape[1] == linear.in_features:
        pooled = linear(pooled)
    elif pooled.shape[1] != linear.out_features:
        raise ShapeError(
            f"features must have {linear.in_features} or {linear.out_features} channels, "
            f"found {tuple(features.shape)}"
        )
    return torch.tanh(pooled)


class SequenceEncoder(nn.Module):
    """Convolutions with batch norm and ReLU along a sequence of one channel.

    Args:
        settings: width, layers and embedding size.
        downsampling: every such layer, from the first on, halves the length.
    """

    def __init__(self, settings: CrossModalSettings, downsampling: int) -> None:
        super().__init__()
        channels_in, channels = 1, settings.width
        self.convs = nn.ModuleList()
        for layer in range(settings.layers):
            if layer in settings.doublings:
                channels *= 2
            stride = 2 if layer % downsampling == 0 else 1
            self.convs.append(
                nn.Sequential(
                    nn.Conv1d(channels_in, channels, 3, stride, 1, bias=False),
                    BatchNorm1d(channels),
                    nn.ReLU(inplace=True),
                )
            )
            channels_in = channels
        self.feature_channels = channels
        self.fc = nn.Linear(channels, settings.embedding)

    def encode(self, sequences: Tensor) -> Tensor:
        """Map (B, 1, length) to features (B, C, L), C = 512 at paper size.

        Raises:
            ShapeError: for another shape or an integer type.
        """
        if sequences.ndim != 3 or sequences.shape[1] != 1 or not sequences.is_floating_point():
            raise ShapeError(
                f"{type(self).__name__} takes floating-point (B, 1, length), found "
                f"{sequences.dtype} {tuple(sequences.shape)}"
            )
        features = sequences
        for layer in self.convs:
            features = layer(features)
        return features

    def project(self, features: Tensor) -> Tensor:
        """Map features (B, C, L), or fused features (B, D, L), to embeddings (B, D) in (-1, 1)."""
        return project_features(features, self.fc)

    def forward(self, sequences: Tensor) -> Tensor:
        """Map (B, 1, length) to embeddings (B, D) in (-1, 1)."""
        return self.project(self.encode(sequences))


class AudioEncoder(SequenceEncoder):
    """Embeds slices (B, 1, A) of mono sound in [-1, 1]; A = 533 in the paper, any length works."""

    def __init__(self, settings: CrossModalSettings) -> None:
        super().__init__(settings, downsampling=2)


class ExpressionEncoder(SequenceEncoder):
    """Embeds expression vectors (B, 1, E), read as a sequence; E = 51 in the paper, any works."""

    def __init__(self, settings: CrossModalSettings) -> None:
        super().__init__(settings, downsampling=4)


class ImageEncoder(nn.Module):
    """Embeds face crops (B, 3, H, W) RGB in [-1, 1] by a ResNet-18.

    Departs from the released code: the ImageNet statistics are applied inside, and nothing is
    downloaded.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, settings: CrossModalSettings) -> None:
        super().__init__()
        self.model = ResNet18(settings.image_width, settings.embedding)
        self.feature_channels = self.model.fc.in_features
        # No part of the state dict: the released files do not hold them.
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def encode(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB in [-1, 1] to features (B, C, H / 32, W / 32).

        Raises:
            ShapeError: for another shape or an integer type.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ShapeError(
                f"ImageEncoder takes floating-point (B, 3, H, W) RGB, found {images.dtype} "
                f"{tuple(images.shape)}"
            )
        return self.model((images * 0.5 + 0.5 - self.mean) / self.deviation)

    def project(self, features: Tensor) -> Tensor:
        """Map features (B, C, H, W), or fused ones (B, D, ...), to (B, D) in (-1, 1)."""
        return project_features(features, self.model.fc)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB in [-1, 1] to embeddings (B, D) in (-1, 1)."""
        return self.project(self.encode(images))


Encoder = SequenceEncoder | ImageEncoder
