"""Losses of the expression manipulator (NED) on windows of expression coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spfem.manipulator.networks import Discriminator, Generator, StyleEncoder

PEARSON_EPSILON = 1e-7


def least_squares(score: Tensor, target: float) -> Tensor:
    """Mean squared distance of the scores (B,) from `target` (LSGAN)."""
    return (score - target).square().mean()


def jaw_correlation(first: Tensor, second: Tensor, *, epsilon: float = PEARSON_EPSILON) -> Tensor:
    """Batch mean of the Pearson correlation over time of the jaw opening (coefficient 0).

    Source: NED, with the epsilon that SCMCL adds inside each inverse root, so that a constant
    jaw gives 0 and a finite gradient. Departs from NED, whose formula (`epsilon=0`) is not a
    number there.

    Args:
        first: expression (B, T, E).
        second: expression (B, T, E).
        epsilon: added to each sum of squares over time.

    Returns:
        A scalar in [-1, 1].
    """
    first = first[..., 0] - first[..., 0].mean(dim=1, keepdim=True)
    second = second[..., 0] - second[..., 0].mean(dim=1, keepdim=True)
    inverse = torch.rsqrt(first.square().sum(dim=1) + epsilon) * torch.rsqrt(
        second.square().sum(dim=1) + epsilon
    )
    return ((first * second).sum(dim=1) * inverse).mean()


def discriminator_loss(
    discriminator: Discriminator,
    real: Tensor,
    real_label: Tensor,
    fake: Tensor,
    fake_label: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the discriminator's losses on real and on generated windows (their sum is L_D).

    Args:
        discriminator: the network that is trained.
        real: windows (B, T, E).
        real_label: their emotions (B,) int64.
        fake: generated windows (B, T, E), without gradient to the generator.
        fake_label: the emotions (B,) int64 they were generated for.
    """
    scores = discriminator(torch.cat((real, fake.detach())), torch.cat((real_label, fake_label)))
    real_score, fake_score = scores.split((len(real), len(fake)))
    return least_squares(real_score, 1.0), least_squares(fake_score, 0.0)


@dataclass(frozen=True)
class GeneratorTerms:
    """The unweighted terms of the generator loss and the windows they were computed on.

    Attributes:
        adversarial: the discriminator's verdict on the edited windows, LSGAN.
        style: mean absolute error of the style read back from the edited windows.
        cycle: mean absolute error after editing back with the source's own style.
        mouth: sum of two jaw correlations, source-edited and edited-recovered, in [-2, 2].
        edited: the edited windows (B, T, E), with gradient.
    """

    adversarial: Tensor
    style: Tensor
    cycle: Tensor
    mouth: Tensor
    edited: Tensor

    def total(
        self, *, style_weight: float = 1.0, cycle_weight: float = 1.0, mouth_weight: float = 1.0
    ) -> Tensor:
        """Return the weighted sum L_G; the mouth correlation is to grow, so it enters negative."""
        return (
            self.adversarial
            + style_weight * self.style
            + cycle_weight * self.cycle
            - mouth_weight * self.mouth
        )


def generator_terms(
    generator: Generator,
    style_encoder: StyleEncoder,
    discriminator: Discriminator,
    source: Tensor,
    style: Tensor,
    label: Tensor,
    *,
    epsilon: float = PEARSON_EPSILON,
    fixed_style_target: bool = False,
    blur: Callable[[Tensor], Tensor] | None = None,
) -> GeneratorTerms:
    """Compute the terms of the generator loss.

    Source: NED. The style may come from the mapping network or from a reference window; the
    caller decides which networks are updated.

    Args:
        generator: edits the windows.
        style_encoder: reads styles.
        discriminator: judges the edited windows; its gradient is not used.
        source: windows (B, T, E).
        style: target styles (B, S).
        label: target emotions (B,) int64.
        epsilon: see `jaw_correlation`.
        fixed_style_target: keep the style loss from moving the target style itself. Departs
            from NED, where networks that agree on one constant style also minimise it.
        blur: applied to what the discriminator sees, if given.
    """
    target = style.detach() if fixed_style_target else style
    edited = generator(source, style)
    judged = edited if blur is None else blur(edited)
    # One pass for both windows: the recurrent layers cost the same for twice the batch.
    style_back, source_style = style_encoder(torch.cat((edited, source))).chunk(2)
    recovered = generator(edited, source_style)
    return GeneratorTerms(
        adversarial=least_squares(discriminator(judged, label), 1.0),
        style=(style_back - target).abs().mean(),
        cycle=(recovered - source).abs().mean(),
        mouth=jaw_correlation(source, edited, epsilon=epsilon)
        + jaw_correlation(edited, recovered, epsilon=epsilon),
        edited=edited,
    )
