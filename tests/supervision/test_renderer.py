"""What supervises a renderer, and the table of weights."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from spfem.correlation import SpatialCoherence
from spfem.correlation.learn import formulated, metric_class
from spfem.correlation.learn_sound import initial_joint
from spfem.correlation.retrieval import AudioBank, nearest_below
from spfem.edit.chain import mouth_centres
from spfem.face.track import FaceTrack
from spfem.methods import METHODS
from spfem.scales import load_scale
from spfem.settings import RendererSettings, SpatialSettings, SupervisionSettings, TemporalSettings
from spfem.supervision import renderer as renderer_distances
from spfem.supervision.renderer import (
    collect_pairs,
    draw_pairs,
    held_steps,
    hold_distances,
    identity_term,
    loss_weights,
    spatial_term,
    window_term,
)
from tests.correlation.planted_sound import SMALL
from tests.renderer.test_losses import planted_pairs

SPATIAL = SpatialSettings(image_size=32, widths=(16, 16), blocks=(1, 1), centres=(8, 4))
TEMPORAL = TemporalSettings(spatial=SPATIAL, places=(16, 8), window_frames=3)


def spatial_metric():
    torch.manual_seed(0)
    return SpatialCoherence(SPATIAL).supervise()


def window_metric(name):
    torch.manual_seed(0)
    return metric_class(name)(formulated(name, TEMPORAL)).supervise()


def windows(seed, frames):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(2, frames, 3, 32, 32, generator=random) * 2 - 1


def draws():
    return torch.Generator().manual_seed(5)


def assert_gradient_on_the_output_only(value, generated, metric):
    value.backward()
    assert generated.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in metric.parameters())


def test_the_spatial_term_is_the_metric_on_all_frames_and_its_gradient_is_on_the_output():
    metric = spatial_metric()
    term = spatial_term(metric, 0.5, 4)
    assert (term.name, term.weight, term.frames) == ("spatial", 0.5, 4)
    generated, source = windows(0, 4).requires_grad_(), windows(1, 4)
    value = term.loss(generated, source, draws())
    pairs = [(clip, frame) for clip in range(2) for frame in range(4)]
    own, other = (torch.stack([side[pair] for pair in pairs]) for side in (generated, source))
    expected = metric.total(metric.compare(own, other, generator=draws()))
    assert torch.equal(value, expected)
    shifted = metric.total(metric.compare(own, other.roll(1, 0), generator=draws()))
    assert not torch.equal(value, shifted)
    assert_gradient_on_the_output_only(value, generated, metric)


@pytest.mark.parametrize("name", ["temporal_vd", "temporal_cm", "spatial_temporal_vd"])
def test_a_window_term_is_the_metric_with_the_sources_held_steps(name):
    metric = window_metric(name)
    term = window_term(name, metric, 2.0)
    assert (term.name, term.weight, term.frames) == (name, 2.0, 3)
    generated, source = windows(0, 3).requires_grad_(), windows(1, 3)
    source[1, 2] = source[1, 1]
    held = torch.tensor([[False, False], [False, True]])
    assert torch.equal(held_steps(source), held)
    value = term.loss(generated, source, draws())
    expected = metric.total(metric.compare(generated, source, held=held, generator=draws()))
    assert torch.equal(value, expected)
    assert not torch.equal(
        value, metric.total(metric.compare(generated, source, generator=draws()))
    )
    assert_gradient_on_the_output_only(value, generated, metric)


class Mean(torch.nn.Module):
    """Features that tell the mean colour of the top and of the bottom half."""

    def forward(self, pictures):
        assert pictures.shape[1:] == (3, 150, 150)
        return torch.cat([half.mean((2, 3)) for half in pictures.split(75, dim=2)], 1)


def test_the_identity_term_is_the_mean_angle_of_features_and_its_gradient_is_on_the_output():
    term = identity_term(Mean(), 0.7, 4)
    assert (term.name, term.weight, term.frames) == ("identity", 0.7, 4)
    source = torch.rand(2, 4, 3, 32, 32) * 0.5 + 0.2
    assert float(term.loss(source * 1.5, source, draws())) == pytest.approx(0, abs=1e-5)
    generated = source.roll(16, dims=3)  # halves change places
    halves = [torch.cat([h.mean((2, 3)) for h in side.flatten(0, 1).split(16, dim=2)], 1)
              for side in (generated, source)]  # fmt: skip
    cosines = [float(a @ b / a.norm() / b.norm()) for a, b in zip(*halves, strict=True)]
    generated.requires_grad_()
    value = term.loss(generated, source, draws())
    assert float(value.detach()) == pytest.approx(1 - np.mean(cosines), abs=2e-3)
    value.backward()
    assert generated.grad.abs().sum() > 0


@pytest.fixture
def metric():
    made = initial_joint(SMALL, "image", 0)
    with torch.no_grad():  # initial weights hardly tell pictures apart
        made.image_attn.proj_q.weight.mul_(100)
    return made.supervise()


def images(faces):
    return torch.from_numpy(faces).movedim(-1, -3).float() / 127.5 - 1


def crossing_pairs():
    """Two pairs between emotions, whose reference is a neutral window, and three with neutral."""
    pairs = planted_pairs()
    return replace(
        pairs, source_label=np.array([0, 2, 3, 1, 0]), target_label=np.array([1, 4, 5, 0, 6])
    )


@pytest.mark.parametrize("at_once", [2, 32])
def test_value_is_the_mean_of_the_distances_one_by_one(metric, monkeypatch, at_once):
    monkeypatch.setattr(renderer_distances, "EMBEDDED_AT_ONCE", at_once)
    pairs = crossing_pairs()
    rows = np.array([0, 1, 4])
    pictures = images(pairs.faces[rows]).requires_grad_()
    value = hold_distances(metric, pairs)(pictures, torch.from_numpy(rows))
    parts = []
    for picture, row in zip(pictures, rows, strict=True):
        own = metric.embed_visual(picture[None])
        other = metric.embed_visual(images(pairs.references[[row]]))
        distance = metric.embedding_distance(own, other)[0]
        parts.append(abs(float(distance.detach()) - float(pairs.distance[row])))
    assert float(value.detach()) == pytest.approx(np.mean(parts), rel=1e-4)
    assert np.std(parts) > 0
    assert_gradient_on_the_output_only(value, pictures, metric)


FRAMES, WINDOW, SIDE, UNITS = 14, 6, 8, 5
TINY = RendererSettings(image_size=SIDE, mouth_size=4)
NEUTRAL, HAPPY, SAD = "A/neutral/1", "A/happy/1", "A/sad/1"
KEYS = (NEUTRAL, HAPPY, SAD)
STARTS = FRAMES - WINDOW + 1  # windows a clip
JAW = (0, 3)


def planted_bank():
    """Neutral window i sounds like happy i, 0.5 apart, and sad i, 1.5 apart; none like the last."""
    apart = np.full((STARTS, STARTS), 9.0)
    tables = {}
    for name, near in (("happy", 0.5), ("sad", 1.5)):
        tables[name] = apart.copy()
        np.fill_diagonal(tables[name][:-1, :-1], near)
    emotion = np.repeat([0, 4, 5], STARTS).astype(np.int32)  # neutral, happy, sad
    return AudioBank(
        "A",
        KEYS,
        WINDOW,
        np.repeat(np.arange(3), STARTS).astype(np.int32),
        np.tile(np.arange(STARTS), 3).astype(np.int32),
        emotion,
        {name: nearest_below(table, 2.0, 3) for name, table in tables.items()},
        {name: nearest_below(table.T, 2.0, 3) for name, table in tables.items()},
        2.0,
        "planted",
    )


def planted_track(number):
    """Every frame tells which clip and frame it is."""
    random = np.random.default_rng(number)
    place = 100 * number + np.arange(FRAMES)
    return FaceTrack(
        fps=25.0,
        frame_size=(20, 20),
        found=np.ones(FRAMES, bool),
        landmarks=random.uniform(0, 9, (FRAMES, 478, 3)).astype(np.float32),
        blendshapes=np.zeros((FRAMES, 51), np.float32),
        identity=np.zeros(3, np.float32),
        expression=np.repeat(place[:, None], UNITS, 1).astype(np.float32),
        rotation=np.zeros((FRAMES, 3), np.float32),
        scale=np.ones(FRAMES, np.float32),
        translation=np.zeros((FRAMES, 2), np.float32),
        reprojection_error=np.zeros(FRAMES, np.float32),
        align=np.tile(np.eye(2, 3, dtype=np.float32), (FRAMES, 1, 1)),
        faces=np.broadcast_to(place[:, None, None, None], (FRAMES, SIDE, SIDE, 3)).astype(np.uint8),
        masks=np.zeros((FRAMES, SIDE, SIDE), np.uint8),
    )


TRACKS = {key: planted_track(number) for number, key in enumerate(KEYS)}


class Shown:
    """Conditions that hold the expression instead of a drawing of it."""

    def __init__(self, track):
        self.track = track

    def conditions(self, expression):
        stacked = np.zeros((len(expression), SIDE, SIDE, 10), np.uint8)
        stacked[:, 0, 0, :UNITS] = expression
        stacked[:, 0, 1, 0] = self.track.expression[:, 0]
        return stacked


def edit(source, target):
    """The source's numbers, plus 10 where the wished clip is the happy one and 20 for the sad."""
    return source.expression + 10 * (target.expression[0, 0] // 100)


def collect(drawn, frames=2):
    return collect_pairs(
        planted_bank(), drawn, TRACKS, edit, Shown, TINY, frames=frames, jaw_columns=JAW
    )


def test_draws_pairs_of_different_emotions_that_were_retrieved():
    bank = planted_bank()
    drawn = draw_pairs(bank, 1000, 0)
    per_emotion = STARTS - 1  # the last window sounds like none
    assert len(drawn.source) == 6 * per_emotion
    assert len(set(zip(drawn.source, bank.emotion[drawn.target], strict=True))) == 6 * per_emotion
    for row in range(len(drawn.source)):
        source, target, between = drawn.source[row], drawn.target[row], drawn.by_way_of[row]
        emotions = {int(bank.emotion[source]), int(bank.emotion[target])}
        assert len(emotions) == 2
        assert bank.first[source] == bank.first[target]
        assert (between >= 0) == (0 not in emotions)
        near = {4: 0.5, 5: 1.5}
        onward = int(bank.emotion[target]) or int(bank.emotion[source])
        assert drawn.distance[row] == near[onward]
        first = near[int(bank.emotion[source])] if between >= 0 else 0
        assert drawn.first_distance[row] == first
        if between >= 0:
            assert (bank.emotion[between], bank.first[between]) == (0, bank.first[source])


def test_collected_pairs_show_the_source_on_the_retrieved_frames():
    bank = planted_bank()
    drawn = draw_pairs(bank, 1000, 0)
    pairs = collect(drawn)
    assert len(pairs) == len(drawn.source)
    for row in range(len(pairs)):
        own, other = (bank.clip[window] for window in (drawn.source[row], drawn.target[row]))
        last = bank.first[drawn.source[row]] + WINDOW  # of both windows
        source = 100 * own + np.arange(last - 4, last) + 10 * other
        target = 100 * other + np.arange(last - 4, last)
        told = pairs.conditions[row, :, 0]
        for column in range(UNITS):
            wanted = target if column in JAW else source
            assert np.array_equal(told[:, 0, column], wanted.astype(np.uint8))
        assert np.array_equal(told[:, 1, 0], target.astype(np.uint8))  # drawn on that track
        assert np.array_equal(pairs.faces[row, :, 0, 0, 0], target[2:].astype(np.uint8))
        reference = own if drawn.by_way_of[row] < 0 else 0
        wanted = 100 * reference + np.arange(last - 2, last)
        assert np.array_equal(pairs.references[row, :, 0, 0, 0], wanted.astype(np.uint8))
        centres = mouth_centres(TRACKS[KEYS[other]])[last - 2 : last]
        assert np.array_equal(pairs.mouth_centres[row], centres)
    assert np.array_equal(pairs.source_label, bank.emotion[drawn.source])
    assert np.array_equal(pairs.target_label, bank.emotion[drawn.target])
    # 1 / (1 + (d + d') / 2), for 0.5 alone and 0.5 by way of 1.5
    assert {round(float(w), 4) for w in pairs.weights} == {0.8, 0.5714, 0.5}


PLAIN = {
    "manipulator": ["adversarial", "style", "cycle", "mouth", "aligned"],
    "renderer": ["adversarial", "feature", "perceptual", "pixel"],
}


@pytest.mark.parametrize("name", METHODS)
def test_every_supervision_of_a_method_has_its_weight_in_both_networks(name):
    method = METHODS[name]
    given = {  # all different, so that none can stand for another
        field.name: 0.25 + number
        for number, field in enumerate(fields(SupervisionSettings))
        if field.type == "float"
    }
    scale = replace(load_scale("full"), supervision=SupervisionSettings(**given))
    table = loss_weights(scale)
    for network in ("manipulator", "renderer"):
        rows = table[table.network == network].set_index("loss")[method.title]
        wanted = {}
        learns = network == "manipulator" or "ned" in method.bases
        supervised = network == "renderer" or not method.released_form
        for loss in method.pictures if supervised else ():
            wanted[loss] = f"{network}_{'temporal' if 'temporal' in loss else 'spatial'}"
            if (network, loss) == ("renderer", "identity"):  # others stand in for the spatial one
                wanted[loss] = "renderer_identity"
        if method.paired and learns:
            wanted |= {loss: f"{network}_{loss}" for loss in ("paired", "consistency")}
        if method.paired_pictures and network == "manipulator":
            wanted["picture_consistency"] = "manipulator_consistency"
        assert {loss: given[setting] for loss, setting in wanted.items()} == {
            loss: weight for loss, weight in rows.items() if weight and loss not in PLAIN[network]
        }


def test_defaults_are_those_of_the_papers():
    table = loss_weights(load_scale("paper")).set_index(["network", "loss"])["NED + all"]
    wanted = {"spatial": 0.1, "paired": 10.0, "consistency": 1.0, "mouth": 1.0}
    assert {loss: table["manipulator", loss] for loss in wanted} == wanted
    wanted = {"spatial": 1.0, "paired": 1.0, "consistency": 1.0, "feature": 10.0}
    assert {loss: table["renderer", loss] for loss in wanted} == wanted
