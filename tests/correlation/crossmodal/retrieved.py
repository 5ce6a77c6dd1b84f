"""Eight windows of which some have pairs: neutral to emotion, back, across, and none."""

from __future__ import annotations

import torch

from tests.correlation.crossmodal.test_model import NARROW, build, moved_statistics

SOURCE_LABEL = torch.tensor([0, 1, 2, 3, 0, 4, 0, 5])
TARGET_LABEL = torch.tensor([1, 0, 3, 3, 0, 5, 2, 6])
PAIRED = torch.tensor([True, True, True, True, True, False, False, True])
DISTANCE = torch.tensor([0.5, 1.0, 1.5, 0.0, 0.0, torch.inf, torch.inf, 0.2]).double()
BETWEEN = torch.tensor([0.0, 0.0, 0.7, 0.0, 0.0, torch.inf, torch.inf, 1.9]).double()


def windows(count=8, length=5, size=12):
    return torch.randn(count, length, size).double()


def metric_for_supervision(settings=NARROW):
    return moved_statistics(build(settings=settings)).double().supervise()
