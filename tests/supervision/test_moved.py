"""Pictures moved by codes: equal where nothing is edited, and with a gradient that is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from spfem.correlation import SpatialCoherence, SpatialTemporalCoherence, TemporalCoherence
from spfem.errors import SettingsError, ShapeError
from spfem.face.descriptor import face_chips
from spfem.head import load_head_model
from spfem.settings import SpatialSettings, TemporalSettings
from spfem.supervision import moved
from spfem.supervision.moved import FaceMover
from spfem.supervision.pictures import (
    PLACES,
    PictureLosses,
    PictureTerm,
    cut_chips,
    feature_term,
    metric_term,
    middle_frames,
)
from spfem.training import step_generator
from tests.edit.drawn import draw_clip, units
from tests.supervision.faces import SIDE, track_of
from tests.supervision.made_up import make_edit

NAMES = load_head_model().expression_names
SPATIAL = SpatialSettings(
    image_size=48, widths=(16, 16, 16), blocks=(1, 1, 1), centres=(8, 4, 2), precision="float32"
)
TEMPORAL = TemporalSettings(spatial=SPATIAL, window_frames=3, places=(16, 8, 4))


def unit(name):
    return NAMES.index(name)


@pytest.fixture(scope="module")
def tracks():
    jaw = np.linspace(0.05, 0.3, 14)
    speaking = draw_clip(units(14, jawOpen=jaw), turn=(0.05, 0.15, 0.02))
    smiling = draw_clip(units(14, jawOpen=jaw[::-1], mouthSmile=0.4))
    return {"A": track_of(speaking), "B": track_of(smiling)}


@pytest.fixture(scope="module")
def mover(tracks):
    return FaceMover(tracks, ("A", "B"), load_head_model())


MOMENTS = ((0, 3), (0, 9), (1, 0))


def codes_of(tracks, moments=MOMENTS):
    rows = [tracks["AB"[clip]].expression[frame] for clip, frame in moments]
    return torch.from_numpy(np.stack(rows))


def test_equal_codes_give_the_very_pictures(mover, tracks):
    source = codes_of(tracks)
    compared = mover.move(MOMENTS, source, source)
    faces = np.stack([tracks["AB"[clip]].faces[frame] for clip, frame in MOMENTS])
    wanted = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert torch.equal(compared.source, wanted)
    torch.testing.assert_close(compared.moved, wanted, atol=1e-5, rtol=0)
    shown = ((compared.moved + 1) * 127.5).round()
    assert torch.equal(shown, torch.from_numpy(faces).permute(0, 3, 1, 2).float())
    loss = metric_term(SpatialCoherence(SPATIAL).supervise(), 3).loss
    same, other = (
        loss(pair, torch.Generator().manual_seed(0))
        for pair in (compared, replace(compared, moved=compared.source))
    )
    torch.testing.assert_close(same, other, atol=1e-4, rtol=0)


def test_an_edit_looks_as_the_drawn_head_of_its_codes(mover, tracks):
    wish = units(14, mouthSmile=0.6, browInnerUp=0.6)
    wanted = draw_clip(tracks["A"].expression + wish, turn=(0.05, 0.15, 0.02))
    true = track_of(wanted).faces[9].astype(float)
    source = codes_of(tracks, [(0, 9)])
    made = mover.move([(0, 9)], source, source + torch.from_numpy(wish[:1])).moved[0]
    made = ((made + 1) * 127.5).permute(1, 2, 0).numpy()
    assert np.abs(made - true).mean() < 0.65 * np.abs(tracks["A"].faces[9] - true).mean()


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("browInnerUp", 0.1), ("browDownLeft", 0.15), ("jawOpen", 0.3), ("mouthSmileLeft", 0.25)],
)
def test_gradient_is_the_finite_difference_of_the_whole_chain(mover, tracks, name, tolerance):
    random = torch.Generator().manual_seed(0)
    looks = functional.avg_pool2d(torch.randn(6, 3, SIDE, SIDE, generator=random), 5, 1, 2)
    source = codes_of(tracks, [(0, 9)])
    wish = torch.from_numpy(units(1, mouthSmile=0.3, browInnerUp=0.3, jawOpen=0.15))
    edited = (source + wish).requires_grad_()
    seen = (mover.move([(0, 9)], source, edited).moved * looks).sum((1, 2, 3))
    rows = [torch.autograd.grad(one, edited, retain_graph=True)[0][0] for one in seen]
    slopes, step = torch.stack(rows)[:, unit(name)], 0.03
    with torch.no_grad():
        change = torch.zeros_like(edited)
        change[0, unit(name)] = step
        after, before = (
            (mover.move([(0, 9)], source, edited + sign * change).moved * looks).sum((1, 2, 3))
            for sign in (1, -1)
        )
    wanted = (after - before) / (2 * step)
    assert (slopes - wanted).norm() / wanted.norm() < tolerance


def test_a_loss_of_one_place_moves_only_units_that_move_it(mover, tracks):
    source = codes_of(tracks, [(0, 9)])
    edited = source.clone().requires_grad_()
    made = mover.move([(0, 9)], source, edited).moved
    random = torch.Generator().manual_seed(0)
    look = torch.randn(made.shape, generator=random)

    def slopes(rows):
        loss = (made * look)[:, :, rows].sum()
        return torch.autograd.grad(loss, edited, retain_graph=True)[0][0].abs()

    brows, mouth = slopes(slice(20, 38)), slopes(slice(66, 84))
    assert brows[unit("browInnerUp")] > 20 * brows[unit("jawOpen")]
    assert mouth[unit("jawOpen")] > 20 * mouth[unit("browInnerUp")]
    assert mouth[unit("mouthSmileLeft")] > 20 * mouth[unit("browDownLeft")]


def test_a_loss_that_wants_an_open_mouth_opens_it(mover, tracks):
    source = codes_of(tracks, [(0, 0)])
    with torch.no_grad():
        goal = source.clone()
        goal[0, unit("jawOpen")] += 0.3
        wanted = mover.move([(0, 0)], source, goal).moved
    codes = source.clone().requires_grad_()
    optimiser = torch.optim.Adam([codes], lr=0.04)
    for _ in range(12):
        optimiser.zero_grad()
        (mover.move([(0, 0)], source, codes).moved - wanted).square().sum().backward()
        optimiser.step()
    change = (codes - source).detach()[0]
    assert change[unit("jawOpen")] > 0.15
    assert change[unit("browInnerUp")].abs() < 0.08


def test_a_closed_mouth_that_opens_shows_paint_below_its_teeth():
    clip = track_of(draw_clip(units(1)))
    mover = FaceMover({"A": clip}, ("A",), load_head_model())
    source = torch.from_numpy(clip.expression)
    made = mover.move([(0, 0)], source, source + torch.from_numpy(units(1, jawOpen=0.6))).moved[0]
    box = made[:, 68:80, 43:53].flatten(1)
    assert box.sum(0).min() < made[:, 40:60, 30:40].flatten(1).sum(0).median() - 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"places": MOMENTS[:2]}, "2 moments"),
        ({"edited": torch.zeros(3, 51)}, "edited codes"),
        ({"places": ((0, 3), (0, 14), (1, 0))}, "clip A has 14 frames, frame 14"),
    ],
)
def test_what_does_not_fit_is_named(mover, tracks, change, message):
    source = codes_of(tracks)
    with pytest.raises(ShapeError, match=message):
        mover.move(**{"places": MOMENTS, "source": source, "edited": source} | change)


def test_pictures_of_moments_are_shown_as_they_are(mover, tracks):
    source = codes_of(tracks)
    assert torch.equal(mover.show(MOMENTS), mover.move(MOMENTS, source, source).source)


def test_few_clips_are_kept(monkeypatch, tracks):
    asked = []

    class Store(dict):
        def __getitem__(self, key):
            asked.append(key)
            return super().__getitem__(key)

    mover = FaceMover(Store(tracks), ("A", "B"), load_head_model())
    source = codes_of(tracks)
    mover.move(MOMENTS, source, source)
    mover.move(MOMENTS, source, source)
    assert asked == ["A", "B"]
    monkeypatch.setattr(moved, "KEPT_BYTES", 1)
    asked.clear()
    mover = FaceMover(Store(tracks), ("A", "B"), load_head_model())
    mover.move(MOMENTS, source, source)
    mover.move(MOMENTS[::-1], source, source)
    assert asked == ["A", "B", "A"]  # one is kept at a time


def test_chips_are_those_of_the_descriptor(mover, tracks):
    track = tracks["A"]
    source = codes_of(tracks, [(0, 9)])
    compared = mover.move([(0, 9)], source, source)
    chip = ((cut_chips(compared.source, compared.chips)[0] + 1) * 127.5).permute(1, 2, 0).numpy()
    linear, shift = track.align[9, :, :2], track.align[9, :, 2]
    marks = track.landmarks[9:10, :, :2] @ linear.T + shift
    wanted = face_chips(track.faces[9:10], marks)[0].astype(float)
    assert np.abs(chip - wanted)[10:-10, 10:-10].mean() < 6  # they lie half a pixel apart


def test_the_distance_of_features_has_a_gradient_to_the_face(mover, tracks):
    def features(chips):
        return functional.avg_pool2d(chips, 50).flatten(1)

    term = feature_term(features, 3)
    source = codes_of(tracks)
    edited = (source + 0.1).requires_grad_()
    compared = mover.move(MOMENTS, source, edited)
    value = term.loss(compared, torch.Generator())
    both = (features(cut_chips(each, compared.chips)) for each in (compared.moved, compared.source))
    torch.testing.assert_close(value, torch.sub(*both).square().sum(1).mean())
    (slope,) = torch.autograd.grad(value, edited)
    assert (slope.abs().sum(1) > 0).all()
    nothing = mover.move(MOMENTS, source, source.clone().requires_grad_())
    assert term.loss(nothing, torch.Generator()).item() < 1e-9


class Recorder:
    """Keeps what it is asked to compare; its loss is a plain difference of pictures."""

    def __init__(self, window_frames=None):
        self.settings = SPATIAL
        if window_frames:
            self.settings = replace(TEMPORAL, window_frames=window_frames)
        self.pictures = None

    def compare(self, drawn, real, *, generator):
        self.pictures = drawn.detach(), real, torch.rand(1, generator=generator)
        return (drawn - real).square()

    def total(self, compared):
        return compared.mean()


def test_metrics_see_the_frames_round_the_middle_of_the_first_windows(mover):
    metrics = {"single": Recorder(), "short": Recorder(3), "long": Recorder(5)}
    terms = {name: metric_term(metric, 2) for name, metric in metrics.items()}
    edit = make_edit(step=7)
    values = PictureLosses(terms, mover, seed=3)(edit)
    assert list(values) == ["single", "short", "long"]
    random = step_generator(3, PLACES, 7)
    for name, frames in (("single", (5,)), ("short", (4, 5, 6)), ("long", (3, 4, 5, 6, 7))):
        moments = [(int(edit.source.clip[r]), int(edit.source.start[r]) + f)
                   for r in range(2) for f in frames]  # fmt: skip
        codes = [
            torch.stack([edit.restore(side[r, f]) for r in range(2) for f in frames])
            for side in (edit.source.expression, edit.edited.detach())
        ]
        compared = mover.move(moments, *codes)
        drawn, real, drawn_random = metrics[name].pictures
        assert drawn.shape[:-3] == ((2,) if len(frames) == 1 else (2, len(frames)))
        # Boxes of openings are as large as the largest of all pictures that are moved together.
        assert (drawn.flatten(0, -4) - compared.moved).abs().mean() < 1e-3
        assert torch.equal(real.flatten(0, -4), compared.source)
        assert torch.equal(drawn_random, torch.rand(1, generator=random))


def test_gradient_reaches_compared_frames_of_the_generated_side_only(mover):
    torch.manual_seed(0)
    joint = TemporalSettings(spatial=SPATIAL, window_frames=5, places=(16, 8, 4), formulation="cm")
    metrics = {
        "spatial": SpatialCoherence(SPATIAL),
        "temporal_vd": TemporalCoherence(TEMPORAL),
        "spatial_temporal_cm": SpatialTemporalCoherence(joint),
    }
    counts = {"spatial": 2, "temporal_vd": 1, "spatial_temporal_cm": 1}
    terms = {name: metric_term(m.supervise(), counts[name]) for name, m in metrics.items()}
    edit = make_edit()
    edit.source.expression.requires_grad_()
    values = PictureLosses(terms, mover, seed=3)(edit)
    for name, frames in (
        ("spatial", {(0, 5), (1, 5)}),
        ("temporal_vd", {(0, frame) for frame in (4, 5, 6)}),
        ("spatial_temporal_cm", {(0, frame) for frame in range(3, 8)}),
    ):
        (gradient,) = torch.autograd.grad(values[name], edit.edited, retain_graph=True)
        assert torch.isfinite(gradient).all()
        touched = (gradient.abs().sum(-1) > 0).nonzero().tolist()
        assert {tuple(place) for place in touched} == frames
    sum(values.values()).backward()
    assert edit.source.expression.grad is None
    for metric in metrics.values():
        assert not metric.training
        assert all(parameter.grad is None for parameter in metric.parameters())


def test_a_window_shorter_than_the_metric_looks_is_refused(mover):
    with pytest.raises(SettingsError, match="11 frames in a row"):
        middle_frames(10, 11)
    term = PictureTerm(lambda compared, random: compared.moved.mean(), 1, 11)
    with pytest.raises(SettingsError, match="shorter windows"):
        PictureLosses({"long": term}, mover, seed=0)(make_edit())
