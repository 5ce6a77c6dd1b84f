"""Gradients, wrong mouths and noise: what is planted is found."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from studies.moment_similarity import Comparison
from studies.probes import (
    JAW,
    MOUTH,
    OTHERS,
    PlaceTransformer,
    control_operators,
    frame_by_frame,
    frame_correlations,
    gradient_maps,
    measure_mouth_shares,
    picture_regions,
    plant_wrong_mouths,
    recover_mouths,
    shown_operators,
    where_it_looks,
)

from spfem.correlation.frames import ClipPair, FramePairs
from spfem.correlation.images import images_from_frames
from spfem.correlation.learn import initial_temporal_metric, untrained_metric
from spfem.correlation.maps import disparity_weights
from spfem.errors import ShapeError
from spfem.face.landmarks import OUTER_LIPS
from spfem.head import load_head_model
from spfem.head.names import FACE_UNIT_NAMES
from spfem.settings import EvaluationSettings, TemporalSettings
from spfem.supervision.moved import FaceMover
from tests.correlation.planted import SMALL, draw_face, planted_pairs
from tests.edit.drawn import draw_clip
from tests.supervision.faces import track_of

SIDE, LENGTH = 20, 3
QUICK = EvaluationSettings(resamples=20)


@pytest.fixture
def track():
    """Lips from (4, 8) to (8, 10) in pixels of a frame that is shifted by 2 and enlarged by 2."""
    landmarks = np.zeros((LENGTH, 478, 3), np.float32)
    x, y = np.meshgrid(np.linspace(4, 8, 5), np.linspace(8, 10, 4))
    landmarks[:, list(OUTER_LIPS), :2] = np.stack([x.ravel(), y.ravel()], 1)
    align = np.tile(np.float32([[2, 0, -2], [0, 2, -2]]), (LENGTH, 1, 1))
    faces = np.random.default_rng(0).integers(0, 255, (LENGTH, SIDE, SIDE, 3)).astype(np.uint8)
    return SimpleNamespace(landmarks=landmarks, align=align, faces=faces)


def test_maps_are_those_of_the_loss_and_sum_to_one(track):
    weights = np.zeros((SIDE, SIDE), np.float32)
    weights[3, 4], weights[5, 6] = 3.0, -1.0

    def loss(generated, source):
        return (generated * generated.new_tensor(weights)).sum() + source.sum()

    maps = gradient_maps(loss, track.faces, track.faces, draws=2)
    assert maps.sum(axis=(1, 2)) == pytest.approx(np.ones(LENGTH))
    assert maps[0, 3, 4] == pytest.approx(0.75)
    assert maps[0, 5, 6] == pytest.approx(0.25)
    with pytest.raises(ShapeError, match="no gradient"):
        gradient_maps(lambda a, b: b.clone().requires_grad_().sum(), track.faces, track.faces)


def test_share_is_one_for_a_loss_of_the_mouth_and_the_area_for_a_loss_of_everything(track):
    faces = {"A/neutral/1/1": track, "A/happy/3/1": track}
    path = np.stack([np.arange(LENGTH)] * 2, axis=1)
    frames = FramePairs(
        dict.fromkeys(faces, track.faces), (ClipPair("A/neutral/1/1", "A/happy/3/1", path),)
    )
    losses = {
        "mouth": lambda generated, source: generated[:, :, 13:19, 4:16].sum(),
        "everything": lambda generated, source: generated.sum(),
    }
    rows = [Comparison(0, 0, 1, 2), Comparison(0, 2, 1, 0)]
    table, maps = measure_mouth_shares(faces, frames, rows, losses, QUICK)
    table = table.set_index("metric")
    assert table.loc["mouth", "share"] == pytest.approx(1)
    assert table.loc["everything", "share"] == pytest.approx(6 * 12 / SIDE**2)
    assert table.loc["everything", "area"] == pytest.approx(6 * 12 / SIDE**2)
    assert maps["mouth"].shape == (SIDE, SIDE)
    assert table.loc["mouth", "moments"] == 2


def test_transformer_with_random_weights_solves_a_task_without_information():
    torch.manual_seed(0)
    operators = {
        "transformer": PlaceTransformer(32, 64),
        "identity": lambda features: features.flatten(0, 1),
        "neighbours in time": lambda features: features.diff(dim=1).flatten(0, 1),
    }
    table = control_operators(operators, channels=32, places=64).set_index("operator")
    assert (table.chance == math.log(64)).all()
    assert table.cross_entropy["transformer"] < 0.5 * math.log(64)
    # Descriptors of independent noise are not quite at chance: the temperature of 0.07 turns
    # their random cosines of deviation C ** -0.5 into confident mistakes.
    for name in ("identity", "neighbours in time"):
        assert table.cross_entropy[name] > math.log(64)


def test_the_control_is_the_same_whatever_was_drawn_before():
    tables = []
    for drawn in (0, 3):
        torch.rand(drawn)
        operators = shown_operators(channels=8, places=16)
        tables.append(control_operators(operators, channels=8, places=16, draws=2))
    pd.testing.assert_frame_equal(*tables)


def test_transformer_keeps_samples_apart_and_shapes():
    operator = PlaceTransformer(4, 6, width=16, heads=2).eval()
    features = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = operator(features).unflatten(0, (3, 5))
        changed = features.clone()
        changed[1] += 1
        after = operator(changed).unflatten(0, (3, 5))
    assert before.shape == (3, 5, 4, 6)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


CLIP_FRAMES = 8


@pytest.fixture(scope="module")
def planted():
    """A clip pair whose jaw opens over time; the emotional clip is one frame late."""
    random = np.random.default_rng(0)
    still = random.uniform(0, 0.2, 52)
    opening = np.linspace(0, 0.7, CLIP_FRAMES)
    units = np.tile(still, (CLIP_FRAMES, 1)).astype(np.float32)
    units[:, 0] = opening
    emotional = units.copy()
    emotional[1:, 0] = opening[:-1]
    faces = {
        "A/neutral/1/1": track_of(draw_clip(units), 48),
        "A/happy/3/1": track_of(draw_clip(emotional), 48),
    }
    empty = np.zeros((CLIP_FRAMES, 1, 1, 3), np.uint8)
    path = np.stack([np.arange(CLIP_FRAMES - 1), np.arange(1, CLIP_FRAMES)], axis=1)
    pair = ClipPair("A/neutral/1/1", "A/happy/3/1", path)
    return faces, FramePairs(dict.fromkeys(faces, empty), (pair,))


@pytest.fixture(scope="module")
def mover(planted):
    return FaceMover(planted[0], tuple(planted[0]), load_head_model())


def likeness(generated, source):
    return (generated - source).square().mean()


def test_only_the_mouth_comes_from_another_moment(planted):
    mouths = plant_wrong_mouths(*planted, [Comparison(0, 3, 4, 7), Comparison(0, 0, 1, 6)])
    faces = planted[0]
    neutral, emotional = faces["A/neutral/1/1"].faces, faces["A/happy/3/1"].expression
    assert mouths.clip.tolist() == ["A/happy/3/1"] * 2
    assert mouths.frames.tolist() == [[4], [1]]
    assert mouths.wrong.shape == (2, 1, 52)
    assert (mouths.source[:, 0] == neutral[[3, 0]]).all()
    assert (mouths.truth[:, 0] == emotional[[4, 1]]).all()
    assert (mouths.wrong[:, 0, MOUTH] == emotional[[7, 6]][:, MOUTH]).all()
    assert (mouths.wrong[..., OTHERS] == mouths.truth[..., OTHERS]).all()
    assert [FACE_UNIT_NAMES[column] for column in JAW] == ["jawOpen"]
    assert len(MOUTH) + len(OTHERS) == 52


def test_a_loss_that_knows_the_picture_closes_the_jaw_and_one_that_knows_nothing_does_not(
    planted, mover
):
    mouths = plant_wrong_mouths(*planted, [Comparison(0, 1, 2, 7), Comparison(0, 0, 1, 7)])
    blind = frame_by_frame(lambda generated, source: 0 * generated.sum())
    table = recover_mouths(
        mouths, {"seeing": frame_by_frame(likeness), "blind": blind}, mover, QUICK, steps=20
    ).set_index(["metric", "units"])
    assert table.loc[("seeing", "jaw_opening"), "ratio"] < 0.6
    assert table.loc[("blind", "jaw_opening"), "ratio"] == 1.0
    assert table.loc[("blind", "rest_of_face"), "after"] == 0.0
    row = table.loc[("seeing", "jaw_opening")]
    assert row.ci_low <= row.ratio <= row.ci_high
    assert row.after == pytest.approx(row.ratio * row.before)


@pytest.fixture(scope="module")
def faces():
    return np.stack([draw_face(viseme, 0, 0) for viseme in (0, 3, 3)])


def test_correlations_of_frames(faces):
    settings = TemporalSettings(spatial=SMALL, formulation="cm", places=(16, 8))
    metric = initial_temporal_metric("temporal_cm", settings, 0).eval()
    found = frame_correlations(metric, faces, 0)
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-5)
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    np.testing.assert_allclose(found[1, 2], 1, atol=1e-5)
    assert found[0, 1] < 1 - 1e-6


def test_regions_cover_a_picture_once():
    for side in (6, 12, 48, 96):
        masks = picture_regions(side, side)
        assert (sum(mask.astype(int) for mask in masks.values()) == 1).all()
        assert masks["edge"][[0, 1, -1, -2]].all()
    assert masks["face"][48, 48]
    assert masks["background"][12, 12]


def test_where_it_looks_is_read_off_maps_and_gradient():
    faces = np.stack([draw_face(viseme, 0, 0) for viseme in range(2)])
    others = np.stack([draw_face(viseme, 1, 0) for viseme in range(2)])
    metric = untrained_metric(planted_pairs((0,))[0], SMALL, seed=0).supervise()
    table = where_it_looks(metric, faces, others).set_index("quantity")
    names, side = ["face", "background", "edge"], faces.shape[1]
    gradient = gradient_maps(metric, faces, others)
    for name, mask in picture_regions(side, side).items():
        share = float(table.loc["share of the gradient", name])
        assert share == pytest.approx(gradient[:, mask].sum() / len(faces), rel=1e-5)
        assert table.loc["share of the area", name] == mask.mean()
    assert table.loc["share of the gradient", names].astype(float).sum() == pytest.approx(1)
    maps = [disparity_weights(metric, images_from_frames(face[None]), 0) for face in faces]
    edge = picture_regions(*maps[0].shape)["edge"]
    found = table.loc["weight"].iloc[0]
    assert found.edge == pytest.approx(np.nanmean([one[edge] for one in maps]))
    assert found.face > 1
