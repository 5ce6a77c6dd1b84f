"""Features of consecutive frames joined by cross-attention: the newest frame asks the past.

Source: SCMCL. Departs from the released code: the layer norms of query, key and value, whose
result is overwritten there, are left out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.correlation.crossmodal.encoders import Encoder
from spfem.errors import ShapeError
from spfem.settings import CrossModalSettings

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
        return self.to_out(
            functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        )


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
    the block before.

    Args:
        settings: embedding size, heads and blocks.
        feature_channels: C of encoder features.
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
        """Fuse two feature maps.

        Args:
            query_features: (B, C, L) or (B, C, H, W), of the newer frame.
            context_features: (B, C, M) or (B, C, H', W') of the older frame, or the result
                (B, D, ...) of an earlier fusion.

        Returns:
            (B, D, L) or (B, D, H, W).

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
    """Embed short clips: each frame asks the fusion of those before it.

    All frames go through the encoder in one call, so batch norm in training sees them together.

    Args:
        encoder: of the modality of `frames`.
        attention: of the same modality.
        frames: (B, n, A), (B, n, E) or (B, n, 3, H, W), oldest first. With n = 1 the attention
            is not used, but the last linear layer of the encoder is.

    Returns:
        (B, D) in (-1, 1).

    Raises:
        ShapeError: if `frames` has another shape.
    """
    if frames.ndim not in (3, 5) or frames.shape[1] < 1:
        raise ShapeError(
            f"frames must be (B, n, length) or (B, n, 3, H, W), found {tuple(frames.shape)}"
        )
    flat = frames.flatten(0, 1)
    features = encoder.encode(flat.unsqueeze(1) if frames.ndim == 3 else flat)
    first, *later = features.unflatten(0, frames.shape[:2]).unbind(1)
    if not later:
        return encoder.project(first)
    fused = first
    for features in later:
        fused = attention(features, fused)
    return torch.tanh(fused.flatten(2).mean(dim=2))
