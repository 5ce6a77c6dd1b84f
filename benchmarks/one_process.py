"""Run by `torchrun` with one process: the code for several, on the device and its network.

`python -m torch.distributed.run --standalone --nproc_per_node=1 -m benchmarks.one_process cuda`
prints one line of JSON.
"""

from __future__ import annotations

import copy
import json
import sys

import torch
import torch.distributed as dist

from benchmarks.agreement import distance
from benchmarks.made_up import made_up_images
from benchmarks.sizes import rehearsed
from spfem.correlation.asccl import SpatialCoherence
from spfem.distributed import (
    average_gradients,
    joined_processes,
    mean_of_all,
    share_norms,
    wait_for_all,
)


def gradients_of_both(device: str) -> dict[str, float]:
    """Distance of loss and gradients from those of the same metric without the other code."""
    settings = rehearsed().spatial
    torch.manual_seed(0)
    alone = SpatialCoherence(settings).to(device).train()
    shared = copy.deepcopy(alone)
    pictures = [made_up_images(2, settings.image_size, seed).to(device) for seed in (0, 1)]

    def loss_of(metric: SpatialCoherence) -> torch.Tensor:
        random = torch.Generator().manual_seed(0)
        return metric.total(metric.compare(*pictures, generator=random))

    share_norms(shared)
    losses = [loss_of(alone), loss_of(shared)]
    for loss in losses:
        loss.backward()
    average_gradients(shared.parameters())
    wait_for_all()
    mean = mean_of_all(losses[1])
    found = [
        [parameter.grad.double().cpu() for parameter in metric.parameters()]  # type: ignore[union-attr]
        for metric in (shared, alone)
    ]
    statistics = [
        [value.double().cpu() for name, value in metric.named_buffers() if "running" in name]
        for metric in (shared, alone)
    ]
    return {
        "loss": abs(float(mean) / float(losses[0]) - 1),
        "gradient": distance(*found),
        "statistics": distance(*statistics),
    }


if __name__ == "__main__":
    with joined_processes(sys.argv[1]) as where:
        torch.backends.cudnn.allow_tf32 = False
        found = {"backend": dist.get_backend(), "device": where, **gradients_of_both(where)}
    print(json.dumps(found))
