"""The training and its stage."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.errors import ShapeError
from spfem.manipulator import label_style, manipulate
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Guide, Retrieved, train_manipulator
from tests.manipulator.conftest import SMALL, planted_speech


def windows_of(sequences, labels, settings=SMALL, seed=0):
    return ExpressionWindows(
        sequences,
        labels,
        window_frames=settings.window_frames,
        batch_size=settings.batch_size,
        seed=seed,
    )


def want_unit_5(edit):
    return {"wanted": (edit.restore(edit.edited)[..., 5] - 0.6).abs().mean()}


def test_supervision_moves_the_edit(space):
    """A loss that wants coefficient 5 high makes neutral edits that have it high."""
    sequences, labels, _ = planted_speech(14, frames=20)
    windows, results = windows_of(sequences, labels), []
    before = windows.frames.clone()
    for weight in (0.0, 50.0):
        settings = replace(SMALL, steps=20, residual=True, learning_rate=5e-3)
        guide = Guide({"wanted": weight}, want_unit_5)
        learned, rows = train_manipulator(windows, settings, space, guide)
        edited = manipulate(sequences[0], manipulator=learned, style=label_style(learned, 0))
        results.append(float(edited[:, 5].mean()))
        assert "wanted" in rows[0]
    assert results[1] > results[0] + 0.2
    assert torch.equal(windows.frames, before)  # learning standardises a copy


def test_going_on_starts_from_the_given_weights_and_scale(space):
    sequences, labels, _ = planted_speech(14, frames=20)
    settings = replace(SMALL, steps=2, tune_steps=1, tune_learning_rate=0.0)
    base, _ = train_manipulator(windows_of(sequences, labels), settings, space)
    other = windows_of([2 * sequence for sequence in sequences], labels, seed=1)
    tuned, rows = train_manipulator(other, settings, base)
    assert [row["step"] for row in rows] == [1]
    for name, value in base.state_dict().items():
        assert torch.equal(tuned.state_dict()[name], value), name


def pair_every_other(windows):
    """Retrieval of the next window for every other window, the others unpaired."""

    def retrieve(source, label, step):
        paired = source.number % 2 == step % 2
        nothing = torch.full_like(source.number, -1)
        distance = torch.where(paired, 1.0, torch.inf)
        return Retrieved(
            torch.where(paired, (source.number + 1) % len(windows), nothing),
            distance,
            nothing,
            torch.where(paired, 0.0, torch.inf),
        )

    return retrieve


@pytest.mark.slow
def test_learns_planted_emotions(space):
    """A short training makes the planted edit of two emotions, and keeps the jaw."""
    sequences, labels, _ = planted_speech(42)
    chosen = [index for index, label in enumerate(labels) if label < 3]
    settings = replace(
        SMALL,
        window_frames=5,
        steps=50,
        encoder_width=64,
        learning_rate=3e-3,
        first_beta=0.5,
        residual=True,
        encode_reference=True,
        fixed_style_target=True,
        discriminator_noise=0.3,
        discriminator_rate=0.3,
        cycle_weight=0.1,
        style_weight=0.3,
    )
    windows = windows_of([sequences[n] for n in chosen], [labels[n] for n in chosen], settings)
    learned, rows = train_manipulator(windows, settings, space)
    for label in (1, 2):
        style = label_style(learned, label, latents=8)
        edited = manipulate(sequences[0], manipulator=learned, style=style)
        lifted = (edited - sequences[0])[:, 5:7].mean(dim=0)
        assert 0.25 < lifted[label - 1] < 0.75  # planted: 0.5
        assert lifted[2 - label].abs() < 0.2  # planted: 0
        jaws = torch.stack((edited[:, 0], sequences[0][:, 0]))
        assert torch.corrcoef(jaws)[0, 1] > 0.9
    assert rows[-1]["step"] == settings.steps


def test_bad_input(space):
    sequences, labels, _ = planted_speech(7, frames=20)
    with pytest.raises(ShapeError, match=r"\[9\]"):
        train_manipulator(windows_of(sequences, [9, *labels[1:]]), SMALL, space)
    with pytest.raises(ShapeError, match="coefficients"):
        train_manipulator(windows_of([s[:, :5] for s in sequences], labels), SMALL, space)
