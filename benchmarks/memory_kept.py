"""Whether a part gives back all memory that it took."""

from __future__ import annotations

import gc

import torch

SLACK_BYTES = 1 << 20  # constants that are kept for good: a few numbers each


def held_bytes(device: str) -> int:
    """Bytes of tensors that are alive, after everything unreachable is gone.

    On a GPU the allocator knows, workspaces of matrix products left out; on the processor the
    tensors that Python can see are counted.
    """
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()
        return torch.cuda.memory_allocated(device)
    storages: dict[int, int] = {}
    for each in gc.get_objects():
        if isinstance(type(each), type) and issubclass(type(each), torch.Tensor):
            storage = each.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())
