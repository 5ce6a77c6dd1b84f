from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from spfem.correlation import SpatialTemporalCoherence, TemporalCoherence
from spfem.correlation.asccl import LevelComparison, ProjectionHeads, normalise_channels
from spfem.correlation.stccl import (
    adjacent_differences,
    compare_differences,
    compare_spatial_matrices,
    compare_temporal_matrices,
    correlation_entries,
    held_pairs,
    pair_differences,
    paired_frames,
)
from spfem.errors import ShapeError
from spfem.settings import SpatialSettings, TemporalSettings
from tests.correlation.planted import SMALL

WINDOW = TemporalSettings(spatial=SMALL, places=(16, 6), window_frames=3, batch_size=2)
TINY = TemporalSettings(
    spatial=replace(SMALL, image_size=16, widths=(4, 8), centres=(4, 2)), places=(5, 3)
)
KINDS = [
    pytest.param(kind, formulation, id=f"{kind.__name__}-{formulation}")
    for kind in (TemporalCoherence, SpatialTemporalCoherence)
    for formulation in ("vd", "cm")
]


def build(kind=TemporalCoherence, settings=WINDOW, seed=0, dtype=torch.float64, **changes):
    torch.manual_seed(seed)
    return kind(replace(settings, **changes)).to(dtype)


def windows(count=2, frames=3, side=32, dtype=torch.float64):
    return torch.rand(count, frames, 3, side, side, dtype=dtype) * 2 - 1


def drawn(metric, seed=0):
    """Fixed places for every level, as keywords of `compare`."""
    spatial = metric.settings.spatial
    blank = torch.zeros(1, 3, spatial.image_size, spatial.image_size, dtype=torch.float64)
    with torch.no_grad():
        maps = metric.eval().resnet50(blank)
    generator = torch.Generator().manual_seed(seed)
    keywords = {"places": metric.draw_places(maps, generator)}
    if isinstance(metric, SpatialTemporalCoherence):
        keywords["centres"] = metric.draw_centres(maps, generator)
    return keywords


def entropy(query, key, row, temperature=0.07):
    logits = [float(query[row] @ other) / temperature for other in key]
    return math.log(sum(map(math.exp, logits))) - logits[row]


@torch.no_grad()
@pytest.mark.parametrize("frame_pairs", ["adjacent", "all"])
def test_differences_loss_equals_the_formula_written_out(frame_pairs):
    metric = build(frame_pairs=frame_pairs).eval()
    generated, source, places = windows(), windows(), drawn(metric)["places"]
    held = torch.tensor([[False, True], [False, False]])
    pairs = [(0, 1), (1, 2)] + ([(0, 2)] if frame_pairs == "all" else [])
    total = 0.0
    for level, at in enumerate(places):
        for b in range(2):
            query_maps, key_maps = (metric.resnet50(clip[b])[level] for clip in (generated, source))
            entropies = []
            for i, j in pairs:
                if b == 0 and (i, j) == (1, 2):
                    continue  # held
                query, key = (
                    [
                        metric.mlp.project(level, maps[i, :, r, c] - maps[j, :, r, c])
                        for r, c in at.tolist()
                    ]
                    for maps in (query_maps, key_maps)
                )
                query, key = ([row / row.norm() for row in rows] for rows in (query, key))
                entropies += [entropy(query, key, s) for s in range(len(at))]
            total += 0.3 * sum(entropies) / len(entropies) / 2
    compared = metric.compare(generated, source, held=held, places=places)
    assert metric.total(compared).item() == pytest.approx(total, rel=1e-5)


@torch.no_grad()
def test_joint_matrices_loss_equals_the_formula_written_out():
    metric = build(SpatialTemporalCoherence, formulation="cm", temporal_weight=0.7).eval()
    generated, source, places = windows(), windows(), drawn(metric)["places"]
    total = 0.0
    for level, at in enumerate(places):
        for b in range(2):
            unit = []
            for clip in (generated, source):
                rows = metric.mlp.project(
                    level, metric.resnet50(clip[b])[level].permute(0, 2, 3, 1)
                )
                unit.append(rows / rows.norm(dim=3, keepdim=True))  # (T, H, W, C)
            over_time = [
                [matrix_of([u[t, r, c] for t in range(3)]) for r, c in at.tolist()] for u in unit
            ]
            entropies = [entropy(*over_time, s) for s in range(len(at))]
            total += 0.3 * 0.7 * sum(entropies) / len(entropies) / 2
            for t in range(3):
                near = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
                over_space = [
                    [
                        matrix_of([u[t, r + i, c + j] for i, j in [(0, 0), *near]])
                        for r, c in at.tolist()
                    ]
                    for u in unit
                ]
                entropies = [entropy(*over_space, s) for s in range(len(at))]
                total += 0.3 * sum(entropies) / len(entropies) / 6
    compared = metric.compare(generated, source, places=places)
    assert metric.total(compared).item() == pytest.approx(total, rel=1e-5)


def matrix_of(members):
    entries = torch.stack([a @ b for n, a in enumerate(members) for b in members[n + 1 :]])
    entries = entries - entries.mean()
    return entries / entries.norm()


@pytest.mark.parametrize("formulation", ["vd", "cm"])
def test_held_rows_do_not_count_and_a_window_of_them_adds_nothing(formulation):
    metric = build(formulation=formulation).eval()
    generated, source, where = windows(), windows(), drawn(metric)
    held = torch.tensor([[True, True], [False, False]])
    generated[0] = generated[0, :1]
    generated.requires_grad_()
    loss = metric.total(metric.compare(generated, source, held=held, **where))
    alone = metric.total(metric.compare(generated[1:], source[1:], **where))
    torch.testing.assert_close(loss, alone / 2)
    loss.backward()
    assert (generated.grad[0] == 0).all()
    assert torch.isfinite(generated.grad).all()
    source = source.clone()
    source[0, 2] = 0.3  # a held frame may be anything
    again = metric.total(metric.compare(generated, source, held=held, **where))
    torch.testing.assert_close(loss, again)


@pytest.mark.parametrize(("kind", "formulation"), KINDS)
def test_frames_that_do_not_move_have_finite_gradients(kind, formulation):
    metric = build(kind, formulation=formulation).eval()
    still = windows(frames=1).expand(-1, 3, -1, -1, -1).clone().requires_grad_()
    loss = metric(still, windows())
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(still.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in metric.parameters())


@pytest.mark.parametrize(("kind", "formulation"), KINDS)
def test_gradient_is_right(kind, formulation):
    # Without adaptive weights, whose change a numeric derivative would include.
    spatial = replace(TINY.spatial, adaptive=False)
    metric = build(kind, TINY, formulation=formulation, spatial=spatial).eval()
    generated, source, where = windows(1, 2, 16), windows(1, 2, 16), drawn(metric)

    def loss(patch):
        pasted = generated.clone()
        pasted[:, :, :, 5:7, 5:7] = patch
        return metric.requires_grad_(False).total(metric.compare(pasted, source, **where))

    patch = generated[:, :, :, 5:7, 5:7].clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (patch,), eps=1e-6, atol=1e-6)


def test_released_arithmetic_takes_all_pairs_everywhere_without_scale_or_mask():
    metric = build(compat="upstream").eval()
    generated, source, where = windows(), windows(), drawn(metric)
    compared = metric.compare(generated, source, **where)
    assert compared.temporal[0].query.shape[0] == 2 * 3
    wanted = sum(level.cross_entropy.mean() for level in compared.temporal)
    torch.testing.assert_close(metric.total(compared), wanted)
    held = torch.ones(2, 2, dtype=torch.bool)
    ignored = metric.total(metric.compare(generated, source, held=held, **where))
    torch.testing.assert_close(ignored, wanted)
    edges = [int(at.max()) for at in metric.draw_places([torch.zeros(1, 1, 9, 9)] * 2)]
    assert max(edges) == 8


def test_bad_arguments_are_named():
    metric = build(dtype=torch.float32).supervise()
    good = windows(dtype=torch.float32)
    with pytest.raises(ShapeError, match=r"generated must be \(B, T, 3, H, W\)"):
        metric(good[0], good)
    with pytest.raises(ShapeError, match="at least 2 frames"):
        metric(good[:, :1], good[:, :1])
    with pytest.raises(ShapeError, match="same number of windows"):
        metric(good, good[:, :2])
    for wrong in (torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 2)):
        with pytest.raises(ShapeError, match=r"held must be bool \(2, 2\)"):
            metric(good, good, held=wrong)


@pytest.fixture
def features():
    return torch.randn(2, 4, 3, 5, dtype=torch.float64)


def test_operators_equal_slow_loops(features):
    frames = features.unbind(dim=1)
    pairs = [frames[i] - frames[j] for i in range(4) for j in range(4) if i < j]
    assert torch.equal(pair_differences(features), torch.stack(pairs, dim=1))
    steps = [frames[t] - frames[t + 1] for t in range(3)]
    assert torch.equal(adjacent_differences(features), torch.stack(steps, dim=1))


def test_held_pairs_are_those_that_show_one_frame():
    indices = torch.tensor([[[0, 5], [1, 5], [1, 6], [1, 7]], [[0, 0], [0, 1], [1, 1], [2, 2]]])
    held = indices[:, 1:] == indices[:, :-1]
    for kind in ("adjacent", "all"):
        first, second = paired_frames(4, kind, torch.device("cpu"))
        wanted = (indices[:, first] == indices[:, second]).any(dim=2)
        assert torch.equal(held_pairs(held, kind), wanted)
    assert torch.equal(held_pairs(held.any(dim=2), "adjacent"), held.any(dim=2))


def units(*shape):
    features = torch.randn(*shape, dtype=torch.float64)
    return features / features.norm(dim=2, keepdim=True)


def test_entries_left_out_do_not_count_and_nothing_left_is_zero_with_finite_gradient():
    members = units(2, 3, 4, 5).requires_grad_()
    keep = torch.tensor([[True, False, True], [False, False, False]])
    found = correlation_entries(members, keep)
    assert (found[0, 1] == 0).all()
    assert (found[1] == 0).all()
    whole = torch.einsum("bics,bjcs->bijs", members, members)
    left = torch.stack([whole[0, 0, 1], whole[0, 1, 2]])
    left = normalise_channels((left - left.mean(dim=0))[None])[0]
    torch.testing.assert_close(found[0, [0, 2]], left)
    found.sum().backward()
    assert torch.isfinite(members.grad).all()
    assert (members.grad[1] == 0).all()


SIDE, CHANNELS, FRAMES, BATCH = 14, 64, 5, 8
PLACES = torch.cartesian_prod(torch.arange(2, 12), torch.arange(2, 12))[::2]  # S = 50
OPERATORS = ("vd adjacent", "vd all", "cm temporal", "cm spatial")


@torch.no_grad()
def compare(operator: str, query, key, temperature: float) -> LevelComparison:
    """Compare maps (B, T, C, H, W) by untrained heads."""
    heads = ProjectionHeads([CHANNELS])
    name, kind = operator.split()
    settings = TemporalSettings(
        spatial=replace(SpatialSettings(), temperature=temperature),
        formulation=name,
        frame_pairs=kind if name == "vd" else "adjacent",
    )
    if operator == "cm spatial":
        frames = [maps.flatten(0, 1) for maps in (query, key)]
        return compare_spatial_matrices(heads, 0, *frames, PLACES, temperature)
    rows = [maps[..., PLACES[:, 0], PLACES[:, 1]] for maps in (query, key)]
    function = compare_differences if name == "vd" else compare_temporal_matrices
    return function(heads, 0, *rows, None, settings)


def independent(seed):
    torch.manual_seed(seed)
    return (torch.randn(BATCH, FRAMES, CHANNELS, SIDE, SIDE) for _ in range(2))


@pytest.mark.parametrize("operator", OPERATORS)
def test_independent_inputs_score_at_chance(operator):
    chance = math.log(len(PLACES))
    mild = compare(operator, *independent(0), temperature=1.0)
    assert mild.loss.item() == pytest.approx(chance, abs=0.05)
    sharp = compare(operator, *independent(1), temperature=0.07)
    assert sharp.loss.item() > chance - 0.02  # confident guesses can only cost
    cosines = torch.einsum("bcs,bct->bst", sharp.query, sharp.key)
    found = cosines.argmax(dim=2) == torch.arange(len(PLACES))
    expected = found.numel() / len(PLACES)
    assert abs(int(found.sum()) - expected) < 5 * math.sqrt(expected)
    matched = cosines.diagonal(dim1=1, dim2=2).mean()
    assert matched.item() == pytest.approx(cosines.mean().item(), abs=0.02)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_control_notices_inputs_that_agree(operator):
    query, noise = independent(2)
    agreeing = compare(operator, query, query + 0.1 * noise, temperature=0.07)
    assert agreeing.loss.item() < math.log(len(PLACES)) - 0.5
    assert compare(operator, query, query, temperature=1.0).loss < math.log(len(PLACES)) - 0.01
