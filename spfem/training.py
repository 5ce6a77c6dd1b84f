"""Learning: the one loop of everything that is learned, and the state from which it goes on.

A learner gives its modules, its optimisers and a step, which draws, compares, moves the weights and
returns its losses. Two rules make a killed run end as an uninterrupted one:

* the random numbers of a step are decided by the seed and the number of the step alone;
* what a step hands on to the next lies in weights and buffers of the modules, or in moments of the
  optimisers.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, tensors_below
from spfem.distributed import average_gradients, is_first, mean_of_all, wait_for_all
from spfem.errors import CheckpointError, SpfemError, TrainingStateError
from spfem.files import STATE_NAME, digest

CURVE_ROWS = 100  # of a learning curve, about, where the learner does not say how far apart
KEEP_SECONDS = 30.0  # between two writes of the state
STATE_KIND = "training state"

Progress = Callable[[Iterable[int]], Iterable[int]]
"""Wraps the numbers of the steps, for example `tqdm`."""

Row = dict[str, Any]
"""A row of a learning curve: `step`, and the mean of each loss since the row before."""

Step = Callable[[int, np.random.Generator], Mapping[str, Tensor]]
"""Makes step `index` (from 0) with the random numbers of that step; gives scalar losses by name."""


def step_random(seed: int, index: int) -> np.random.Generator:
    """The random numbers of step `index`, as the loop gives them to the step."""
    return np.random.default_rng((seed, index))


def step_generator(seed: int, which: int, index: int) -> torch.Generator:
    """A torch generator of step `index`, on the CPU, so that devices draw alike.

    `which` tells apart what is drawn in one step.
    """
    # Mixed, since on the CPU `manual_seed` reads the lower 32 bits of a seed only.
    mixed = np.random.SeedSequence((seed, which, index)).generate_state(1)[0]
    return torch.Generator().manual_seed(int(mixed))


def torch_generator(random: np.random.Generator) -> torch.Generator:
    """A torch generator on the CPU whose seed is drawn from `random`."""
    return torch.Generator().manual_seed(int(random.integers(2**62)))


def falling_rate(steps: int, share: float) -> Callable[[int], float]:
    """Share of the learning rate by step: 1, then linearly towards 0 in the last `share` of them.

    Example:
        >>> [falling_rate(10, 0.4)(step) for step in (0, 6, 7, 9)]
        [1.0, 1.0, 0.75, 0.25]
    """
    falling = share * steps
    return lambda step: 1.0 if falling <= 0 else min(1.0, (steps - step) / falling)


def one_cycle(
    index: int, steps: int, learning_rate: float, rising: float = 0.1
) -> tuple[float, float]:
    """Learning rate and momentum of step `index`, those of PyTorch's `OneCycleLR`.

    The rate climbs from a 25th of `learning_rate` to all of it in the first share `rising` of the
    steps, then falls to a 250 000th; the momentum goes from 0.95 to 0.85 and back. Both follow
    half cosines. Where the rise has one step only, which PyTorch refuses, it begins at the top.

    Source: Smith and Topin (2018), "Super-convergence".
    """
    lowest = learning_rate / 25
    top = rising * steps - 1  # the step of the highest rate
    if index <= top:
        way = index / top if top else 1.0
        ends = (lowest, learning_rate), (0.95, 0.85)
    else:
        way = (index - top) / (steps - 1 - top)
        ends = (learning_rate, lowest / 1e4), (0.85, 0.95)
    cosine = math.cos(math.pi * way) + 1
    rate, momentum = (last + (first - last) / 2 * cosine for first, last in ends)
    return rate, momentum


def descend(loss: Tensor, optimiser: Optimizer) -> None:
    """One step of an optimiser down the gradient of `loss`, the mean over all processes."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(value for group in optimiser.param_groups for value in group["params"])
    optimiser.step()


def train(
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, Optimizer],
    step: Step,
    *,
    name: str,
    steps: int,
    seed: int,
    settings: Any = None,
    rate: Callable[[int], float] = lambda index: 1.0,
    row_steps: int | None = None,
    describe: Callable[[Row], list[Row]] = lambda row: [row],
    folder: Path | None = None,
    progress: Progress = iter,
) -> list[Row]:
    """Learn in place; leave the modules in evaluation mode.

    Under `torchrun` every process makes its share of each step (`spfem.distributed`); losses are
    averaged over processes, and the first one writes.

    Args:
        modules: all that changes, by name, on their device and with their first weights.
        optimisers: by name, with their full learning rates.
        step: see `Step`; it sets gradients to zero and steps the optimisers itself.
        name: of the learner, for errors.
        steps: in all, also of a run that goes on.
        seed: of the draws.
        settings: plain values or a dataclass that decide what is learned.
        rate: by number of the step, the share of every learning rate.
        row_steps: steps that a row of the curve covers; the last one may cover fewer.
        describe: makes rows of the curve from the row of losses that is due, for example one more
            of unseen data.
        folder: where the state is kept about every `KEEP_SECONDS` and after the last step, and
            from which learning goes on; None: it is not kept.
        progress: wraps the loop.

    Returns:
        The learning curve, with the rows of the run before if it goes on.

    Raises:
        TrainingStateError: if the state in `folder` is damaged or of another training.
        SpfemError: if a loss stops being finite.
    """
    path = None if folder is None else folder / STATE_NAME
    state = _State(modules, optimisers)
    if path is not None:
        state.identity = {
            "learner": name,
            "seed": seed,
            "steps": steps,
            "settings": digest(settings),
            "first weights": _digest_weights(modules),
        }
        state.load(path)
    wait_for_all()  # before the first process writes the state anew
    row_steps = row_steps or max(1, steps // CURVE_ROWS)
    groups = [group for optimiser in optimisers.values() for group in optimiser.param_groups]
    full_rates = [group["lr"] for group in groups]
    for module in modules.values():
        module.train()
    kept = time.monotonic()
    for index in progress(range(state.done, steps)):
        for group, full_rate in zip(groups, full_rates, strict=True):
            group["lr"] = full_rate * rate(index)
        for key, loss in step(index, step_random(seed, index)).items():
            state.recent.setdefault(key, []).append(loss.detach())  # read when a row is due
        state.done = index + 1
        if state.done % row_steps == 0 or state.done == steps:
            state.rows += describe({"step": state.done, **state.means(name)})
            state.recent.clear()
        due = state.done == steps or time.monotonic() - kept >= KEEP_SECONDS
        if path is not None and due and is_first():
            state.save(path)
            kept = time.monotonic()
    for module in modules.values():
        module.eval()
    return state.rows


@dataclass
class _State:
    """All that a killed run needs: modules, moments, curve and the losses of the next row."""

    modules: Mapping[str, nn.Module]
    optimisers: Mapping[str, Optimizer]
    identity: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    rows: list[Row] = field(default_factory=list)
    recent: dict[str, list[Tensor]] = field(default_factory=dict)

    def means(self, learner: str) -> dict[str, float]:
        """Mean of each loss since the last row, over all processes."""
        numbers = {}
        for key, values in self.recent.items():
            numbers[key] = float(mean_of_all(torch.stack(values).mean()))
            if not math.isfinite(numbers[key]):
                raise SpfemError(
                    f"{key!r} of {learner} is not finite at step {self.done}; lower the learning "
                    "rate"
                )
        return numbers

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        tensors = {
            f"module/{name}/{key}": value
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            for number, moments in optimiser.state_dict()["state"].items():
                for key, value in moments.items():
                    tensors[f"optimiser/{name}/{number}/{key}"] = torch.as_tensor(value)
        tensors |= {f"loss/{key}": torch.stack(values) for key, values in self.recent.items()}
        facts = {
            "identity": self.identity,
            "done": self.done,
            # Lists, since a checkpoint does not keep the order of names.
            "rows": [list(row.items()) for row in self.rows],
            "losses": list(self.recent),
        }
        save_checkpoint(path, tensors, kind=STATE_KIND, facts=facts)

    def load(self, path: Path) -> None:
        """Take over what `save` wrote, if there is something."""
        if not path.exists():
            return
        try:
            tensors, facts = load_checkpoint(path, kind=STATE_KIND)
            found = facts["identity"]
            other = [key for key, value in self.identity.items() if found[key] != value]
            if other:
                raise CheckpointError(f"it is of another {', '.join(other)}")
            for name, module in self.modules.items():
                load_weights(module, tensors_below(tensors, f"module/{name}/"), path)
            for name, optimiser in self.optimisers.items():
                moments: dict[int, dict[str, Tensor]] = {}
                for key, value in tensors_below(tensors, f"optimiser/{name}/").items():
                    number, moment = key.split("/")
                    moments.setdefault(int(number), {})[moment] = value
                optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
            device = next(next(iter(self.modules.values())).parameters()).device
            self.recent = {
                key: list(tensors[f"loss/{key}"].to(device).unbind()) for key in facts["losses"]
            }
            self.done, self.rows = int(facts["done"]), [dict(row) for row in facts["rows"]]
        except (CheckpointError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0].split(";")[0]
            raise TrainingStateError(
                f"learning cannot go on from {path}: {reason}. Remove the file to learn from the "
                "first step, or use the seed, settings and version of spfem that made it"
            ) from error


def _digest_weights(modules: Mapping[str, nn.Module]) -> str:
    hasher = hashlib.sha256()
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            hasher.update(f"{name}/{key} {value.dtype} {tuple(value.shape)}".encode())
            whole = value.detach().cpu().contiguous().reshape(-1)
            hasher.update(whole.view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()[:16]


def show_progress(name: str) -> Progress:
    """A wrapper of the loop that shows a bar with the name of what is learned."""
    from tqdm.auto import tqdm  # not of the light install

    return lambda steps: tqdm(steps, desc=name, mininterval=5)
