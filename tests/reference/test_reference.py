"""The references do the same work as spfem: equal values on small input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import made_up
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.learn_sound import compare_joint, compare_single, initial_encoder
from spfem.correlation.paired import distance_consistency_loss
from spfem.correlation.scmcl import mean_distances
from spfem.correlation.sound import Batch
from spfem.correlation.stccl import TemporalCoherence
from spfem.pairing.dtw import align_sequences, mfcc
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings
from tests.reference import crossmodal, pairing, spatial

SPATIAL = SpatialSettings(
    image_size=32, widths=(16, 32), blocks=(1, 1), centres=(4, 3), compat="upstream"
)
SMALL = CrossModalSettings(
    width=16, layers=3, doublings=(2,), embedding=16, heads=2, batch_size=6,
    false_negative_frames=0, compat="upstream",
)  # fmt: skip


def gradients(loss, network):
    found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return [g for g in found if g is not None]


def test_spatial_loss_and_gradients():
    torch.manual_seed(0)
    ours = SpatialCoherence(SPATIAL).train()
    query, key = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    centres = [torch.tensor(spatial.shuffled_centres(side, n)) for side, n in ((16, 4), (8, 3))]
    plain = spatial.plain_copy(ours)
    wanted, _ = spatial.spatial_loss(plain, query, key, centres)
    found = ours.total(ours.compare(query, key, centres=centres))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    for a, b in zip(gradients(found, ours), gradients(wanted, plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_temporal_loss():
    torch.manual_seed(0)
    settings = TemporalSettings(spatial=SPATIAL, places=(6, 4), window_frames=3, compat="upstream")
    ours = TemporalCoherence(settings).train()
    query, key = torch.rand(2, 2, 3, 3, 32, 32) * 2 - 1
    places = [torch.randint(0, side, (n, 2)) for side, n in ((16, 6), (8, 4))]
    wanted, _ = spatial.temporal_loss(spatial.plain_copy(ours), query, key, places)
    found = ours.total(ours.compare(query, key, places=places))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)


@pytest.fixture
def samples():
    return made_up.made_up_samples(SMALL, actors=2, emotions=2, frames=9)


@pytest.mark.parametrize("modality", ["audio", "expression"])
def test_stage_a_loss(samples, modality):
    table, pairs = samples
    chosen = crossmodal.rejected_batch(pairs, 1, 6)
    assert len(set(pairs.group[chosen])) == 1
    chosen = list(dict.fromkeys([1, *chosen]))
    encoder = initial_encoder(modality, SMALL, 0).eval()
    batch = Batch(pairs.source[chosen], pairs.target[chosen], None)
    wanted, _ = crossmodal.stage_a_loss(encoder, table, modality, pairs, chosen)
    found = compare_single(encoder, table, modality, batch, SMALL).loss
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_looped_distances():
    u, v = torch.randn(2, 5, 4)
    for found, wanted in zip(mean_distances(u, v), crossmodal.looped_distances(u, v), strict=True):
        torch.testing.assert_close(found, wanted)


def test_stage_b_loss(samples):
    table, pairs = samples
    chosen = np.flatnonzero(pairs.group == 1)[:5]
    model = made_up.made_up_metric(SMALL).eval()
    batch = Batch(pairs.source[chosen], pairs.target[chosen], None)
    wanted = crossmodal.stage_b_loss(
        made_up.made_up_metric(replace(SMALL, compat="paper")).eval(), table, pairs, chosen
    )
    model = made_up.made_up_metric(replace(SMALL, compat="false_negatives")).eval()
    found = compare_joint(model, table, batch, consistent=True).loss
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_paired_term():
    metric = made_up.made_up_metric(SMALL).supervise()
    rows = made_up.retrieved_windows(8, 6)
    wanted = crossmodal.looped_consistency(
        metric, rows.generated, rows.source, rows.between, rows.distance, rows.between_distance,
        (rows.source_label, rows.target_label),
    )  # fmt: skip
    found = distance_consistency_loss(
        metric, rows.generated, rows.source, rows.distance, rows.paired, rows.source_label,
        rows.target_label, intermediate=rows.between, intermediate_distance=rows.between_distance,
    )  # fmt: skip
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_pairing():
    a, b = (made_up.made_up_speech(0.4, seed) for seed in (0, 1))
    found, wanted = (function(a, 16000, 30) for function in (mfcc, pairing.mfcc))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    cost, path = pairing.dtw(found, mfcc(b, 16000, 30))
    alignment = align_sequences(found, mfcc(b, 16000, 30))
    assert alignment.cost == pytest.approx(cost, rel=1e-12)
    assert [tuple(step) for step in alignment.path.tolist()] == path
