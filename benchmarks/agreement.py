"""One computation on two devices: outputs and gradients against the processor in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.record import Record
from spfem.correlation.backbone import ChannelPReLU
from spfem.correlation.encoders import ResNet18
from spfem.renderer.losses import PerceptualLoss

EXACT = {"output": 1e-9, "gradient": 1e-8}  # relative, of float64 on two devices
SINGLE_TIMES, SINGLE_LEAST, SINGLE_MOST = 10.0, 3e-5, 0.05  # times what it costs there
# A ReLU whose argument is within rounding of 0 falls to either side, and gives or takes a path of
# the gradient: weights changed by 3e-7 of themselves, in float64, change the gradient of IResNet
# by 4e-4 or 3e-3, by which paths they switch, and its output by 2e-6. The processor's own float32
# may switch none. Right gradients are held to in float64.
SWITCHED = 5e-3
SWITCHES = (nn.ReLU, nn.LeakyReLU, ChannelPReLU, ResNet18, PerceptualLoss, nn.MaxPool2d)
Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A computation whose numbers must not depend on the device.

    Attributes:
        name: for the table.
        module: on the processor in float32, in the mode that it shall have.
        inputs: by name, float64 or whole numbers; those of floating point take a gradient.
        run: module and inputs to outputs of any shapes.
        constants: names of inputs that take no gradient.
        precisions: in which it is compared; a computation that rounds to whole pixels has no
            float32 to hold it to.
    """

    name: str
    module: nn.Module
    inputs: Inputs
    run: Callable[[nn.Module, Inputs], Sequence[Tensor]]
    constants: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("float64", "float32")


@dataclass(frozen=True)
class Numbers:
    """Outputs and gradients of a case, float64 on the processor."""

    output: list[Tensor]
    gradient: list[Tensor]


def compute(case: Case, device: str, kind: torch.dtype) -> Numbers:
    """Run a case and pull a fixed weighting of its outputs back to inputs and weights."""
    module = copy.deepcopy(case.module).to(device=device, dtype=kind)
    inputs = {}
    for name, value in case.inputs.items():
        # A copy in any case, so that no run sees the gradients of another.
        given = value.detach().clone().to(device)
        if given.is_floating_point():
            given = given.to(kind).requires_grad_(name not in case.constants)
        inputs[name] = given
    outputs = list(case.run(module, inputs))
    carrying = [output for output in outputs if output.requires_grad]
    if carrying:
        torch.stack([_weigh(output) for output in carrying]).sum().backward()
    learned = [*inputs.values(), *module.parameters()]
    gradients = [value.grad for value in learned if value.grad is not None]
    return Numbers(*([v.detach().double().cpu() for v in part] for part in (outputs, gradients)))


def _weigh(output: Tensor) -> Tensor:
    """A scalar in which no entry counts like its neighbour."""
    count = output.numel()
    weights = torch.cos(torch.arange(count, dtype=torch.float64)).to(output.device, output.dtype)
    return (output.reshape(-1) * weights).sum() / count**0.5


def distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Length of the difference as a share of the length of what is wanted; infinite if unlike."""
    if [each.shape for each in found] != [each.shape for each in wanted]:
        return float("inf")
    if not wanted:
        return 0.0
    apart = torch.stack([(a - b).square().sum() for a, b in zip(found, wanted, strict=True)]).sum()
    length = torch.stack([b.square().sum() for b in wanted]).sum()
    share = apart.sqrt() / length.sqrt() if length else apart.sqrt()
    return float(share) if torch.isfinite(share) else float("inf")


def compare(record: Record, case: Case, device: str) -> None:
    """Four checks of a case: output and gradient, in float64 and in float32."""
    truth = compute(case, "cpu", torch.float64)
    single = compute(case, "cpu", torch.float32)
    for name in case.precisions:
        kind = getattr(torch, name)
        found = compute(case, device, kind)
        for part in ("output", "gradient"):
            wanted = getattr(truth, part)
            if not wanted:
                continue
            limit, note = EXACT[part], ""
            if kind == torch.float32:
                usual = distance(getattr(single, part), wanted)
                switching = any(isinstance(each, SWITCHES) for each in case.module.modules())
                least = SWITCHED if switching and part == "gradient" else SINGLE_LEAST
                limit = min(max(SINGLE_TIMES * usual, least), SINGLE_MOST)
                note = f"the processor's own float32: {usual:.1e}"
            figure = distance(getattr(found, part), wanted)
            record.check(f"{case.name}, {part}, {name}", figure, limit, note)
