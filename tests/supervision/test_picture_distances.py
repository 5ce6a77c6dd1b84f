"""Distances of moved pictures that are held to those of the sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.correlation import CrossModalCoherence
from spfem.correlation.images import images_from_frames
from spfem.head import load_head_model
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Retrieved, SupervisedEdit
from spfem.supervision.moved import FaceMover
from spfem.supervision.pairs import PictureDistances
from tests.correlation.planted_sound import SMALL
from tests.edit.drawn import draw_clip, units
from tests.supervision.faces import track_of

FRAMES, WINDOW = 14, 10
KEYS = ("neutral", "happy", "sad")
LABEL = (0, 2, 5)  # of the clips
# Rows: from neutral, across, the same emotion, without a pair, to neutral.
SOURCE = torch.tensor([2, 7, 12, 8, 14])  # windows; each clip has five
WANTED = torch.tensor([2, 5, 5, 2, 0])
FOUND = Retrieved(
    torch.tensor([7, 12, 13, -1, 1]),
    torch.tensor([0.4, 1.1, 0.2, torch.inf, 0.9]),
    torch.tensor([-1, 4, -1, -1, -1]),
    torch.tensor([0.0, 0.6, 0.0, torch.inf, 0.0]),
)


class Planted:
    """Gives one answer."""

    def __init__(self, found):
        self.found = found

    def draw(self, source, label, step):
        return self.found


@pytest.fixture(scope="module")
def metric():
    torch.manual_seed(0)
    metric = CrossModalCoherence(SMALL, "image")
    with torch.no_grad():
        for parameter in metric.scale_layer.parameters():
            parameter.add_(0.3)
    return metric.supervise()


@pytest.fixture(scope="module")
def tracks():
    jaw = np.linspace(0.05, 0.3, FRAMES)
    shown = (
        units(FRAMES, jawOpen=jaw),
        units(FRAMES, jawOpen=jaw[::-1], mouthSmile=0.4),
        units(FRAMES, jawOpen=jaw, mouthFrown=0.5),
    )
    return {key: track_of(draw_clip(codes)) for key, codes in zip(KEYS, shown, strict=True)}


@pytest.fixture(scope="module")
def windows(tracks):
    codes = [torch.from_numpy(tracks[key].expression).float() for key in KEYS]
    return ExpressionWindows(codes, LABEL, window_frames=WINDOW, batch_size=4, seed=0)


def restore(standardised):
    return 0.2 + 0.1 * standardised


def make_edit(windows):
    source = windows.take(SOURCE)
    standardised = type(source)(**{**vars(source), "expression": (source.expression - 0.2) / 0.1})
    random = torch.Generator().manual_seed(1)
    change = 0.5 * torch.randn(source.expression.shape, generator=random)
    edited = (standardised.expression + change).requires_grad_()
    return SupervisedEdit(standardised, edited, WANTED, restore, 0)


def losses(metric, windows, tracks, found=FOUND, count=4):
    mover = FaceMover(tracks, KEYS, load_head_model())
    return PictureDistances(metric, Planted(found), windows, mover, count)


def slow_value(metric, windows, tracks, edit, rows):
    mover, values = FaceMover(tracks, KEYS, load_head_model()), []
    for row in rows:

        def frames(number):
            clip, start = divmod(int(number), FRAMES - WINDOW + 1)
            return clip, [start + WINDOW - 2, start + WINDOW - 1]

        clip, moments = frames(SOURCE[row])
        own = torch.from_numpy(tracks[KEYS[clip]].expression[moments]).float()
        places = [(clip, frame) for frame in moments]
        moved = mover.move(places, own, restore(edit.edited[row, -2:])).moved
        between = FOUND.by_way_of[row]
        seen, at = frames(SOURCE[row] if between < 0 else between)
        known = metric.embed_visual(images_from_frames(tracks[KEYS[seen]].faces[at])[None])
        apart = metric.embedding_distance(metric.embed_visual(moved[None]), known)
        values.append((apart[0] - FOUND.distance[row]).abs())
    return torch.stack(values).mean()


@pytest.mark.parametrize(("count", "rows"), [(4, (0, 1, 4)), (2, (0, 1))])
def test_value_is_that_of_a_slow_loop(metric, windows, tracks, count, rows):
    edit = make_edit(windows)
    value = losses(metric, windows, tracks, count=count)(edit)["picture_consistency"]
    wanted = slow_value(metric, windows, tracks, edit, rows)
    assert value > 0.05  # untrained distances are not those of the sound
    torch.testing.assert_close(value, wanted, atol=2e-4, rtol=1e-3)


def test_gradient_reaches_the_last_frames_of_pairs_of_two_emotions(metric, windows, tracks):
    edit = make_edit(windows)
    losses(metric, windows, tracks)(edit)["picture_consistency"].backward()
    touched = edit.edited.grad.abs().sum(-1) > 0
    assert touched[[0, 1, 4], -SMALL.frames :].all()
    assert touched.sum() == 3 * SMALL.frames
    assert all(parameter.grad is None for parameter in metric.parameters())


def test_a_batch_without_pairs_gives_zero_and_no_gradient(metric, windows, tracks):
    none = torch.full((5,), -1)
    infinite = torch.full((5,), torch.inf)
    edit = make_edit(windows)
    value = losses(metric, windows, tracks, Retrieved(none, infinite, none, infinite))(edit)
    value["picture_consistency"].backward()
    assert value["picture_consistency"].item() == 0
    assert not edit.edited.grad.any()


def test_a_picture_further_from_its_source_than_the_sound_is_drawn_back(metric, windows, tracks):
    """Descending the loss brings the distance of pictures to that of the sound."""
    edit = make_edit(windows)
    part = losses(metric, windows, tracks, count=1)
    codes = edit.edited.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([codes], lr=0.1)
    values = []
    for _ in range(12):
        optimiser.zero_grad()
        value = part(SupervisedEdit(edit.source, codes, WANTED, restore, 0))["picture_consistency"]
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert min(values) < 0.8 * values[0]
