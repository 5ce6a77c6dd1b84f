"""One network a modality, sound, expressions and face crops to one embedding space, and fusion.

Features of consecutive frames are joined by cross-attention: the newest frame asks the past.
Source: SCMCL. State-dict names are those of the released checkpoints. Departs from the released
code: the layer norms of query, key and value, whose result is overwritten there, are left out, the
ImageNet statistics are applied inside, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.correlation.backbone import BatchNorm1d, BatchNorm2d
from spfem.errors import CheckpointError, ShapeError
from spfem.settings import CrossModalSettings


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), BatchNorm2d(channels)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C, H / stride, W / stride)."""
        branch = functional.relu(self.bn1(self.conv1(features)))
        branch = self.bn2(self.conv2(branch))
        if self.downsample is not None:
            features = self.downsample(features)
        return functional.relu(branch + features)


class ResNet18(nn.Module):
    """Features of images that are already normalised by the ImageNet statistics.

    The first layer has `width` channels, 64 in the paper, the last 8 times as many. `fc` is kept
    here for the sake of its name in checkpoints; the caller applies it.
    """

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = BatchNorm2d(width)
        channels_in = width
        for level in range(4):
            channels = width * 2**level
            blocks = [BasicBlock(channels_in, channels, 1 if level == 0 else 2)]
            blocks.append(BasicBlock(channels, channels, 1))
            self.add_module(f"layer{level + 1}", nn.Sequential(*blocks))
            channels_in = channels
        self.fc = nn.Linear(channels_in, embedding)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, 8 width, H / 32, W / 32), sides rounded up."""
        features = functional.relu(self.bn1(self.conv1(images)))
        features = functional.max_pool2d(features, 3, 2, 1)
        for level in range(4):
            features = self.get_submodule(f"layer{level + 1}")(features)
        return features


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def _project(features: Tensor, linear: nn.Linear) -> Tensor:
    """Mean over places, `linear` unless the channels are already those of embeddings, tanh."""
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

    Every layer whose number is a multiple of `downsampling`, from the first on, halves the length.
    """

    downsampling: ClassVar[int]

    def __init__(self, settings: CrossModalSettings) -> None:
        super().__init__()
        channels_in, channels = 1, settings.width
        self.convs = nn.ModuleList()
        for layer in range(settings.layers):
            if layer in settings.doublings:
                channels *= 2
            stride = 2 if layer % self.downsampling == 0 else 1
            convolution = nn.Conv1d(channels_in, channels, 3, stride, 1, bias=False)
            norm, activation = BatchNorm1d(channels), nn.ReLU(inplace=True)
            self.convs.append(nn.Sequential(convolution, norm, activation))
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
        """Map features (B, C, L), or fused features (B, D, L), to embeddings (B, D) in (-1, 1).

        Raises:
            ShapeError: if the channels are of neither kind.
        """
        return _project(features, self.fc)

    def forward(self, sequences: Tensor) -> Tensor:
        """Map (B, 1, length) to embeddings (B, D) in (-1, 1)."""
        return self.project(self.encode(sequences))


class AudioEncoder(SequenceEncoder):
    """Embeds slices (B, 1, A) of mono sound in [-1, 1]; A = 533 in the paper, any length works."""

    downsampling = 2


class ExpressionEncoder(SequenceEncoder):
    """Embeds expression vectors (B, 1, E), read as a sequence; E = 51 in the paper, any works."""

    downsampling = 4


class ImageEncoder(nn.Module):
    """Embeds face crops (B, 3, H, W) RGB in [-1, 1] by a ResNet-18."""

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
        return _project(features, self.model.fc)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB in [-1, 1] to embeddings (B, D) in (-1, 1)."""
        return self.project(self.encode(images))


Encoder = SequenceEncoder | ImageEncoder


CHECKPOINT_KIND = "cross-modal encoder"
ENCODERS: dict[str, type[AudioEncoder] | type[ExpressionEncoder] | type[ImageEncoder]] = {
    "audio": AudioEncoder,
    "expression": ExpressionEncoder,
    "image": ImageEncoder,
}


def save_encoder(
    encoder: Encoder,
    settings: CrossModalSettings,
    path: Path | str,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write `encoder`, what it sees, its settings and `provenance` (plain values) to `path`."""
    modality = next(name for name, kind in ENCODERS.items() if isinstance(encoder, kind))
    facts = {"modality": modality, "settings": asdict(settings), "provenance": provenance or {}}
    save_checkpoint(Path(path), encoder.state_dict(), kind=CHECKPOINT_KIND, facts=facts)


def load_encoder(
    path: Path | str, modality: str, *, device: torch.device | str = "cpu"
) -> tuple[Encoder, CrossModalSettings]:
    """Read an encoder of `modality` (one of `ENCODERS`), in evaluation mode, and its settings.

    Raises:
        CheckpointError: if the file is missing, damaged or of another network or modality.
    """
    tensors, facts = load_checkpoint(path, kind=CHECKPOINT_KIND, device=device)
    if facts.get("modality") != modality:
        raise CheckpointError(
            f"checkpoint {path} holds the {facts.get('modality')} encoder, wanted {modality}"
        )
    settings = settings_from_facts(CrossModalSettings, facts.get("settings"), path)
    encoder = ENCODERS[modality](settings).to(device)
    load_weights(encoder, tensors, path)
    return encoder.eval(), settings


FEED_FORWARD_FACTOR = 2  # hidden channels of the feed-forward layers, per channel


class CrossAttention(nn.Module):
    """Multi-head attention from query tokens to context tokens."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Map query (B, L, C) and context (B, M, C) to (B, L, C)."""
        q, k, v = (
            layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, tokens in ((self.to_q, query), (self.to_k, context), (self.to_v, context))
        )
        attended = functional.scaled_dot_product_attention(q, k, v)
        return self.to_out(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, FEED_FORWARD_FACTOR * channels)
        self.fc2 = nn.Linear(FEED_FORWARD_FACTOR * channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, L, C) to (B, L, C)."""
        return self.fc2(functional.gelu(self.fc1(tokens)))


class FusionBlock(nn.Module):
    """Attention and feed-forward layers, each added to its input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attention = CrossAttention(channels, heads)
        self.norm = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels)

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Map query (B, L, C) and context (B, M, C) to (B, L, C)."""
        attended = query + self.attention(query, context)
        return attended + self.ffn(self.norm(attended))


class CrossAttentionFusion(nn.Module):
    """Fuses the features of a newer frame (query) with what is known of older ones (context).

    With several blocks the query stays the original one in each; the context is the output of
    the block before. Features of the encoder have `feature_channels`.
    """

    def __init__(self, settings: CrossModalSettings, feature_channels: int) -> None:
        super().__init__()
        self.feature_channels = feature_channels
        self.proj_q = nn.Linear(feature_channels, settings.embedding)
        self.proj_x = nn.Linear(feature_channels, settings.embedding)
        self.blocks = nn.ModuleList(
            FusionBlock(settings.embedding, settings.heads) for _ in range(settings.blocks)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, query_features: Tensor, context_features: Tensor) -> Tensor:
        """Fuse two feature maps to (B, D, L) or (B, D, H, W).

        Args:
            query_features: (B, C, L) or (B, C, H, W), of the newer frame.
            context_features: likewise of the older frame, or the result of an earlier fusion.

        Raises:
            ShapeError: if the channels are neither those of features nor of embeddings.
        """
        query = self._tokens(query_features, self.proj_q, "query_features")
        context = self._tokens(context_features, self.proj_x, "context_features")
        for block in self.blocks:
            context = block(query, context)
        return context.transpose(1, 2).unflatten(2, query_features.shape[2:])

    def _tokens(self, features: Tensor, projection: nn.Linear, name: str) -> Tensor:
        if features.ndim not in (3, 4) or features.shape[1] not in (
            projection.in_features,
            projection.out_features,
        ):
            raise ShapeError(
                f"{name} must be (B, C, L) or (B, C, H, W) with {projection.in_features} or "
                f"{projection.out_features} channels, found {tuple(features.shape)}"
            )
        tokens = features.flatten(2).transpose(1, 2)
        return projection(tokens) if tokens.shape[2] == projection.in_features else tokens


def fuse_frames(encoder: Encoder, attention: CrossAttentionFusion, frames: Tensor) -> Tensor:
    """Embed short clips to (B, D) in (-1, 1): each frame asks the fusion of those before it.

    Frames are (B, n, A), (B, n, E) or (B, n, 3, H, W), oldest first; with n = 1 the attention is
    not used, but the last linear layer of the encoder is. All frames go through the encoder in one
    call, so batch norm in training sees them together.

    Raises:
        ShapeError: if `frames` has another shape.
    """
    if frames.ndim not in (3, 5) or frames.shape[1] < 1:
        raise ShapeError(
            f"frames must be (B, n, length) or (B, n, 3, H, W), found {tuple(frames.shape)}"
        )
    flat = frames.flatten(0, 1)
    features = encoder.encode(flat.unsqueeze(1) if frames.ndim == 3 else flat)
    return fuse_features(encoder, attention, features.unflatten(0, frames.shape[:2]).unbind(1))


def fuse_features(
    encoder: Encoder, attention: CrossAttentionFusion, frames: Sequence[Tensor]
) -> Tensor:
    """Embeddings (B, D) of the features (B, C, ...) of consecutive frames, oldest first."""
    fused, *later = frames
    if not later:
        return encoder.project(fused)
    for newer in later:
        fused = attention(newer, fused)
    return torch.tanh(fused.flatten(2).mean(dim=2))
