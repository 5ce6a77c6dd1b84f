"""The cross-modal metric before learning, for comparison."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spfem.correlation.crossmodal.batches import BatchDraw
from spfem.correlation.crossmodal.joint import compare_joint, initial_joint
from spfem.correlation.crossmodal.model import CrossModalCoherence, Visual
from spfem.correlation.crossmodal.samples import FrameSamples, FrameTable
from spfem.settings import CrossModalSettings

STATISTICS_BATCHES = 8


@torch.no_grad()
def untrained_joint(
    table: FrameTable,
    train: FrameSamples,
    settings: CrossModalSettings,
    visual: Visual,
    *,
    seed: int,
) -> CrossModalCoherence:
    """The metric with initial weights and the batch-norm statistics of the training frames.

    So before and after learning differ in learned weights only, not in normalisation.
    """
    model = initial_joint(settings, visual, seed)
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain average over the batches
    draw, random = BatchDraw(table, train, settings), np.random.default_rng(seed)
    model.train()
    for _ in range(STATISTICS_BATCHES):
        compare_joint(model, table, draw(random), consistent=False)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()
