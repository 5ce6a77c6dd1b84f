"""Losses of the expression manipulator (NED, and SCMCL where windows have retrieved pairs)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spfem.manipulator.networks import (
    AffineGenerator,
    Discriminator,
    Generator,
    StyleEncoder,
)

PEARSON_EPSILON = 1e-7


def aligned_error(edited: Tensor, counterpart: Tensor) -> Tensor:
    """Mean squared distance of edited windows from their estimated counterparts.

    Departs from NED, which has no pairs. Where the estimate is not a number, there is none, and
    without any the loss is 0.

    Args:
        edited: windows (B, T, E).
        counterpart: (B, T, E), see `spfem.manipulator.counterparts`.

    Example:
        >>> counterpart = torch.tensor([[[1.0]], [[float("nan")]]])
        >>> aligned_error(torch.zeros(2, 1, 1), counterpart).item()
        1.0
    """
    known = counterpart.isfinite().all(dim=2).all(dim=1)
    if not known.any():
        return edited.sum() * 0.0
    return (edited[known] - counterpart[known]).square().mean()


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
        epsilon: added to each variance over time.

    Returns:
        A scalar in [-1, 1].

    Example:
        >>> opening = torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(1, 4, 1)
        >>> round(jaw_correlation(opening, 0.5 * opening).item(), 3)
        1.0
    """
    first = first[..., 0] - first[..., 0].mean(dim=1, keepdim=True)
    second = second[..., 0] - second[..., 0].mean(dim=1, keepdim=True)
    inverse = torch.rsqrt(first.square().mean(dim=1) + epsilon) * torch.rsqrt(
        second.square().mean(dim=1) + epsilon
    )
    return ((first * second).mean(dim=1) * inverse).mean()


@dataclass(frozen=True)
class PairedWindows:
    """Real windows that were retrieved for some windows of a batch: same person, wanted emotion.

    Attributes:
        rows: (P,) int64, P > 0, which windows of the batch have a pair.
        target: (P, T, E) the retrieved windows, as the networks see them.
    """

    rows: Tensor
    target: Tensor


def discriminator_loss(
    discriminator: Discriminator,
    real: Tensor,
    real_label: Tensor,
    fake: Tensor,
    fake_label: Tensor,
    *,
    retrieved: Tensor | None = None,
    retrieved_label: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the discriminator's losses on real and on generated windows (their sum is L_D).

    Args:
        discriminator: the network that is trained.
        real: windows (B, T, E).
        real_label: their emotions (B,) int64.
        fake: generated windows (F, T, E), without gradient to the generator; with pairs also
            what is generated from the retrieved windows (SCMCL).
        fake_label: the emotions (F,) int64 they were generated for.
        retrieved: real windows (P, T, E), P > 0, that count as much as all of `real` (SCMCL).
        retrieved_label: their emotions (P,) int64.
    """
    windows, labels = [real], [real_label]
    if retrieved is not None and retrieved_label is not None:
        windows.append(retrieved)
        labels.append(retrieved_label)
    scores = discriminator(
        torch.cat((*windows, fake.detach())), torch.cat((*labels, fake_label))
    ).split([*map(len, windows), len(fake)])
    real_losses = [least_squares(score, 1.0) for score in scores[:-1]]
    return torch.stack(real_losses).mean(), least_squares(scores[-1], 0.0)


@dataclass(frozen=True)
class GeneratorTerms:
    """The unweighted terms of the generator loss and the windows they were computed on.

    Attributes:
        adversarial: the discriminator's verdict on the edited windows, LSGAN; 0 without one.
        style: mean absolute error of the style read back from the edited windows.
        cycle: mean absolute error after editing back with the source's own style.
        mouth: sum of two jaw correlations, source-edited and edited-recovered, in [-2, 2].
        edited: the edited windows (B, T, E), with gradient.
        aligned: see `aligned_error`; None if nothing is estimated.
    """

    adversarial: Tensor
    style: Tensor
    cycle: Tensor
    mouth: Tensor
    edited: Tensor
    aligned: Tensor | None = None

    def total(
        self,
        *,
        style_weight: float = 1.0,
        cycle_weight: float = 1.0,
        mouth_weight: float = 1.0,
        adversarial_weight: float = 1.0,
        aligned_weight: float = 0.0,
    ) -> Tensor:
        """Return the scalar sum L_G; the mouth correlation is to grow, so it enters negative."""
        published = (
            adversarial_weight * self.adversarial
            + style_weight * self.style
            + cycle_weight * self.cycle
            - mouth_weight * self.mouth
        )
        return published if self.aligned is None else published + aligned_weight * self.aligned


def generator_terms(
    generator: Generator | AffineGenerator,
    style_encoder: StyleEncoder,
    discriminator: Discriminator | None,
    source: Tensor,
    style: Tensor,
    label: Tensor,
    *,
    epsilon: float = PEARSON_EPSILON,
    fixed_style_target: bool = False,
    blur: Callable[[Tensor], Tensor] | None = None,
    pairs: PairedWindows | None = None,
    counterpart: Tensor | None = None,
) -> GeneratorTerms:
    """Compute the terms of the generator loss.

    Source: NED. The style may come from the mapping network or from a reference window; the
    caller decides which networks are updated. With pairs (SCMCL) style and cycle are the means
    of their NED form and of a paired form: edited and reference windows have the style of the
    retrieved window, which is edited to itself by its own style.

    Args:
        generator: edits the windows.
        style_encoder: reads styles.
        discriminator: judges the edited windows; its gradient is not used. None: nobody judges.
        source: windows (B, T, E).
        style: target styles (B, S).
        label: target emotions (B,) int64.
        epsilon: see `jaw_correlation`.
        fixed_style_target: keep the style loss from moving the target style itself (with pairs
            also the style of the retrieved window). Departs from NED, where networks that agree
            on one constant style also minimise it.
        blur: applied to what the discriminator sees, if given.
        pairs: retrieved windows, None where no window of the batch has any.
        counterpart: estimates (B, T, E) of the edited windows, see `aligned_error`.
    """
    edited = generator(source, style)
    judged = edited if blur is None else blur(edited)
    retrieved = [] if pairs is None else [pairs.target]
    # One pass for all windows: the recurrent layers cost the same for a larger batch.
    styles = style_encoder(torch.cat((edited, source, *retrieved)))
    style_back, source_style = styles[: len(source)], styles[len(source) : 2 * len(source)]
    own_style = styles[2 * len(source) :]
    again = generator(torch.cat((edited, *retrieved)), torch.cat((source_style, own_style)))
    recovered = again[: len(source)]
    style_loss = _style_error(style_back, style, fixed=fixed_style_target)
    cycle_loss = (recovered - source).abs().mean()
    if pairs is not None:
        of_edited = _style_error(style_back[pairs.rows], own_style, fixed=fixed_style_target)
        of_reference = _style_error(style[pairs.rows], own_style, fixed=fixed_style_target)
        style_loss = (style_loss + (of_edited + of_reference) / 2) / 2
        cycle_loss = (cycle_loss + (again[len(source) :] - pairs.target).abs().mean()) / 2
    return GeneratorTerms(
        adversarial=(
            edited.new_zeros(())
            if discriminator is None
            else least_squares(discriminator(judged, label), 1.0)
        ),
        style=style_loss,
        cycle=cycle_loss,
        mouth=jaw_correlation(source, edited, epsilon=epsilon)
        + jaw_correlation(edited, recovered, epsilon=epsilon),
        edited=edited,
        aligned=None if counterpart is None else aligned_error(edited, counterpart),
    )


def _style_error(style: Tensor, target: Tensor, *, fixed: bool) -> Tensor:
    return (style - (target.detach() if fixed else target)).abs().mean()
