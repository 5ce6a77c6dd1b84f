"""Learning in several processes that `torchrun` starts: each sees its share of every batch.

Shares are exact: all processes draw the same batch, batch norm counts all shares, and gradients
are averaged, so that several processes learn what one learns on the whole batch, up to rounding.
In a program started without `torchrun` nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from spfem.errors import SettingsError

LONGEST_WAIT = timedelta(days=7)  # of the others while the first process makes an earlier stage


def process_count() -> int:
    """How many processes learn together; 1 without `torchrun`."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process writes files."""
    return not dist.is_initialized() or dist.get_rank() == 0


@contextmanager
def joined_processes(device: str) -> Iterator[str]:
    """Join the processes that `torchrun` started; gives the device of this one.

    Args:
        device: `cpu` (over gloo) or `cuda` (over NCCL, one GPU a process).
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # not started by `torchrun`
        yield device
        return
    if device != "cpu":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("gloo" if device == "cpu" else "nccl", timeout=LONGEST_WAIT)
    try:
        yield device
    finally:
        dist.destroy_process_group()


@contextmanager
def first_alone() -> Iterator[None]:
    """Let the first process through the block before the others, so that they find its files."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


def wait_for_all() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()


def own_share(batch: Any) -> Any:
    """The rows of a batch (B, ...) that this process computes: B / processes, side by side.

    Rows that cannot be shared equally are refused (`SettingsError`).
    """
    processes = process_count()
    if processes == 1:
        return batch
    if len(batch) % processes:
        raise SettingsError(
            f"a batch of {len(batch)} cannot be shared equally by {processes} processes; start "
            "a number that divides it"
        )
    rows = len(batch) // processes
    return batch[dist.get_rank() * rows : (dist.get_rank() + 1) * rows]


def mean_of_all(value: Tensor) -> Tensor:
    """Mean of a tensor of any shape over all processes, without gradient."""
    if process_count() == 1:
        return value
    return _summed(value.detach().clone()) / process_count()


def refuse_sharing(what: str) -> None:
    """Stop what cannot be shared: raise `SettingsError` if several processes learn together."""
    if process_count() > 1:
        raise SettingsError(f"{what} learns in one process; start it without torchrun")


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Make the gradients of all processes equal to their mean; nothing where there is one."""
    if dist.is_initialized():
        gradients = [each.grad for each in parameters if each.grad is not None]
        means = mean_of_all(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = means.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def share_norms(model: nn.Module) -> None:
    """Let the batch norms of a model count the shares of all processes while they learn.

    They are changed in place, where processes are joined; names and values of weights stay.
    """
    if dist.is_initialized():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.forward = _shared_norm(module)  # type: ignore[assignment, method-assign]


class _Sum(torch.autograd.Function):
    """Sum over processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        return _summed(value.clone())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return _summed(gradient.contiguous().clone())


def _summed(value: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    dist.all_reduce(value)
    return value


def _shared_norm(norm: nn.modules.batchnorm._BatchNorm) -> Callable[[Tensor], Tensor]:
    """Forward pass of a batch norm over the rows of all processes, equal in number.

    PyTorch's own `SyncBatchNorm` is for GPUs only.
    """
    alone = norm.forward

    def forward(features: Tensor) -> Tensor:
        if not norm.training:
            return alone(features)
        given = features.dtype
        if given.itemsize < 4:  # as the built-in batch norm computes
            features = features.float()
        axes = [0, *range(2, features.ndim)]
        shape = (1, -1, *(1,) * (features.ndim - 2))
        processes = process_count()
        count = features.numel() // features.shape[1] * processes
        mean = _Sum.apply(features.mean(axes)) / processes
        centred = features - mean.view(shape)
        variance = _Sum.apply(centred.square().mean(axes)) / processes
        if norm.running_mean is not None and norm.running_var is not None:
            with torch.no_grad():
                assert norm.num_batches_tracked is not None  # has running statistics
                norm.num_batches_tracked.add_(1)
                share = norm.momentum or 1.0 / float(norm.num_batches_tracked)
                norm.running_mean.lerp_(mean, share)
                norm.running_var.lerp_(variance * (count / max(1, count - 1)), share)
        scaled = centred * torch.rsqrt(variance + norm.eps).view(shape)
        return (scaled * norm.weight.view(shape) + norm.bias.view(shape)).to(given)

    return forward
