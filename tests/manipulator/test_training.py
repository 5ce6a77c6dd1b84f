from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spfem.errors import InputError, ShapeError
from spfem.manipulator import label_style, manipulate
from spfem.manipulator.learn import Guide, Retrieved, train_manipulator
from tests.manipulator.conftest import SMALL, planted_speech


def want_unit_5(edit):
    return {"wanted": (edit.restore(edit.edited)[..., 5] - 0.6).abs().mean()}


def test_supervision_moves_the_edit(space):
    """A loss that wants coefficient 5 high makes neutral edits that have it high."""
    sequences, labels, _ = planted_speech(14, frames=20)
    results = []
    for weight in (0.0, 50.0):
        settings = replace(SMALL, steps=20, residual=True, learning_rate=5e-3)
        trained = train_manipulator(
            sequences,
            labels,
            settings,
            space=space,
            guide=lambda windows, weight=weight: Guide({"wanted": weight}, want_unit_5),
        )
        style = label_style(trained.manipulator, 0)
        edited = manipulate(sequences[0], manipulator=trained.manipulator, style=style)
        results.append(float(edited[:, 5].mean()))
        assert "wanted" in trained.rows[0]
    assert results[1] > results[0] + 0.2


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
    trained = train_manipulator(
        [sequences[index] for index in chosen],
        [labels[index] for index in chosen],
        settings,
        space=space,
    )
    for label in (1, 2):
        style = label_style(trained.manipulator, label, latents=8)
        edited = manipulate(sequences[0], manipulator=trained.manipulator, style=style)
        lifted = (edited - sequences[0])[:, 5:7].mean(dim=0)
        assert 0.25 < lifted[label - 1] < 0.75  # planted: 0.5
        assert lifted[2 - label].abs() < 0.2  # planted: 0
        jaws = torch.stack((edited[:, 0], sequences[0][:, 0]))
        assert torch.corrcoef(jaws)[0, 1] > 0.9
    assert trained.rows[-1]["step"] == settings.steps


def test_bad_input(space):
    sequences, labels, _ = planted_speech(7, frames=20)
    with pytest.raises(InputError, match="at least one"):
        train_manipulator([], [], SMALL, space=space)
    with pytest.raises(ShapeError, match=r"\[9\]"):
        train_manipulator(sequences, [9, *labels[1:]], SMALL, space=space)
    with pytest.raises(ShapeError, match="coefficients"):
        train_manipulator([s[:, :5] for s in sequences], labels, SMALL, space=space)
