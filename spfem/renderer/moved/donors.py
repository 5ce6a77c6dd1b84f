"""What may show the inside of an opening: the frame itself, and other frames of the clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spfem.renderer.moved.resample import fill_smoothly, look_up_spline
from spfem.renderer.moved.view import MeshView, look_up, mean_inside, pixel_centres


@dataclass(frozen=True)
class Donors:
    """Crops around one opening in K frames of the clip.

    Attributes:
        splines: (K, 3, h + 4, w + 4) spline coefficients of the crops, colours in [0, 255].
        vertices: (K, U, 3) mesh as fitted to those frames, pixels of the crop.
        shown: (K, 1, h, w) in [0, 1], where the crop shows the inside of the opening.
        palette: (R, 3) colours of the mesh's regions, for what no frame shows.
    """

    splines: Tensor
    vertices: Tensor
    shown: Tensor
    palette: Tensor

    def to(self, device: torch.device | str) -> Donors:
        """The same on another device."""
        return Donors(*(value.to(device) for value in vars(self).values()))


@dataclass(frozen=True)
class Choice:
    """What shows an opening in each frame of a batch: the frame itself and two donors.

    Attributes:
        index: (B, 2) long, into the K donors.
        weight: (B, 3) of the frame itself and of the donors, summing to 1.
        slack: (B, 3) in [0, 1], how far each is stretched to fill a larger opening: 1 wholly, 0
            not at all, so that it hangs at the upper edge.
        used: columns of `index` with a weight in some frame; others are not looked at.
        whole: whether every slack is 1. Both are known beforehand, since to ask a GPU is to wait.
    """

    index: Tensor
    weight: Tensor
    slack: Tensor
    used: tuple[int, ...] = (0, 1)
    whole: bool = False

    @classmethod
    def of(cls, index: np.ndarray, weight: np.ndarray, slack: np.ndarray) -> Choice:
        """From arrays (T, 2), (T, 3) and (T, 3)."""
        used = tuple(int(column) for column in np.flatnonzero((weight[:, 1:] > 0).any(0)))
        whole = bool((slack >= 1).all())
        first, second, third = (torch.from_numpy(array) for array in (index, weight, slack))
        return cls(first, second, third, used, whole)

    def to(self, device: torch.device | str) -> Choice:
        """The same on another device."""
        return Choice(
            self.index.to(device),
            self.weight.to(device),
            self.slack.to(device),
            self.used,
            self.whole,
        )


def continued(values: Tensor, known: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """Values of finer samples where known, per pixel, and continued to all pixels of a box.

    Args:
        values: (B, C, sh, sw).
        known: (B, 1, sh, sw) in {0, 1}.
        samples: s, per pixel side.

    Returns:
        values: (B, C, h, w).
        some: (B, 1, h, w), 1 where a sample of the pixel is known.
    """
    some = (functional.avg_pool2d(known, samples) > 0).to(known.dtype)
    return fill_smoothly(mean_inside(values, known, samples), some), some


def elastic_places(
    places: Tensor, skin: Tensor, upper: Tensor, slack: Tensor | None, samples: int
) -> Tensor:
    """Where the inside of an opening lies in a frame, from where the skin around it lies there.

    The mesh's own teeth and tongue are not the person's, so that the inside is not looked up
    there: it is stretched between the edges of the opening. Where that would stretch it too much,
    it hangs at the upper edge, as upper teeth do when the jaw drops.

    Args:
        places: (B, 2, sh, sw) of the samples' mesh places in the frame, its pixels.
        skin: (B, 1, sh, sw), 1 where the edit shows skin.
        upper: (B, 1, sh, sw), 1 on the skin above the opening.
        slack: (B, 1, 1, 1), see `Choice`; None where all are 1.
        samples: s, per pixel side.

    Returns:
        (B, 2, h, w) places.
    """
    fine = pixel_centres(places.shape[-2:], places) / samples
    shift = places - fine
    if slack is None:
        whole, _ = continued(shift, skin, samples)
        return pixel_centres(whole.shape[-2:], whole) + whole
    # Both at once, as a GPU waits for many small calls.
    both, _ = continued(torch.cat([shift, shift]), torch.cat([skin, skin * upper]), samples)
    whole, above = both.chunk(2)
    here = pixel_centres(whole.shape[-2:], whole)
    return here + above + slack * (whole - above)


def donor_colours(
    donors: Donors,
    choice: Choice,
    view: MeshView,
    skin: Tensor,
    upper: Tensor,
    samples: int,
) -> list[tuple[int, Tensor, Tensor]]:
    """Of each column of donors in use: its number, colours (B, 3, h, w), where (B, 1, h, w) shown.

    Args:
        donors: of the opening.
        choice: of each frame.
        view: (B, sh, sw) the edited mesh.
        skin: (B, 1, sh, sw), 1 where it shows skin.
        upper: (B, 1, sh, sw), 1 on the skin above the opening.
        samples: s, per pixel side.
    """
    used = choice.used
    if not used:
        return []
    # All columns at once, one batch after the other, as a GPU waits for many small calls.
    index = torch.cat([choice.index[:, column] for column in used])
    slack = None
    if not choice.whole:
        slack = torch.cat([choice.slack[:, column + 1] for column in used]).view(-1, 1, 1, 1)
    vertices = donors.vertices[index, :, :2].chunk(len(used))
    places = torch.cat(view.interpolate(torch.cat(vertices, -1)).chunk(len(used), 1))
    skin, upper = (each.repeat(len(used), 1, 1, 1) for each in (skin, upper))
    target = elastic_places(places, skin, upper, slack, samples)
    colours = look_up_spline(donors.splines[index], target).chunk(len(used))
    shown = look_up(donors.shown[index], target).chunk(len(used))
    return list(zip(used, colours, shown, strict=True))


def painted_colours(
    palette: Tensor, regions: Tensor, view: MeshView, inside: Tensor, samples: int
) -> Tensor:
    """Mean colours (B, 3, h, w) of the regions (G,) of the mesh, where no frame shows them."""
    colours = palette[regions[view.face]].permute(0, 3, 1, 2)
    return mean_inside(colours, inside, samples)
