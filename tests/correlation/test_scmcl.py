from __future__ import annotations

import math

import pytest
import torch

from spfem.correlation.scmcl import (
    consistency_loss,
    mean_distances,
    pair_loss,
    paired_distances,
    pairwise_distances,
)
from spfem.errors import SettingsError, ShapeError
from spfem.settings import CrossModalSettings
from tests.correlation.planted_sound import build, moved_statistics


def windows(visual="expression", count=3, length=4):
    if visual == "expression":
        return torch.randn(count, length, 20)
    return torch.rand(count, length, 3, 24, 24) * 2 - 1


@pytest.mark.parametrize("visual", ["expression", "image"])
def test_loss_equals_the_formula_written_out(visual):
    metric = moved_statistics(build(visual)).supervise()
    generated, source = windows(visual), windows(visual)
    audio_distance = torch.rand(3) * 2
    total = 0.0
    for n in range(3):
        u, v = (metric.embed_visual(batch[n : n + 1])[0] for batch in (generated, source))
        distance = 1.5 * (u - v).square().sum().sqrt() + 0.25
        total += abs(distance.item() - audio_distance[n].item()) / 3
    loss = metric(generated, source, audio_distance)
    assert loss.item() == pytest.approx(total, rel=1e-4)
    order = torch.tensor([2, 0, 1])
    turned = metric(generated[order], source[order], audio_distance[order])
    torch.testing.assert_close(turned, loss)


def test_gradient_is_right():
    settings = CrossModalSettings(width=4, embedding=8, heads=2, layers=4)
    metric = moved_statistics(build(settings=settings)).double().supervise()
    source, audio_distance = windows(count=2).double(), torch.rand(2).double()
    generated = windows(count=2, length=2).double().requires_grad_()

    def loss(leaf):
        return metric(leaf, source[:, -2:], audio_distance)

    assert torch.autograd.gradcheck(loss, (generated,), eps=1e-7, atol=1e-5)


def test_bad_arguments_are_named():
    metric, images = build().supervise(), build("image").supervise()
    with pytest.raises(ShapeError, match=r"generated must be .* at least 2"):
        metric(windows(length=1), windows(), torch.rand(3))
    with pytest.raises(ShapeError, match="leave out windows without a pair"):
        metric(windows(), windows(), torch.tensor([0.0, torch.inf, 0.0]))
    with pytest.raises(ShapeError, match=r"audio_distance must be \(3,\)"):
        metric(windows(), windows(), torch.rand(3, 1))
    with pytest.raises(ShapeError, match="generated must lie in"):
        images(windows("image") * 100, windows("image"), torch.rand(3))
    with pytest.raises(ShapeError, match=r"\(B, T, 3, H, W\)"):
        images.embed_visual(windows())
    with pytest.raises(ShapeError, match="slices must be"):
        metric.embed_audio(torch.randn(3, 1066))
    with pytest.raises(SettingsError, match="visual must be"):
        build("video")


MODES = ("l2", "cosine")


def embeddings(count=6, size=5, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return [torch.randn(count, size, dtype=dtype).tanh() for _ in range(2)]


def slow_distance(a, b, mode):
    if mode == "l2":
        return math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True)))
    return 1 - float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


@pytest.mark.parametrize("mode", MODES)
def test_pair_loss_equals_the_formula_written_out(mode):
    u, v = embeddings()
    temperature = {"l2": 1.0, "cosine": 0.1}[mode]
    total = 0.0
    for n, row in enumerate(u):
        distances = [slow_distance(row, other, mode) for other in v]
        likenesses = [math.exp(-distance / temperature) for distance in distances]
        total -= math.log(likenesses[n] / sum(likenesses)) / len(u)
    loss, matrix = pair_loss(u, v, mode=mode)
    assert loss.item() == pytest.approx(total, rel=1e-12)
    assert matrix[2, 4].item() == pytest.approx(slow_distance(u[2], v[4], mode), rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_pair_loss_gradient_is_right(mode):
    u, v = (rows.requires_grad_() for rows in embeddings(count=3))
    mask = torch.eye(3, dtype=torch.bool).roll(1, 0)
    assert torch.autograd.gradcheck(lambda a, b: pair_loss(a, b, mode=mode, mask=mask), (u, v))


def test_random_embeddings_give_chance():
    u, v = (0.05 * rows for rows in embeddings(count=64, size=128))
    assert pair_loss(u, v)[0].item() == pytest.approx(math.log(64), abs=0.05)


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize("mode", MODES)
def test_equal_embeddings_have_finite_gradients(mode, value):
    rows = torch.full((4, 8), value, requires_grad=True)
    others = torch.full((4, 8), value, requires_grad=True)
    loss, distances = pair_loss(rows, others, mode=mode)
    (loss + consistency_loss(distances, distances + 1) + distances.sum()).backward()
    assert torch.isfinite(rows.grad).all()
    assert torch.isfinite(others.grad).all()


def test_paired_distances_are_the_diagonal_and_safe_at_zero():
    u, v = embeddings()
    torch.testing.assert_close(paired_distances(u, v), pairwise_distances(u, v).diagonal())
    u = u.requires_grad_()
    paired_distances(u, u.detach().clone()).sum().backward()
    assert torch.equal(u.grad, torch.zeros_like(u))


@pytest.mark.parametrize("mode", MODES)
def test_mean_distances_equal_a_double_loop(mode):
    u, v = embeddings()
    between = [
        slow_distance(rows[n], rows[m], mode)
        for rows in (u, v)
        for n in range(6)
        for m in range(6)
        if n != m
    ]
    within = [slow_distance(a, b, mode) for a, b in zip(u, v, strict=True)]
    found = mean_distances(u.requires_grad_(), v, mode=mode)
    assert found[0].item() == pytest.approx(sum(within) / 6, rel=1e-12)
    assert found[1].item() == pytest.approx(sum(between) / 60, rel=1e-12)
    assert not found[1].requires_grad


def test_softmax_consistency_equals_the_formula_and_ignores_offsets():
    audio, visual = torch.rand(2, 4, 4, dtype=torch.float64).unbind()
    total = 0.0
    for n in range(4):
        parts = []
        for matrix in (audio, visual):
            likenesses = [math.exp(1 - float(d)) for d in matrix[n]]
            parts.append([likeness / sum(likenesses) for likeness in likenesses])
        total += sum(abs(a - b) for a, b in zip(*parts, strict=True)) / 16
    loss = consistency_loss(audio, visual, form="softmax")
    assert loss.item() == pytest.approx(total, rel=1e-12)
    torch.testing.assert_close(consistency_loss(audio + 3, visual, form="softmax"), loss)


def test_wrong_arguments_are_named():
    u, v = embeddings()
    with pytest.raises(ShapeError, match="must be pairs"):
        pair_loss(u, v[:3])
    with pytest.raises(ShapeError, match="mask must be bool"):
        pair_loss(u, v, mask=torch.zeros(6, 6))
    with pytest.raises(SettingsError, match="'l2' or 'cosine'"):
        pair_loss(u, v, mode="l1")
    with pytest.raises(SettingsError, match="'distance' or 'softmax'"):
        consistency_loss(u, v, form="kl")
    with pytest.raises(ShapeError, match="one shape"):
        consistency_loss(u, v[:3])
    with pytest.raises(ShapeError, match="embeddings must"):
        pairwise_distances(u, v[:, :2])
    with pytest.raises(ShapeError, match="both be"):
        paired_distances(u, v[:2])
