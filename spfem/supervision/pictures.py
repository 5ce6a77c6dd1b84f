"""Losses that compare pictures of a person before and after an edit of the manipulator.

What moves the pictures is `supervision.moved`; this file loads torch only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.errors import SettingsError
from spfem.face.identity_network import SIDE as CHIP_SIZE
from spfem.manipulator.learn import SupervisedEdit
from spfem.renderer.warp import look_up
from spfem.training import step_generator

if TYPE_CHECKING:
    from spfem.supervision.moved import FaceMover

PLACES = 1  # which random numbers


def middle_frames(window_frames: int, count: int) -> range:
    """`count` consecutive frames around the middle of a window, which counts most in the blend."""
    if count > window_frames:
        raise SettingsError(
            f"a metric looks at {count} frames in a row, the manipulator's window has "
            f"{window_frames}; use a metric of shorter windows"
        )
    first = min(window_frames // 2 - count // 2, window_frames - count)
    return range(first, first + count)


@dataclass(frozen=True)
class Compared:
    """Pictures before and after an edit.

    Attributes:
        moved: (B, 3, S, S) RGB in [-1, 1], with gradient to the codes.
        source: (B, 3, S, S) likewise, without.
        chips: (B, 2, 3) from places on a face descriptor's chip to places on the picture, pixels.
    """

    moved: Tensor
    source: Tensor
    chips: Tensor

    def take(self, rows: Tensor) -> Compared:
        """Some of the pictures (N,)."""
        return Compared(*(value[rows] for value in vars(self).values()))


def cut_chips(pictures: Tensor, matrices: Tensor) -> Tensor:
    """Chips (B, 3, 150, 150) of pictures (B, 3, S, S), see `Compared.chips`; differentiable."""
    index = torch.arange(CHIP_SIZE, device=pictures.device, dtype=pictures.dtype)
    y, x = torch.meshgrid(index, index, indexing="ij")
    here = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    places = (matrices.to(pictures.dtype) @ here).unflatten(-1, (CHIP_SIZE, CHIP_SIZE))
    return look_up(pictures, places)


PictureLoss = Callable[[Compared, torch.Generator], Tensor]
"""A scalar of B pictures (of windows one after the other), random where it likes."""


@dataclass(frozen=True)
class PictureTerm:
    """One loss of pictures.

    Attributes:
        loss: of the pictures.
        windows: of a batch that are looked at.
        frames: in a row around the middle of each window.
    """

    loss: PictureLoss
    windows: int
    frames: int = 1


def metric_term(metric: SpatialCoherence | TemporalCoherence, windows: int) -> PictureTerm:
    """A frozen metric: the moved picture is the query, the source picture the key."""
    frames = getattr(metric.settings, "window_frames", 1)

    def loss(compared: Compared, random: torch.Generator) -> Tensor:
        pictures = compared.moved, compared.source
        if frames > 1:
            pictures = tuple(each.unflatten(0, (-1, frames)) for each in pictures)
        terms: Any = metric.compare(*pictures, generator=random)  # each metric has its own
        return metric.total(terms)

    return PictureTerm(loss, windows, frames)


def feature_term(features: Callable[[Tensor], Tensor], windows: int) -> PictureTerm:
    """A control: the mean distance of plain features (B, C) of a face descriptor's chips."""

    def loss(compared: Compared, random: torch.Generator) -> Tensor:
        with torch.no_grad():
            wanted = features(cut_chips(compared.source, compared.chips))
        # The square, since the distance itself has no gradient where nothing is edited.
        return (features(cut_chips(compared.moved, compared.chips)) - wanted).square().sum(1).mean()

    return PictureTerm(loss, windows)


class PictureLosses:
    """The losses of pictures of a method; a picture that several look at is moved once a step.

    Batches come in random order, so their first windows are taken; the places that a metric looks
    at are drawn by (seed, step).

    Args:
        terms: by name.
        mover: of the training clips.
        seed: of the training.
    """

    def __init__(self, terms: Mapping[str, PictureTerm], mover: FaceMover, *, seed: int) -> None:
        self.terms, self.mover, self.seed = terms, mover, seed

    def __call__(self, edit: SupervisedEdit) -> dict[str, Tensor]:
        """Scalars by the names of the terms."""
        batch, length = edit.edited.shape[:2]
        wanted = {  # (window of the batch, frame of the window) of each picture
            name: [
                (row, frame)
                for row in range(min(term.windows, batch))
                for frame in middle_frames(length, term.frames)
            ]
            for name, term in self.terms.items()
        }
        places = list(dict.fromkeys(place for those in wanted.values() for place in those))
        position = {place: number for number, place in enumerate(places)}
        rows, columns = torch.tensor(places, device=edit.edited.device).unbind(1)
        clips = edit.source.clip[rows].tolist()
        frames = (edit.source.start[rows] + columns).tolist()
        with torch.no_grad():
            own = edit.restore(edit.source.expression[rows, columns])
        compared = self.mover.move(
            list(zip(clips, frames, strict=True)), own, edit.restore(edit.edited[rows, columns])
        )
        random = step_generator(self.seed, PLACES, edit.step)
        losses = {}
        for name, term in self.terms.items():
            chosen = torch.tensor([position[place] for place in wanted[name]], device=rows.device)
            losses[name] = term.loss(compared.take(chosen), random)
        return losses
