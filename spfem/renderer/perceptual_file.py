"""The user's own VGG19 for the perceptual loss: torchvision's ImageNet weights."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from spfem.checkpoints import load_weights, read_released
from spfem.renderer.perceptual import PerceptualLoss

UNSEEN = r"features\.(30|32|34)\..+|classifier\..+"  # layers behind relu5_1


def load_perceptual_loss(path: Path, device: torch.device | str = "cpu") -> PerceptualLoss:
    """Read `vgg19-dcbb9e9d.pth` (entries `features.<n>.weight`), strictly.

    Layers behind relu5_1 are not used.

    Raises:
        CheckpointError: if the file is missing, damaged, holds code, or its entries are missing,
            surplus or of another shape.
    """
    file = read_released(path).without(UNSEEN)
    loss = PerceptualLoss()
    own = {re.sub(r"^vgg\.slice\d", "features", name): name for name in loss.state_dict()}
    tensors = {own.get(name, name): value for name, value in file.tensors.items()}
    load_weights(loss, tensors, path, advice="give torchvision's vgg19-dcbb9e9d.pth")
    return loss.to(device).eval()
