"""Which floating-point format the networks compute in."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.errors import SettingsError


def full(values: Tensor) -> Tensor:
    """Values (any shape) in float32, or in float64 if they are: for sums and losses."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def autocast(device: torch.device | str, precision: str) -> torch.autocast:
    """Context in which the networks run.

    Args:
        device: where they run.
        precision: "float32", "bfloat16", or "auto": bfloat16 where the processor multiplies
            bfloat16 matrices in hardware (AMX on CPUs, Ampere and later on GPUs), else float32.

    Raises:
        SettingsError: for another word.
    """
    kind = torch.device(device).type
    if precision == "auto":
        if kind == "cuda":
            wanted = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            wanted = kind == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    elif precision in ("float32", "bfloat16"):
        wanted = precision == "bfloat16"
    else:
        raise SettingsError(
            f"precision {precision!r} is unknown; choose 'float32', 'bfloat16' or 'auto'"
        )
    return torch.autocast(kind, torch.bfloat16, enabled=wanted)
