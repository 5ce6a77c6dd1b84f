"""Numbers from the processor to where networks are, without waiting for a GPU."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor


def upload(values: np.ndarray | Tensor, device: torch.device | str) -> Tensor:
    """`values` (any shape) as a tensor on `device`.

    An ordinary copy to a GPU first waits until all work that was given to it is done; from pinned
    memory the copy takes its place in the queue.
    """
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@cache
def constant(values: tuple[tuple[int, ...], ...] | tuple[int, ...], device: torch.device) -> Tensor:
    """Whole numbers as an int64 tensor (N,) or (N, 2), made once a device; never to be changed."""
    with torch.inference_mode(False):  # what is first asked for there shall serve learning, too
        return torch.tensor(values, device=device)
