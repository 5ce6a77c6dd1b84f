"""Edits of random windows, as supervision gets them in a training."""

from __future__ import annotations

import torch

from spfem.manipulator.data import WindowBatch
from spfem.manipulator.learn import SupervisedEdit

UNITS = 52


def make_edit(*, count=3, step=0, seed=0):
    """Windows of two clips; standardised expressions with mean 0.2 and deviation 0.1."""
    random = torch.Generator().manual_seed(seed)
    source, edited = torch.randn(2, count, 10, UNITS, generator=random)
    numbers = torch.arange(count)
    batch = WindowBatch(source, numbers % 7, numbers % 2, numbers, numbers)
    return SupervisedEdit(
        batch,
        edited.requires_grad_(),
        (numbers + 1) % 7,
        lambda standardised: 0.2 + 0.1 * standardised,
        step,
    )
