"""SCMCL in the renderer: pictures as far apart as the sounds that belong to them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.crossmodal.paired import distance_consistency_loss
from spfem.correlation.preprocess import images_from_frames
from spfem.renderer.pairs import DistanceLoss, RetrievedPairs

EMBEDDED_AT_ONCE = 32  # references


def hold_distances(
    metric: CrossModalCoherence, pairs: RetrievedPairs, device: torch.device | str = "cpu"
) -> DistanceLoss:
    """The consistency loss of `pairs`: pictures as far from references as the sounds are apart.

    References are embedded once.

    Args:
        metric: of sound and images, frozen (`supervise`), on `device`.
        pairs: whose rows the loss is asked for.
        device: where the pictures will be.
    """
    embeddings = []
    with torch.no_grad():
        for start in range(0, len(pairs), EMBEDDED_AT_ONCE):
            part = pairs.references[start : start + EMBEDDED_AT_ONCE]
            images = images_from_frames(part.reshape(-1, *part.shape[2:]), device)
            embeddings.append(metric.embed_visual(images.unflatten(0, part.shape[:2])))
    reference = torch.cat(embeddings) if embeddings else torch.empty(0)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    distance, first_distance = on_device(pairs.distance), on_device(pairs.first_distance)
    source, target = on_device(pairs.source_label), on_device(pairs.target_label)

    def loss(pictures: Tensor, rows: Tensor) -> Tensor:
        return distance_consistency_loss(
            metric,
            pictures,
            None,
            distance[rows],
            torch.ones_like(rows, dtype=torch.bool),
            source[rows],
            target[rows],
            intermediate_distance=first_distance[rows],
            # Each row has one reference: its source, or its neutral window.
            source_embedding=reference[rows],
            intermediate_embedding=reference[rows],
        )

    return loss
