"""How the steps of both stages run: their schedule, and gradients that are never set to zero."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spfem.settings import CrossModalSettings


@dataclass(frozen=True)
class Schedule:
    """Steps of one stage, for `run_learning`."""

    steps: int
    learning_rate: float
    decay_share: float
    curve_steps: int
    checkpoint_steps: int


def schedule_of(stage: str, settings: CrossModalSettings) -> Schedule:
    """The schedule of the stage `single` or `joint`."""
    single = stage == "single"
    return Schedule(
        settings.single_steps if single else settings.joint_steps,
        settings.single_learning_rate if single else settings.joint_learning_rate,
        settings.decay_share,
        settings.curve_steps,
        settings.checkpoint_steps,
    )


class LearningRun(nn.Module):
    """What a learning run must remember beyond the weights of `model`.

    Args:
        model: that is learned.
        accumulate: add the gradients of all steps up, the released behaviour
            "accumulated_gradients"; their sums are part of the state of the run.
    """

    steps_done: Tensor

    def __init__(self, model: nn.Module, *, accumulate: bool) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))
        if accumulate:
            for number, parameter in enumerate(model.parameters()):
                self.register_buffer(f"sum{number}", torch.zeros_like(parameter))
                parameter.register_hook(self._adder(number))

    def count(self) -> int:
        """Number of learning steps before this one; evaluation does not count."""
        before = int(self.steps_done)
        if self.training:
            self.steps_done += 1
        return before

    def _adder(self, number: int):  # type: ignore[no-untyped-def]
        def add(gradient: Tensor) -> Tensor:
            # The buffer is looked up each time: loading a state may replace it.
            return getattr(self, f"sum{number}").add_(gradient).clone()

        return add
