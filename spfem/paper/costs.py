"""What the networks cost: parameters, arithmetic, time and memory, beside the published facts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.rows import median_seconds
from spfem.paper.cost_items import CostItem, list_cost_items
from spfem.paper.published import read_published
from spfem.precision import autocast
from spfem.scales import load_scale
from spfem.settings import Scale

MIB = 2**20
PAPER_EXPRESSION = 51  # coefficients of a frame in the papers
COLUMNS = (
    "size", "network", "per", "parameters", "gflop", "seconds", "peak_mib",
    "published_parameters", "published_gflop",
)  # fmt: skip


def cost_table(
    scale: Scale, expression_size: int, *, device: str, repeats: int = 3
) -> pd.DataFrame:
    """Rows with `COLUMNS`, first at the workspace's scale, then at the papers' sizes.

    * `gflop`: 10^9 operations of one unit of work, two a multiply-add, counted while it runs on
      the processor; learning steps include the backward pass. At the papers' sizes a unit of
      several pictures counts as that many times one picture (`CostItem.pictures`), which leaves
      out the comparison of their features, under 1 % there.
    * `seconds`, `peak_mib`: of the workspace's scale only, on its device, in its precision. The
      peak is that of tensors allocated during the work, above weights and inputs.
    * `published_...`: facts of `data/published/network_costs.csv`, only beside the papers' sizes.

    Args:
        scale: of the workspace.
        expression_size: E of its manipulator.
        device: `cpu` or `cuda`.
        repeats: timed runs, of which the median counts.
    """
    rows = [
        _describe(item, scale.name) | _measure(item, scale, device, repeats)
        for item in list_cost_items(scale, expression_size)
    ]
    facts, picture = read_published("network_costs").set_index("network"), 0.0
    for item in list_cost_items(load_scale("paper"), PAPER_EXPRESSION):
        row = _describe(item, "papers", counted=item.pictures * picture)
        if item.network == "spatial metric":
            picture = row["gflop"]
        if item.network in facts.index:
            fact = facts.loc[item.network]
            row |= {"published_parameters": fact.parameters, "published_gflop": fact.gflop}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def count_parameters(module: nn.Module) -> int:
    """Learned numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_gflop(item: CostItem) -> float:
    """10^9 operations of one unit of work, on the processor.

    The counter does not know the fused LSTM of oneDNN, so networks with one run without it.
    """
    item.module.train(item.learns)
    counter = FlopCounterMode(display=False)
    recurrent = any(isinstance(module, nn.LSTM) for module in item.module.modules())
    fused = torch.backends.mkldnn.flags(enabled=not recurrent)  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the switch warns of other processors
        with fused, counter, torch.set_grad_enabled(item.learns):
            result = item.run(item.inputs)
            if isinstance(result, Tensor) and item.learns:
                result.backward()
    return counter.get_total_flops() / 1e9


def peak_bytes(
    work: Callable[[], object], module: nn.Module, inputs: Sequence[Tensor], device: str
) -> int:
    """Most bytes of tensors beside weights and inputs while `work` runs.

    On the processor tensors (of any shape) are followed one by one; scratch memory inside an
    operation is left out. Gradients and what the optimiser keeps count.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    from torch.distributed._tools.mem_tracker import MemTracker

    tracker = MemTracker()
    tracker.track_external(module, *inputs)
    with tracker:
        held = tracker.get_tracker_snapshot("current")
        work()
    before, most = (
        max((part["Total"] for part in snapshot.values()), default=0)
        for snapshot in (held, tracker.get_tracker_snapshot("peak"))
    )
    return int(most - before)


def published_share(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the papers' sizes with a published number, and ours as a share of it."""
    rows = table[(table["size"] == "papers") & table.published_gflop.notna()]
    return rows[["network", "per"]].assign(
        parameters=rows.parameters / rows.published_parameters,
        gflop=rows.gflop / rows.published_gflop,
    )


def _describe(item: CostItem, size: str, *, counted: float = 0.0) -> dict[str, Any]:
    return {
        "size": size,
        "network": item.network,
        "per": item.per,
        "parameters": count_parameters(item.module),
        "gflop": counted or count_gflop(item),
    }


def _measure(item: CostItem, scale: Scale, device: str, repeats: int) -> dict[str, Any]:
    item.module.to(device).train(item.learns)
    inputs = tuple(tensor.to(device) for tensor in item.inputs)
    optimiser = torch.optim.Adam(item.module.parameters()) if item.learns else None
    precision = scale.renderer.precision if item.network.startswith("renderer") else "float32"

    def work() -> None:
        with torch.set_grad_enabled(item.learns), autocast(device, precision):
            result = item.run(inputs)
            if optimiser is not None and isinstance(result, Tensor):
                optimiser.zero_grad(set_to_none=True)
                result.backward()
                optimiser.step()

    seconds = median_seconds({"work": work}, device=device, repeats=repeats)["work"]
    return {"seconds": seconds, "peak_mib": peak_bytes(work, item.module, inputs, device) / MIB}
