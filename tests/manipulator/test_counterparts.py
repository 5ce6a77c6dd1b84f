"""Counterparts that other takes of a sentence tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.errors import InputError, ShapeError
from spfem.manipulator import ExpressionSpace, label_style, manipulate, reference_style
from spfem.manipulator.counterparts import Take, estimate_counterpart, estimate_counterparts
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import train_manipulator
from spfem.manipulator.losses import aligned_error
from spfem.manipulator.networks import AffineGenerator
from spfem.settings import EMOTIONS, ManipulatorSettings

UNITS, FRAMES = 6, 24
SPACE = ExpressionSpace(tuple(f"unit{index}" for index in range(UNITS)), (0.0, 1.0))
SHIFT = {label: 0.1 + 0.05 * label for label in range(1, 7)}  # of unit 3
WIDENING = {label: 0.1 * label for label in range(1, 7)}  # of unit 1, by the jaw
SETTINGS = ManipulatorSettings(
    affine_rank=2,
    encoder_width=16,
    mapping_width=16,
    batch_size=32,
    steps=150,
    learning_rate=3e-2,
    first_beta=0.9,
    encode_reference=True,
    cycle_weight=0.0,
    style_weight=0.0,
    mouth_weight=0.0,
    adversarial_weight=0.0,
    aligned_weight=1.0,
)


def jaw(sentence):
    time = np.arange(FRAMES) / 25
    return 0.3 + 0.2 * np.sin(2 * np.pi * (2 + sentence) * time + sentence)


def expression(sentence, label, offset, blink=()):
    """Planted: an emotion lifts unit 3 and adds to unit 1 what the jaw does; units 4, 5 blink."""
    codes = np.full((FRAMES, UNITS), 0.2) + offset
    codes[:, 0] = jaw(sentence)
    codes[:, 1] = 0.3 * jaw(sentence)
    if label:
        codes[:, 3] += SHIFT[label]
        codes[:, 1] += WIDENING[label] * (jaw(sentence) - jaw(sentence).mean())
    codes[list(blink), 4] += 0.5
    return codes.astype(np.float32)


def planted_takes(actors=6, seed=0):
    """Takes of two sentences by each actor in each emotion; tracking puts actors off by much."""
    random = np.random.default_rng(seed)
    takes = {}
    for actor in range(actors):
        offset = random.normal(0, 0.03, UNITS) * (np.arange(UNITS) > 0)
        for sentence in range(2):
            for label in range(7):
                blink = random.choice(FRAMES, 3, replace=False)
                codes = expression(sentence, label, offset, blink)
                takes[f"a{actor}/{sentence}/{label}"] = Take(
                    f"a{actor}", f"{sentence}", label, codes
                )
    return takes


def same_frames(key, other):
    return np.arange(FRAMES)


def test_blinks_of_the_source_stay_and_what_takes_share_cancels():
    neutral = expression(0, 0, 0.0, blink=[3])
    again = [expression(0, 0, offset) for offset in (0.1, -0.05)]
    found = estimate_counterpart(neutral, expression(0, 4, 0.0), again)
    wanted = expression(0, 4, 0.0, blink=[3])
    wanted[:, 4] -= 0.5 / FRAMES  # the mean of the blink is taken from the other take
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_without_others_it_is_the_other_take():
    emotional = expression(0, 2, 0.0)
    assert (estimate_counterpart(expression(0, 0, 0.0), emotional, []) == emotional).all()


def test_takes_are_brought_to_the_frames_of_the_neutral_one():
    """A take that says the sentence one frame later, and one whose alignment is not trusted."""
    takes = {key: take for key, take in planted_takes(2).items() if take.sentence == "0"}
    late = {
        key: Take(t.actor, t.sentence, t.label, np.roll(t.expression, 1, axis=0)) if t.label else t
        for key, t in takes.items()
    }

    def match(key, other):
        if late[other].label == 5:
            return None
        return (np.arange(FRAMES) + bool(late[other].label)) % FRAMES

    found = estimate_counterparts(late, match)
    assert sorted(found) == ["a0/0/0", "a1/0/0"]
    plain = estimate_counterparts(takes, same_frames)
    for key, rows in found.items():
        assert rows.shape == (len(EMOTIONS), FRAMES, UNITS)
        assert np.isnan(rows[5]).all()
        assert (rows[0] == takes[key].expression).all()
        known = [label for label in range(7) if label != 5]
        np.testing.assert_allclose(rows[known], plain[key][known], atol=1e-6)


def test_shapes_must_agree():
    with pytest.raises(ShapeError, match="one shape"):
        estimate_counterpart(np.zeros((4, 2)), np.zeros((5, 2)), [])


def test_the_error_skips_what_is_unknown_with_a_finite_gradient():
    edited = torch.zeros(3, 2, 1, requires_grad=True)
    counterpart = torch.tensor([[[1.0], [3.0]], [[1.0], [torch.nan]], [[torch.nan]] * 2])
    error = aligned_error(edited, counterpart)
    error.backward()
    assert error.item() == 5.0  # (1 + 9) / 2
    assert edited.grad[:, :, 0].tolist() == [[-1.0, -3.0], [0.0, 0.0], [0.0, 0.0]]
    nothing = aligned_error(edited, torch.full_like(counterpart, torch.nan))
    assert nothing.item() == 0.0
    nothing.backward()
    assert edited.grad.isfinite().all()


def test_the_affine_generator_is_its_formula():
    torch.manual_seed(0)
    generator = AffineGenerator(5, 3, 2).double()
    window, style = torch.randn(4, 7, 5).double(), torch.randn(4, 3).double()
    found = generator(window, style)
    for b in range(4):
        movement = (window[b] - window[b].mean(0)) @ generator.movement.weight.T
        gain = generator.gain(style[b]).reshape(2, 5)
        wanted = window[b] + generator.shift(style[b]) + movement @ gain
        torch.testing.assert_close(found[b], wanted)
    offset = torch.randn(5).double()  # a person who is tracked with an offset is changed alike
    torch.testing.assert_close(generator(window + offset, style), found + offset)


def planted_windows(settings=SETTINGS, seed=0):
    takes = planted_takes()
    known = estimate_counterparts(takes, same_frames)
    return ExpressionWindows(
        [torch.from_numpy(take.expression) for take in takes.values()],
        [take.label for take in takes.values()],
        window_frames=settings.window_frames,
        batch_size=settings.batch_size,
        seed=seed,
        counterparts=[torch.from_numpy(known[key]) if key in known else None for key in takes],
    )


def test_only_clips_with_counterparts_are_sources():
    windows = planted_windows()
    for step in range(5):
        batch = windows.batch(step, 0)
        assert (batch.label == 0).all()
        assert torch.equal(batch.counterpart(torch.zeros_like(batch.label)), batch.expression)
    assert (windows.batch(0, 1).label > 0).any()


def test_a_person_never_seen_gets_the_planted_edit():
    """By label and by the reference of another, with the blinks and speech of the source."""
    learned, rows = train_manipulator(planted_windows(), SETTINGS, SPACE)
    assert "discriminator" not in rows[-1]
    offset = np.array([0, 0.08, -0.1, 0.1, 0.05, -0.05])
    source = torch.from_numpy(expression(3, 0, offset, blink=[5, 12]))  # an unheard sentence
    for label in (2, 6):
        wanted = torch.from_numpy(expression(3, label, offset, blink=[5, 12]))
        shown = torch.from_numpy(expression(1, label, -0.3 * offset))
        for style in (label_style(learned, label), reference_style(learned, shown)):
            edited = manipulate(source, manipulator=learned, style=style)
            assert (edited - wanted).abs().mean() < 0.5 * (source - wanted).abs().mean()
    still = manipulate(source, manipulator=learned, style=label_style(learned, 0))
    assert (still - source).abs().mean() < 0.02


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path):
    class KilledError(Exception):
        pass

    def kill(steps):
        for step in steps:
            if step == 4:
                raise KilledError
            yield step

    settings = ManipulatorSettings(**{**vars(SETTINGS), "steps": 8})
    whole, rows = train_manipulator(planted_windows(), settings, SPACE)
    with pytest.raises(KilledError):
        train_manipulator(planted_windows(), settings, SPACE, folder=tmp_path, progress=kill)
    again, resumed = train_manipulator(planted_windows(), settings, SPACE, folder=tmp_path)
    assert rows == resumed
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_bad_counterparts():
    takes = [torch.zeros(12, 2), torch.zeros(12, 2)]
    give = {"window_frames": 10, "batch_size": 4, "seed": 0}
    for counterparts, error, text in (
        ([None, None], InputError, "at least one"),
        ([torch.zeros(7, 12, 2)], InputError, "1 counterparts of 2"),
        ([torch.zeros(7, 11, 2), None], ShapeError, "counterpart 0"),
    ):
        with pytest.raises(error, match=text):
            ExpressionWindows(takes, [0, 1], counterparts=counterparts, **give)
    plain = ExpressionWindows(takes, [0, 1], **give)
    with pytest.raises(InputError, match="needs counterparts"):
        train_manipulator(plain, SETTINGS, ExpressionSpace(("a", "b")))
