from __future__ import annotations

import pytest
import torch

from spfem.errors import InputError, ShapeError
from spfem.manipulator.data import ExpressionWindows


def make(batch_size=4, seed=0):
    sequences = [
        1000 * clip + torch.arange(float(frames))[:, None].expand(-1, 2)
        for clip, frames in enumerate((12, 10, 15))
    ]
    return ExpressionWindows(
        sequences, [0, 4, 6], window_frames=10, batch_size=batch_size, seed=seed
    )


def test_an_epoch_shows_every_window_once():
    windows = make(batch_size=5)
    assert len(windows) == 3 + 1 + 6
    batches = [windows.batch(step, 0) for step in range(2)]
    seen = {(int(c), int(s)) for b in batches for c, s in zip(b.clip, b.start, strict=True)}
    assert seen == {(0, s) for s in range(3)} | {(1, 0)} | {(2, s) for s in range(6)}


def test_a_batch_depends_on_seed_role_and_step_only():
    first, second = make(), make()
    for step in range(7):
        first.batch(step, 0)
        first.batch(step, 1)
    one, other = first.batch(7, 1), second.batch(7, 1)
    assert torch.equal(one.start, other.start)
    assert torch.equal(one.clip, other.clip)
    orders = {
        tuple(
            make(10, seed).batch(step, role).start.tolist()
            + make(10, seed).batch(step, role).clip.tolist()
        )
        for seed in (0, 1)
        for step in (0, 1)
        for role in (0, 1)
    }
    assert len(orders) == 8


@pytest.mark.parametrize(
    ("sequences", "labels", "error", "text"),
    [
        ([], [], InputError, "at least one"),
        ([torch.zeros(12, 3)], [0, 1], InputError, "2 labels"),
        ([torch.zeros(12, 3), torch.zeros(12, 4)], [0, 1], ShapeError, "sequence 1"),
        ([torch.zeros(9, 3)], [0], ShapeError, "9 frames"),
        ([torch.full((12, 3), float("nan"))], [0], ShapeError, "finite"),
    ],
)
def test_bad_input(sequences, labels, error, text):
    with pytest.raises(error, match=text):
        ExpressionWindows(sequences, labels, window_frames=10, batch_size=4, seed=0)
