from __future__ import annotations

import math

import pytest
import torch

from spfem.correlation.encoders import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    AudioEncoder,
    CrossAttentionFusion,
    ExpressionEncoder,
    ImageEncoder,
    fuse_frames,
)
from spfem.errors import ShapeError
from spfem.settings import CrossModalSettings

PAPER = CrossModalSettings()
NARROW = CrossModalSettings(width=16, image_width=16, embedding=32)


def parameter_count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("kind", "length", "places"), [(AudioEncoder, 533, 5), (ExpressionEncoder, 51, 4)]
)
def test_sequence_encoders_have_the_published_size(kind, length, places):
    encoder = kind(PAPER)
    assert parameter_count(encoder) == 2_923_200
    sequences = torch.randn(2, 1, length)
    assert encoder.encode(sequences).shape == (2, 512, places)
    embedding = encoder(sequences)
    assert embedding.shape == (2, 128)
    assert embedding.abs().max() < 1
    torch.testing.assert_close(embedding, encoder.project(encoder.encode(sequences)))


def test_images_are_normalised_from_the_common_range():
    encoder = ImageEncoder(NARROW).eval()
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    pixels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    expected = encoder.model((pixels / 255 - mean) / deviation)
    torch.testing.assert_close(encoder.encode(pixels / 127.5 - 1), expected)


def test_wrong_inputs_are_named():
    with pytest.raises(ShapeError, match="AudioEncoder takes"):
        AudioEncoder(NARROW)(torch.randn(2, 533))
    with pytest.raises(ShapeError, match="int64"):
        ExpressionEncoder(NARROW)(torch.ones(2, 1, 51, dtype=torch.int64))
    with pytest.raises(ShapeError, match="ImageEncoder takes"):
        ImageEncoder(NARROW)(torch.randn(2, 32, 32, 3))


NARROW_FUSION = CrossModalSettings(width=16, image_width=16, embedding=32)


def build(settings=NARROW_FUSION, channels=128, dtype=torch.float64):
    torch.manual_seed(0)
    fusion = CrossAttentionFusion(settings, channels).to(dtype)
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return fusion


def slow_block(block, query, context, heads):
    """One sample: query (L, D), context (M, D); head by head, token by token."""
    attention = block.attention
    q, k, v = attention.to_q(query), attention.to_k(context), attention.to_v(context)
    size = q.shape[1] // heads
    rows = []
    for token in q:
        parts = []
        for head in range(heads):
            columns = slice(head * size, (head + 1) * size)
            scores = [(token[columns] @ other[columns]).item() / math.sqrt(size) for other in k]
            weights = [math.exp(score) for score in scores]
            mixed = sum(w * value[columns] for w, value in zip(weights, v, strict=True))
            parts.append(mixed / sum(weights))
        rows.append(torch.cat(parts))
    attended = query + attention.to_out(torch.stack(rows))
    centred = attended - attended.mean(dim=1, keepdim=True)
    normal = centred / (centred.square().mean(dim=1, keepdim=True) + block.norm.eps).sqrt()
    hidden = block.ffn.fc1(normal * block.norm.weight + block.norm.bias)
    hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
    return attended + block.ffn.fc2(hidden)


@pytest.mark.parametrize("blocks", [1, 2])
def test_fusion_equals_the_formula_written_out(blocks):
    fusion = build(CrossModalSettings(embedding=32, blocks=blocks))
    newer, older = torch.randn(2, 128, 4).double(), torch.randn(2, 128, 6).double()
    fused = fusion(newer, older)
    for b in range(2):
        query, context = fusion.proj_q(newer[b].T), fusion.proj_x(older[b].T)
        for block in fusion.blocks:
            context = slow_block(block, query, context, heads=4)
        torch.testing.assert_close(fused[b], context.T)


def test_gradient_is_right():
    fusion = build(CrossModalSettings(embedding=8, heads=2), channels=16).requires_grad_(False)
    newer, older = (torch.randn(1, 16, 2).double().requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(fusion, (newer, older))


@pytest.mark.parametrize("count", [2, 3])
def test_the_newest_frame_asks_the_fusion_of_older_ones(count):
    encoder, fusion = ExpressionEncoder(NARROW_FUSION).double().eval(), build()
    frames = torch.randn(2, count, 51).double()
    features = [encoder.encode(frames[:, n : n + 1]) for n in range(count)]
    fused = fusion(features[1], features[0])
    if count == 3:
        fused = fusion(features[2], fused)
    torch.testing.assert_close(fuse_frames(encoder, fusion, frames), fused.mean(dim=2).tanh())


def test_a_single_frame_takes_the_linear_layer_of_its_encoder():
    encoder, fusion = AudioEncoder(NARROW_FUSION).double().eval(), build()
    frames = torch.randn(2, 1, 533).double()
    torch.testing.assert_close(fuse_frames(encoder, fusion, frames), encoder(frames))


def test_wrong_shapes_are_named():
    with pytest.raises(ShapeError, match="query_features must be"):
        build()(torch.randn(2, 64, 4), torch.randn(2, 128, 4))
    with pytest.raises(ShapeError, match="context_features must be"):
        build()(torch.randn(2, 128, 4).double(), torch.randn(2, 128))
    with pytest.raises(ShapeError, match="frames must be"):
        fuse_frames(AudioEncoder(NARROW_FUSION), build(), torch.randn(2, 2, 1, 533))
