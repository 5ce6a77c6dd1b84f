"""How much of an edit: a dial between the source and the full emotion, and between two emotions.

Neither is in the papers.
"""

from __future__ import annotations

from torch import Tensor

from spfem.errors import InputError, ShapeError

LARGEST_INTENSITY = 2.0


def set_intensity(source: Tensor, edited: Tensor, intensity: float) -> Tensor:
    """Go from the source towards its edit, and beyond, on the line between their coefficients.

    Coefficients are mixed, not styles: a source edited to its own style is only nearly the
    source (on 4 clips and 4 emotions of the full corpus it differs by 16 % of a full edit), so
    that a dial in the space of styles would not begin at it. On the line every coefficient moves
    evenly and words stay in time. Up to 1 a bounded space is not left; beyond it may be, and who
    knows its bounds clips the result.

    Args:
        source: coefficients (T, E).
        edited: coefficients (T, E) of the full edit.
        intensity: 0 gives `source` and 1 gives `edited`, both to the last bit; at most 2.

    Raises:
        InputError: if the intensity is outside of [0, 2].
        ShapeError: if the sequences differ in shape.

    Example:
        >>> import torch
        >>> set_intensity(torch.zeros(1, 2), torch.tensor([[1.0, 0.5]]), 0.5)
        tensor([[0.5000, 0.2500]])
    """
    _check_share("intensity", intensity, LARGEST_INTENSITY)
    return _between(source, edited.to(source), intensity)


def mix_styles(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Style between two styles, for an expression between two emotions.

    Styles are mixed, not coefficients: the generator then makes one face of them, where the mean
    of two faces could hold a mouth that neither emotion shows. Half way the edit lies between
    both (at 0.57 and 0.60 of their distance), a third of the distance off the mean of the faces.

    Args:
        first: style (S,), of a label or of references.
        second: style (S,).
        share: of the second; 0 gives `first` and 1 gives `second`, both to the last bit.

    Raises:
        InputError: if the share is outside of [0, 1].
        ShapeError: if the styles differ in shape.

    Example:
        >>> import torch
        >>> mix_styles(torch.zeros(2), torch.ones(2), 0.25)
        tensor([0.2500, 0.2500])
    """
    _check_share("share", share)
    return _between(first, second.to(first), share)


def _check_share(name: str, value: float, largest: float = 1.0) -> None:
    if not 0 <= value <= largest:  # also refuses what is not a number
        raise InputError(f"{name} is {value}; give a number from 0 to {largest:g}")


def _between(first: Tensor, second: Tensor, share: float) -> Tensor:
    if first.shape != second.shape:
        raise ShapeError(
            f"what is mixed must have one shape, found {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    if share in (0, 1):  # negative zeros would not survive the sum
        return (second if share else first).clone()
    return first.lerp(second, share)
