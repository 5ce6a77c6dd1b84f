"""Weights of supervising losses by their share in the gradient on the edited codes.

Losses of different kinds have no common unit: a weight that is small for one drowns NED's own loss
in another. Equal shares of the gradient make methods comparable. Not in the papers, which give
single weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from spfem.errors import SettingsError
from spfem.manipulator.data import ExpressionWindows
from spfem.manipulator.learn import Guide, Trainer
from spfem.manipulator.networks import Manipulator
from spfem.settings import ManipulatorSettings

BATCHES = 8  # on which gradients are measured
NED = "ned"  # NED's own generator loss among those of a method


@dataclass(frozen=True)
class WeightedLoss:
    """What one loss weighs in a training.

    Attributes:
        loss: its name in the learning curve, or `ned`.
        gradient: Euclidean norm of its gradient on the edited codes before weighting.
        weight: that it enters the training with.
        share: of the weighted gradient norms, whose sum over the losses is 1.
    """

    loss: str
    gradient: float
    weight: float
    share: float


def measure_gradients(
    manipulator: Manipulator,
    settings: ManipulatorSettings,
    windows: ExpressionWindows,
    guide: Guide,
    batches: int = BATCHES,
) -> dict[str, float]:
    """Mean norm of the gradient of each loss on the edited, standardised codes, `ned` first.

    Batches are the first of a training, those that its windows decide, so that methods are
    measured on the same windows. Nothing is changed.

    Args:
        manipulator: that a training starts from.
        settings: of the training.
        windows: of the training, in coefficients.
        guide: what supervises.
        batches: how many.
    """
    networks = Manipulator(settings, manipulator.space, seed=windows.seed)
    networks.load_state_dict(manipulator.state_dict())
    networks.to(windows.frames.device)
    trainer = Trainer(networks, settings, windows.map_frames(networks.standardise), guide)
    norms: dict[str, list[float]] = {}
    for number in range(batches):
        edit, own = trainer.judge_references(number)
        for name, loss in {NED: own, **guide.losses(edit)}.items():
            (gradient,) = torch.autograd.grad(loss, edit.edited, retain_graph=True)
            norms.setdefault(name, []).append(gradient.norm().item())
    return {name: sum(values) / batches for name, values in norms.items()}


def weigh(
    gradients: Mapping[str, float], weights: Mapping[str, float], share: float
) -> tuple[WeightedLoss, ...]:
    """Weights of the losses, and what they come to; `ned` first, which has weight 1.

    Args:
        gradients: of `measure_gradients`.
        weights: published ones by loss; one of 0 leaves its loss out.
        share: of all supervising losses together, split evenly; 0: the weights as given.

    Raises:
        SettingsError: if there is no such share, or a loss has no gradient, so that no weight
            gives it one.
    """
    if not 0 <= share < 1:
        raise SettingsError(f"gradient_share is {share:g}; give 0, or a share below 1")
    chosen = dict(weights)
    counted = [name for name, weight in weights.items() if weight]
    if share and counted:
        silent = [name for name in counted if not gradients[name] > 0]
        if silent:
            raise SettingsError(
                f"{', '.join(silent)} gives the edited codes no gradient on the first batches; set "
                "gradient_share to 0 to weigh it all the same"
            )
        each = share / (1 - share) * gradients[NED] / len(counted)
        chosen |= {name: each / gradients[name] for name in counted}
    chosen = {NED: 1.0, **chosen}
    norms = {name: gradients.get(name, 0.0) for name in chosen}  # one left out is not measured
    total = sum(weight * norms[name] for name, weight in chosen.items())
    return tuple(
        WeightedLoss(name, norms[name], weight, weight * norms[name] / max(total, 1e-30))
        for name, weight in chosen.items()
    )


def reweigh(guide: Guide, weighted: tuple[WeightedLoss, ...]) -> Guide:
    """The guide with the weights found."""
    return replace(guide, weights={row.loss: row.weight for row in weighted if row.loss != NED})
