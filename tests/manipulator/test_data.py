"""Windows: those to learn from, and those of a clip, blended again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spfem.errors import InputError, ShapeError
from spfem.manipulator.data import ExpressionWindows, gaussian_weights, overlap_add, slide_windows


def training_windows(batch_size=4, seed=0):
    sequences = [
        1000 * clip + torch.arange(float(frames))[:, None].expand(-1, 2)
        for clip, frames in enumerate((12, 10, 15))
    ]
    return ExpressionWindows(
        sequences, [0, 4, 6], window_frames=10, batch_size=batch_size, seed=seed
    )


def test_an_epoch_shows_every_window_once():
    windows = training_windows(batch_size=5)
    assert len(windows) == 3 + 1 + 6
    batches = [windows.batch(step, 0) for step in range(2)]
    seen = {(int(c), int(s)) for b in batches for c, s in zip(b.clip, b.start, strict=True)}
    assert seen == {(0, s) for s in range(3)} | {(1, 0)} | {(2, s) for s in range(6)}


def test_a_batch_depends_on_seed_role_and_step_only():
    first, second = training_windows(), training_windows()
    for step in range(7):
        first.batch(step, 0)
        first.batch(step, 1)
    one, other = first.batch(7, 1), second.batch(7, 1)
    assert torch.equal(one.start, other.start)
    assert torch.equal(one.clip, other.clip)
    orders = {
        tuple(
            training_windows(10, seed).batch(step, role).start.tolist()
            + training_windows(10, seed).batch(step, role).clip.tolist()
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
def test_bad_sequences(sequences, labels, error, text):
    with pytest.raises(error, match=text):
        ExpressionWindows(sequences, labels, window_frames=10, batch_size=4, seed=0)


@pytest.mark.parametrize("size", range(1, 24))
def test_weights_are_those_of_opencv(size):
    cv2 = pytest.importorskip("cv2")
    wanted = torch.from_numpy(cv2.getGaussianKernel(size, -1)[:, 0])
    torch.testing.assert_close(gaussian_weights(size), wanted, atol=1e-15, rtol=0)


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1, 40), size=st.integers(1, 12))
def test_blending_unchanged_windows_gives_the_sequence(frames, size):
    if frames < size:
        return
    sequence = torch.randn(frames, 3, dtype=torch.float64)
    blended = overlap_add(slide_windows(sequence, size))
    torch.testing.assert_close(blended, sequence, atol=1e-14, rtol=0)


def test_blend_against_a_plain_loop():
    windows = torch.randn(13, 6, 2, dtype=torch.float64)
    weights = gaussian_weights(6)
    wanted = torch.zeros(18, 2, dtype=torch.float64)
    for start in range(13):
        for frame in range(6):
            wanted[start + frame] += weights[frame] * windows[start, frame]
    wanted[:5] = windows[0, :5]
    wanted[-5:] = windows[12, 1:]
    torch.testing.assert_close(overlap_add(windows), wanted)


def test_bad_windows():
    with pytest.raises(ShapeError, match="9 frames"):
        slide_windows(torch.zeros(9, 4), 10)
    with pytest.raises(ShapeError, match=r"\(T, E\)"):
        slide_windows(torch.zeros(2, 20, 4), 10)
    with pytest.raises(ShapeError, match="at least 1"):
        gaussian_weights(0)
