"""Checks of values on a GPU that keep nobody waiting once the first batch was good."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

Complain = Callable[[list[float]], None]
"""Raises if the numbers are wrong."""

_good: set[tuple[object, ...]] = set()
_flying: deque[tuple[torch.cuda.Event, Tensor, Complain]] = deque()


def check_numbers(numbers: Tensor, complain: Complain, *, key: tuple[object, ...]) -> None:
    """Give a few `numbers` (N,), computed from an argument, to `complain`.

    On the processor at once. Reading a number of a GPU waits for all its work, so there only the
    first numbers of a `key` are read at once; later ones are copied beside the work and looked at
    by the first call of this function that finds them there. A batch that turns bad later on is
    thus refused, but one call or a few after it was given. Nothing is checked while a CUDA graph
    is recorded, which computes nothing.

    Args:
        numbers: on any device.
        complain: raises if they are wrong.
        key: what is checked: the name of the argument, its shape.
    """
    if not numbers.is_cuda:
        complain(numbers.tolist())
        return
    if torch.cuda.is_current_stream_capturing():
        return
    while _flying and _flying[0][0].query():
        _, host, complaint = _flying.popleft()
        complaint(host.tolist())
    if key not in _good:
        complain(numbers.tolist())
        _good.add(key)
        return
    host = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
    host.copy_(numbers, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    _flying.append((event, host, complain))
