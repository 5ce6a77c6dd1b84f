from __future__ import annotations

import pytest
import torch

from spfem.manipulator import ExpressionSpace
from spfem.settings import ManipulatorSettings

SMALL = ManipulatorSettings(
    width=32, encoder_width=32, mapping_width=16, batch_size=32, steps=12, learning_rate=1e-3
)


def planted_speech(clips=42, frames=40, coefficients=12, seed=0):
    """Speech in coefficients 0 to 3; emotion e > 0 lifts coefficient 4 + e by 0.5.

    Returns noisy sequences, their labels and the neutral speech without noise.
    """
    random = torch.Generator().manual_seed(seed)
    labels = [index % 7 for index in range(clips)]
    time = torch.arange(frames) / 25
    sequences, speech = [], []
    for label in labels:
        frequency = 1.5 + 3 * torch.rand(1, generator=random)
        phase = 6.3 * torch.rand(1, generator=random)
        opening = 0.25 + 0.2 * torch.sin(6.28 * frequency * time + phase)
        neutral = torch.zeros(frames, coefficients) + 0.1
        neutral[:, :4] = opening[:, None] * torch.tensor([1.0, 0.5, 0.8, 0.3])
        sequence = neutral.clone()
        if label:
            sequence[:, 4 + label] += 0.5
        speech.append(neutral)
        sequences.append(sequence + 0.01 * torch.randn(sequence.shape, generator=random))
    return sequences, labels, speech


@pytest.fixture(scope="session")
def small():
    return SMALL


@pytest.fixture(scope="session")
def space():
    return ExpressionSpace(tuple(f"unit{index}" for index in range(12)), (0.0, 1.0))
