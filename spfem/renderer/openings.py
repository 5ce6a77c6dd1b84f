"""The inside of mouth and eyes: what the frame shows of it, else other frames, else paint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spfem.renderer.warp import (
    MeshView,
    OpeningBox,
    SourceView,
    fill_smoothly,
    gradients,
    look_up,
    look_up_spline,
    mean_inside,
    pixel_centres,
    shift_attributes,
    smooth_step,
    transported,
    vertex_velocity,
    visible_skin,
)
from spfem.settings import MOUTH, SKIN_LAYER


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
class DonorChoice:
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
    def of(cls, index: np.ndarray, weight: np.ndarray, slack: np.ndarray) -> DonorChoice:
        """From arrays (T, 2), (T, 3) and (T, 3)."""
        used = tuple(int(column) for column in np.flatnonzero((weight[:, 1:] > 0).any(0)))
        first, second, third = (torch.from_numpy(array) for array in (index, weight, slack))
        return cls(first, second, third, used, bool((slack >= 1).all()))

    def to(self, device: torch.device | str) -> DonorChoice:
        """The same on another device."""
        first, second, third = (part.to(device) for part in (self.index, self.weight, self.slack))
        return DonorChoice(first, second, third, self.used, self.whole)


def continued(values: Tensor, known: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """Values (B, C, h, w) of pixels from samples (B, C, sh, sw), continued from where known is 1.

    Also where (B, 1, h, w) a sample of the pixel is known; `known` is (B, 1, sh, sw) in {0, 1}.
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
        slack: (B, 1, 1, 1), see `DonorChoice`; None where all are 1.
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


@dataclass(frozen=True)
class Opening:
    """One opening as the edit shows it, in its box.

    Attributes:
        skin: (B, 3, h, w) colours of the skin around it.
        share: (B, 1, h, w) of each pixel that shows the opening.
        own: (B, 3, h, w) colours that the frame itself gives.
        shown: (B, 1, h, w) in [0, 1], how far the frame shows what is needed.
    """

    skin: Tensor
    share: Tensor
    own: Tensor
    shown: Tensor


@dataclass(frozen=True)
class BoxView:
    """The edited mesh in the box of an opening, s samples a pixel side.

    Attributes:
        box: of the opening.
        view: (B, sh, sw) the mesh.
        attributes: (B, 3, sh, sw) shift to the source's places, and their depth, window pixels.
        places: (B, 2, sh, sw) of the samples in the source, window pixels.
        corner: (B, 2, 1, 1) of the box, window pixels.
        inside: (B, 1, sh, sw), 1 where the opening is seen.
        skin: (B, 1, sh, sw), 1 where skin is seen.
        upper: (B, 1, sh, sw), 1 on the skin above the opening.
        samples: s.
    """

    box: OpeningBox
    view: MeshView
    attributes: Tensor
    places: Tensor
    corner: Tensor
    inside: Tensor
    skin: Tensor
    upper: Tensor
    samples: int

    @classmethod
    def of(
        cls,
        box: OpeningBox,
        origins: Tensor,
        view: MeshView,
        source: Tensor,
        edited: Tensor,
        upper: Tensor,
        samples: int,
    ) -> BoxView:
        """Interpolate vertices (B, U, 3) in window pixels, and `upper` (U,), over a view.

        `origins` (B, 1, 3) are those of the box.
        """
        height = upper.to(source.dtype).view(1, -1, 1).expand(len(source), -1, 1)
        attributes = view.interpolate(torch.cat([shift_attributes(source, edited), height], -1))
        corner = origins[..., :2].transpose(1, 2)[..., None]
        fine = pixel_centres(view.layer.shape[1:], attributes) / samples
        return cls(
            box,
            view,
            attributes[:, :3],
            fine + corner + attributes[:, :2],
            corner,
            (view.layer == box.layer)[:, None].to(source.dtype),
            (view.layer == SKIN_LAYER)[:, None].to(source.dtype),
            (attributes[:, 3:] > 0.5).to(source.dtype),
            samples,
        )


def draw_opening(
    spline: Tensor, part: BoxView, before: SourceView, edited: Tensor, slack: Tensor | None
) -> Opening:
    """What the frame itself shows of an opening, and the skin around it.

    The eyeball is where the mesh has it, and does not move with the lids; the inside of the mouth
    is stretched between the lips (see `elastic_places`).

    Args:
        spline: (B, 3, H + 4, W + 4) coefficients of the source frames' windows.
        part: the edited mesh in the box.
        before: the source mesh.
        edited: (B, U, 3) vertices in window pixels; may carry a gradient.
        slack: (B, 1, 1, 1) of the frame itself, see `elastic_places`; only for the mouth.
    """
    samples, layer, rate = part.samples, part.box.layer, before.rate
    shift, depth = part.attributes[:, :2], part.attributes[:, 2:]
    visible = visible_skin(part.view, part.places, depth, before)
    here = pixel_centres((part.box.height, part.box.width), shift) + part.corner
    share = functional.avg_pool2d(part.inside, samples)
    if layer == MOUTH:
        known = part.skin
        skin_shift, any_skin = continued(shift, visible, samples)
        inner = elastic_places(part.places - part.corner, known, part.upper, slack, samples)
        inner_shift = inner + part.corner - here
        shown = look_up(before.seen(layer), (here + inner_shift) * rate)
    else:
        core = look_up(before.core(layer), part.places * rate, "nearest")
        known = torch.maximum(visible, core * part.inside)
        # Both at once, as a GPU waits for many small calls; so below.
        shifts, some = continued(torch.cat([shift, shift]), torch.cat([visible, known]), samples)
        (skin_shift, inner_shift), any_skin = shifts.chunk(2), some.chunk(2)[0]
        shown, _ = continued(look_up(before.seen(layer), part.places * rate), part.inside, samples)
        across, down = gradients(inner_shift)  # source area per edited area
        area = (1 + across[:, :1]) * (1 + down[:, 1:]) - across[:, 1:] * down[:, :1]
        stretched = smooth_step((before.settings.least_area - area) / 0.25)
        shown = torch.minimum(shown, 1 - stretched)
    # Where nothing moves the frame is right, however little of the opening it shows.
    shown = torch.maximum(shown, 1 - smooth_step(inner_shift.norm(dim=1, keepdim=True)))
    if edited.requires_grad:
        velocity = part.view.interpolate(vertex_velocity(edited))
        edge = fill_smoothly(mean_inside(velocity, visible, samples), any_skin)
        within, _ = continued(velocity, known, samples)
        inner_shift, skin_shift = transported(inner_shift, within), transported(skin_shift, edge)
        # The visible edge of a smooth surface moves, across itself, as fast as the skin there.
        across, down = gradients(share)
        share = share - across * edge[:, :1] - down * edge[:, 1:]
    both = torch.cat([here + skin_shift, here + inner_shift], 2)
    skin, own = look_up_spline(spline, both).chunk(2, 2)
    return Opening(skin, share, own, shown)


def donor_colours(
    donors: Donors, choice: DonorChoice, part: BoxView
) -> list[tuple[int, Tensor, Tensor]]:
    """Of each donor column in use: its number, colours (B, 3, h, w), where (B, 1, h, w) shown."""
    used = choice.used
    if not used:
        return []
    # All columns at once, one batch after the other, as a GPU waits for many small calls.
    index = torch.cat([choice.index[:, column] for column in used])
    slack = None
    if not choice.whole:
        slack = torch.cat([choice.slack[:, column + 1] for column in used]).view(-1, 1, 1, 1)
    vertices = donors.vertices[index, :, :2].chunk(len(used))
    places = torch.cat(part.view.interpolate(torch.cat(vertices, -1)).chunk(len(used), 1))
    skin, upper = (each.repeat(len(used), 1, 1, 1) for each in (part.skin, part.upper))
    target = elastic_places(places, skin, upper, slack, part.samples)
    colours = look_up_spline(donors.splines[index], target).chunk(len(used))
    shown = look_up(donors.shown[index], target).chunk(len(used))
    return list(zip(used, colours, shown, strict=True))
