"""Optimisers, curve and kept state of a renderer's training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from spfem.artifacts import digest
from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, tensors_below
from spfem.errors import CheckpointError
from spfem.renderer.checkpoint import TrainedRenderer
from spfem.settings import RendererSettings

KEEP_SECONDS = 30.0  # between two writes of the state
STATE_KIND = "renderer training state"
BETAS = (0.5, 0.999)


class TrainingState:
    """What a killed training needs to go on as if nothing had happened.

    The state is kept between sequences only, where no own pictures are carried; draws depend on
    seed and step alone.
    """

    def __init__(
        self,
        renderer: TrainedRenderer,
        settings: RendererSettings,
        *,
        seed: int,
        steps: int,
        folder: Path | None,
    ) -> None:
        self.renderer = renderer
        self.path = None if folder is None else folder / "training_state.safetensors"
        start = [float(p.detach().double().sum()) for p in renderer.generator.parameters()]
        self.identity = digest({"settings": asdict(settings), "run": [seed, steps], "start": start})
        self.step = 0
        self.kept = time.monotonic()
        self.sums: dict[str, list[Tensor]] = {}
        self.own = list(renderer.generator.parameters())
        self.other = [
            parameter
            for name, network in renderer.networks().items()
            if name != "generator"
            for parameter in network.parameters()
        ]
        self.optimisers = [
            torch.optim.Adam(parameters, lr=settings.learning_rate, betas=BETAS, fused=True)
            for parameters in (self.own, self.other)
        ]

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of all networks."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate

    def update(self, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
        """One step of the generator on the sum of `ours`, of the discriminators on `theirs`."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        # both sides share the discriminators' graph, so gradients come before any step
        torch.stack(list(ours.values())).sum().backward(inputs=self.own, retain_graph=bool(theirs))
        if theirs:
            torch.stack(list(theirs.values())).sum().backward(inputs=self.other)
        for optimiser in self.optimisers:
            optimiser.step()

    def record(self, step: int, terms: Mapping[str, Tensor], *, every: int) -> None:
        """Collect loss terms; a row of the curve is their mean over `every` steps."""
        for name, value in terms.items():
            self.sums.setdefault(name, []).append(value.detach())  # read when a row is due
        if (step + 1) % every == 0:
            means = {name: sum(values) / len(values) for name, values in self._numbers().items()}
            self.renderer.curve.append({"step": float(step + 1), **means})
            self.sums = {}

    def _numbers(self) -> dict[str, list[float]]:
        return {name: [float(value) for value in values] for name, values in self.sums.items()}

    def keep(self, step: int) -> None:
        """Write the state before `step` if the last write is long ago."""
        if self.path is None or time.monotonic() - self.kept < KEEP_SECONDS:
            return
        tensors: dict[str, Tensor] = {}
        for name, network in self.renderer.networks().items():
            tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"adam{number}.{index}.{key}": value for key, value in moments.items()}
        facts = {
            "identity": self.identity,
            "step": step,
            "curve": self.renderer.curve,
            "sums": self._numbers(),
        }
        save_checkpoint(self.path, tensors, kind=STATE_KIND, facts=facts)
        self.kept = time.monotonic()

    def restore(self) -> None:
        """Continue from a kept state, if there is one of this very run."""
        if self.path is None or not self.path.exists():
            return
        try:
            tensors, facts = load_checkpoint(self.path, kind=STATE_KIND)
        except CheckpointError:  # damaged: the run starts anew
            return
        if facts.get("identity") != self.identity:
            return
        for name, network in self.renderer.networks().items():
            load_weights(network, tensors_below(tensors, f"{name}."), f"{self.path} ({name})")
        for number, optimiser in enumerate(self.optimisers):
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors_below(tensors, f"adam{number}.").items():
                index, moment = key.split(".", 1)
                moments.setdefault(int(index), {})[moment] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        self.step = int(facts["step"])
        self.sums = {name: [torch.tensor(v) for v in vs] for name, vs in facts["sums"].items()}
        self.renderer.curve.extend(facts["curve"])

    def discard(self) -> None:
        """Remove the kept state after the last step."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
