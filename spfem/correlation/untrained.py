"""The metric before learning, against which learning is judged."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spfem.correlation.frame_pairs import FrameProvider
from spfem.correlation.preprocess import images_from_frames, prepare_images
from spfem.correlation.spatial import SpatialCoherence
from spfem.settings import SpatialSettings

STATISTICS_BATCHES = 8


def initial_metric(settings: SpatialSettings, seed: int) -> SpatialCoherence:
    """The metric with initial weights; leaves the global random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpatialCoherence(settings)


def untrained_metric(
    train: FrameProvider,
    settings: SpatialSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> SpatialCoherence:
    """The metric as `train_spatial` starts it, with batch-norm statistics of the training frames.

    Returns:
        The metric in evaluation mode.
    """
    metric = initial_metric(settings, seed).to(device)
    gather_statistics(metric.resnet50, train, settings, seed=seed)
    return metric.eval()


@torch.no_grad()
def gather_statistics(
    backbone: nn.Module, train: FrameProvider, settings: SpatialSettings, *, seed: int
) -> None:
    """Set the batch-norm statistics of a backbone with initial weights to those of frames.

    Without them, features of initial weights are so small that head biases decide everything; so
    before and after learning differ in learned weights only, not in normalisation.

    Args:
        backbone: changed in place; left in training mode.
        train: frames of two emotions.
        settings: size and number of the images of a batch.
        seed: of the draw.
    """
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    device = next(backbone.parameters()).device
    random = np.random.default_rng(seed)
    backbone.train()
    for _ in range(STATISTICS_BATCHES):
        for frames in train.draw(settings.batch_size, random):
            backbone(prepare_images(images_from_frames(frames, device), settings.image_size))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
