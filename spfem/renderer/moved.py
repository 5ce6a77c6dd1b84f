"""A renderer that moves the source's own pixels (backward warping along the fitted mesh).

Every visible place of the edited mesh knows where it lies in the source frame, and takes its
colour from there: `warp` finds the displacement, `openings` the inside of mouth and eyes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module, functional

from spfem.errors import ShapeError
from spfem.renderer.openings import (
    BoxView,
    DonorChoice,
    Donors,
    Opening,
    donor_colours,
    draw_opening,
)
from spfem.renderer.warp import (
    MeshView,
    OpeningBox,
    Rasterise,
    SourceView,
    fill_smoothly,
    look_up_spline,
    mean_inside,
    pixel_centres,
    skin_field,
    spline_coefficients,
)
from spfem.settings import MOUTH, SKIN_LAYER, MovedSettings

__all__ = ["DonorChoice", "Donors", "MovedRenderer", "OpeningBox", "Surface"]

FEATHER_PIXELS = 4  # at the border of a box, where its finer displacement takes over


@dataclass(frozen=True)
class Surface:
    """What the frames tell about the skin, beyond where it lies.

    Attributes:
        shading: (B, U) brightness of each vertex after the edit per brightness before.
        held: (B, U) in [0, 1], where something before the face is seen, which stays.
    """

    shading: Tensor
    held: Tensor


class MovedRenderer(Module):
    """Draws faces of an edited mesh from the pixels of the frames themselves.

    Not in the papers, whose renderer makes every pixel anew. Equal vertices give the frame itself,
    exactly. Differentiable in the edited vertices: which triangle a sample shows is held fixed, its
    place and the edges of mouth and eyes move (see `warp.transported`, `openings`).

    Args:
        triangles: (G, 3) int32 vertex indices.
        layers: (G,) SKIN_LAYER, MOUTH, RIGHT_EYE or LEFT_EYE of each triangle.
        regions: (G,) rows of a donor's palette.
        upper: (U,) 1 for vertices above the mouth, else 0.
        rasterise: draws vertices; not called for gradients.
        settings: of the renderer.
    """

    triangles: Tensor
    corners: Tensor
    layers: Tensor
    regions: Tensor
    upper: Tensor

    def __init__(
        self,
        triangles: Tensor,
        layers: Tensor,
        regions: Tensor,
        upper: Tensor,
        rasterise: Rasterise,
        settings: MovedSettings | None = None,
    ):
        super().__init__()
        self.rasterise = rasterise
        self.settings = settings or MovedSettings()
        buffers = {
            "triangles": triangles.int(),
            "corners": triangles.long(),
            "layers": layers.long(),
            "regions": regions.long(),
            "upper": upper.float(),
        }
        for name, values in buffers.items():
            self.register_buffer(name, values, persistent=False)

    def forward(
        self,
        pictures: Tensor,
        source: Tensor,
        edited: Tensor,
        unit: float,
        boxes: Sequence[OpeningBox] = (),
        donors: Mapping[int, tuple[Donors, DonorChoice]] | None = None,
        surface: Surface | None = None,
    ) -> Tensor:
        """Pictures (B, 3, H, W) with the edited faces, in the range of the given ones.

        Args:
            pictures: (B, 3, H, W) windows of the source frames; differentiable.
            source: (B, U, 3) vertices as fitted to the frames, window pixels, z in the same unit.
            edited: (B, U, 3) vertices to show; differentiable.
            unit: window pixels per head unit.
            boxes: where openings are seen; without them lips and lids move, but nothing opens.
            donors: by layer, what shows an opening where the frame itself does not.
            surface: how the skin's light changes and what stays where it is; None for nothing.

        Raises:
            ShapeError: if the batches differ, or a box leaves the window.
        """
        _check(pictures, source, edited, boxes)
        height, width = pictures.shape[-2:]
        rate = min(1.0, self.settings.field_size / max(height, width))
        grid = (round(height * rate), round(width * rate))
        view = self._view(edited * rate, *grid)
        before = SourceView(self._view(source * rate, *grid), rate, unit, self.settings)
        field, fade = skin_field(view, before, source, edited)
        light = held = None
        if surface is not None:
            light, held = _over_the_skin(view, surface)
            light = 1 + (light - 1) * fade.square()
            field = field * (1 - held)
        size = (height, width)
        shift = _enlarged(field, size)
        spline = spline_coefficients(pictures)
        result = look_up_spline(spline, pixel_centres(size, pictures) + shift)
        for box in boxes:
            samples = self.settings.opening_samples
            origins = box.origins(edited)
            moved = (edited - origins) * samples
            drawn = self._view(moved, box.height * samples, box.width * samples)
            part = BoxView.of(box, origins, drawn, source, edited, self.upper, samples)
            kept, choice = (donors or {}).get(box.layer, (None, None))
            slack = None
            if choice is not None and not choice.whole:
                slack = choice.slack[:, 0].view(-1, 1, 1, 1)
            opening = draw_opening(spline, part, before, edited, slack)
            colours = opening.own
            if kept is not None and choice is not None:
                colours = self._with_donors(part, opening, kept, choice)
            stays = None if held is None else box.cut(_enlarged(held, size))
            result = _laid_in(result, part, opening, colours, stays)
        if light is not None and held is not None:
            result = result * _enlarged(1 + (light - 1) * (1 - held), size)
        return result

    def _view(self, points: Tensor, height: int, width: int) -> MeshView:
        with torch.no_grad():
            raster = self.rasterise(
                points.detach().float().contiguous(), self.triangles, height, width
            )
            return MeshView.of(raster, self.corners, self.layers, points.dtype)

    def _with_donors(
        self, part: BoxView, opening: Opening, donors: Donors, choice: DonorChoice
    ) -> Tensor:
        """Colours (B, 3, h, w) of an opening: the frame's own, donors', and paint below them.

        In the mouth, the frame or a donor shows all of it, by the choice's weights: parts of two
        frames would show two rows of teeth. In an eye, a donor shows what the frame does not.
        """
        weight = choice.weight.view(-1, 3, 1, 1, 1)
        if part.box.layer == MOUTH:
            own = weight[:, 0] * opening.shown
            others = (1 - weight[:, 0]).expand_as(own)
        else:
            own, others = opening.shown, 1 - opening.shown
        with torch.no_grad():
            regions = donors.palette[self.regions[part.view.face]].permute(0, 3, 1, 2)
            paint = mean_inside(regions, part.inside, part.samples)
            rest = torch.zeros_like(paint)
            covered = own.detach().clone()
            total = weight[:, 1:].sum(1).clamp(min=1e-6)
            for column, colours, shown in donor_colours(donors, choice, part):
                trust = shown * others * weight[:, column + 1] / total
                rest, covered = rest + trust * colours, covered + trust
        return own * opening.own + rest + (1 - covered) * paint


def _over_the_skin(view: MeshView, surface: Surface) -> tuple[Tensor, Tensor]:
    """Change of light and what stays, each (B, 1, H, W), continued over openings and background."""
    both = view.interpolate(torch.stack([surface.shading - 1, surface.held], -1))
    skin = (view.layer == SKIN_LAYER)[:, None].to(both.dtype)
    filled = fill_smoothly(both, skin)
    return 1 + filled[:, :1], filled[:, 1:].clamp(0, 1)


def _enlarged(values: Tensor, size: tuple[int, int]) -> Tensor:
    if values.shape[-2:] == size:
        return values
    return functional.interpolate(values, size, mode="bilinear", align_corners=False)


def _laid_in(
    picture: Tensor, part: BoxView, opening: Opening, colours: Tensor, stays: Tensor | None
) -> Tensor:
    """Pictures (B, 3, H, W) with an opening and the skin around it laid into its box."""
    box, device = part.box, picture.device
    below = box.cut(picture)
    weight = _feathered(box, below)
    share = opening.share
    if stays is not None:
        weight, share = weight * (1 - stays), share * (1 - stays)
    skin = below + (opening.skin - below) * weight
    mixed = skin + (colours - skin) * share
    batch, channels = (torch.arange(size, device=device) for size in picture.shape[:2])
    corner = part.corner.long()
    rows = corner[:, 1:] + torch.arange(box.height, device=device).view(1, 1, -1, 1)
    columns = corner[:, :1] + torch.arange(box.width, device=device).view(1, 1, 1, -1)
    place = (batch.view(-1, 1, 1, 1), channels.view(1, -1, 1, 1), rows, columns)
    return picture.index_put(place, mixed.to(picture.dtype))


def _feathered(box: OpeningBox, like: Tensor) -> Tensor:
    """Weights (1, 1, h, w): 1 in a box, falling to 0 at its border."""
    here = pixel_centres((box.height, box.width), like)
    x, y = here[:, :1], here[:, 1:]
    inward = torch.minimum(torch.minimum(x, box.width - x), torch.minimum(y, box.height - y))
    return ((inward - 0.5) / FEATHER_PIXELS).clamp(0, 1)


def _check(pictures: Tensor, source: Tensor, edited: Tensor, boxes: Sequence[OpeningBox]) -> None:
    if not len(pictures) == len(source) == len(edited):
        raise ShapeError(
            f"{len(pictures)} pictures, {len(source)} source meshes and {len(edited)} edited "
            "meshes; give one of each for every face"
        )
    if source.shape != edited.shape or source.shape[-1] != 3:
        raise ShapeError(
            f"source {tuple(source.shape)} and edited {tuple(edited.shape)} must be equal (B, U, 3)"
        )
    height, width = pictures.shape[-2:]
    for box in boxes:
        outside = [
            (x, y)
            for x, y in box.corners
            if x < 0 or y < 0 or x + box.width > width or y + box.height > height
        ]
        if outside or len(box.corners) != len(pictures):
            raise ShapeError(
                f"a box of {box.width} x {box.height} pixels at {outside or 'too few places'} does "
                f"not lie in each of {len(pictures)} windows of {width} x {height}"
            )
