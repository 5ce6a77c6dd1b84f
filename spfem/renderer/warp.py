"""Backward warping: how far each pixel of an edited mesh lies from its source, and colours there.

Only torch and numpy are imported; who draws hands a rasteriser in, so that recorded rasters work
as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from spfem.precision import upload
from spfem.settings import SKIN_LAYER, MovedSettings


class RasterLike(Protocol):
    """What is seen at each pixel centre, as of `spfem.head.raster.Raster`, or recorded."""

    @property
    def face(self) -> Tensor:
        """(B, H, W) triangle index, -1 where there is none."""

    @property
    def barycentric(self) -> Tensor:
        """(B, H, W, 3) place in the triangle."""

    @property
    def depth(self) -> Tensor:
        """(B, H, W) depth, infinity where there is none."""


Rasterise = Callable[[Tensor, Tensor, int, int], RasterLike]
"""Vertices (B, U, 3) in pixels of the picture, triangles (G, 3) int32, height, width."""


@dataclass(frozen=True)
class OpeningBox:
    """Where the edited faces of a batch show one opening: mouth or an eye.

    Attributes:
        layer: MOUTH, RIGHT_EYE or LEFT_EYE of `spfem.settings`.
        corners: B pairs (x, y) of the box's upper left corner, window pixels.
        height: of the box, pixels, equal in the batch.
        width: of the box, pixels.
    """

    layer: int
    corners: tuple[tuple[int, int], ...]
    height: int
    width: int

    def origins(self, like: Tensor) -> Tensor:
        """Corners (B, 1, 3) with depth 0, as a tensor of the type and device of `like`."""
        origins = torch.tensor([[(x, y, 0.0)] for x, y in self.corners], dtype=like.dtype)
        return upload(origins, like.device)

    def cut(self, pictures: Tensor) -> Tensor:
        """The boxes (B, C, height, width) of pictures (B, C, H, W)."""
        return torch.stack(
            [
                picture[:, y : y + self.height, x : x + self.width]
                for picture, (x, y) in zip(pictures, self.corners, strict=True)
            ]
        )


@dataclass(frozen=True)
class MeshView:
    """A mesh drawn on a grid.

    Attributes:
        triangles: (G, 3) long, vertex indices.
        face: (B, H, W) long, triangle that each sample shows, 0 where there is none.
        barycentric: (B, H, W, 3) place in it.
        layer: (B, H, W) its layer, -2 where there is none.
        depth: (B, H, W) samples, infinity where there is none.
    """

    triangles: Tensor
    face: Tensor
    barycentric: Tensor
    layer: Tensor
    depth: Tensor

    @classmethod
    def of(
        cls, raster: RasterLike, triangles: Tensor, layers: Tensor, dtype: torch.dtype
    ) -> MeshView:
        """Look up the layers (G,) of a raster's triangles (G, 3) long; floats become `dtype`."""
        face = raster.face.long()
        known = face.clamp(min=0)
        layer = torch.where(face >= 0, layers[known], torch.full_like(face, -2))
        return cls(triangles, known, raster.barycentric.to(dtype), layer, raster.depth.to(dtype))

    def interpolate(self, attributes: Tensor) -> Tensor:
        """Attributes (B, U, C) at each sample, as (B, C, H, W)."""
        batch, _, channels = attributes.shape
        faces = len(self.triangles)
        # One row a triangle is read at once, which is much faster than three vertices apart.
        rows = attributes[:, self.triangles].reshape(batch * faces, 3 * channels)
        start = torch.arange(batch, device=rows.device).view(-1, 1, 1) * faces
        corners = functional.embedding(self.face + start, rows).unflatten(-1, (3, channels))
        mixed = (self.barycentric[..., None, :] @ corners).squeeze(-2)
        return mixed.permute(0, 3, 1, 2)


def pixel_centres(size: Sequence[int], like: Tensor) -> Tensor:
    """Centres (1, 2, H, W), x then y, of the pixels of a size (H, W); the first is at 0.5."""
    height, width = size
    rows = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    columns = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y])[None]


def grid_places(places: Tensor, height: int, width: int) -> Tensor:
    """Places (..., 2, h, w), x then y, in pixels of H x W, as [-1, 1] of `grid_sample`."""
    # Filled, not copied: a GPU would be waited for.
    scale = places.new_full((2, 1, 1), 2 / width)
    scale[1].fill_(2 / height)
    return places * scale - 1


def look_up(pictures: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    """Values (B, C, h, w) of pictures (B, C, H, W) at places (B, 2, h, w) in their pixels.

    Beyond the border its pixels are repeated. `mode` is that of `grid_sample`.
    """
    grid = grid_places(places, *pictures.shape[-2:]).permute(0, 2, 3, 1)
    return functional.grid_sample(
        pictures, grid, mode=mode, padding_mode="border", align_corners=False
    )


def smooth_step(values: Tensor) -> Tensor:
    """Of values (...): 0 below 0, 1 above 1, a smooth cubic between."""
    clamped = values.clamp(0, 1)
    return clamped * clamped * (3 - 2 * clamped)


def mean_inside(values: Tensor, inside: Tensor, samples: int) -> Tensor:
    """Means (B, C, H, W) of finer values (B, C, sH, sW) where `inside` (B, 1, sH, sW) is 1."""
    weights = inside.to(values.dtype)
    total = functional.avg_pool2d(values * weights, samples)
    return total / functional.avg_pool2d(weights, samples).clamp(min=1e-6)


SMALLEST = 3  # pixels; the pyramid's last level


def fill_smoothly(values: Tensor, known: Tensor) -> Tensor:
    """Values (B, C, H, W), kept where `known` (B, 1, H, W) is 1 and continued from there elsewhere.

    A pyramid of weighted means is built downwards, then what is missing is taken from the next
    coarser level (Gortler et al. 1996, push-pull). Linear in `values`, which must be finite also
    where unknown, and differentiable; 0 for a picture where nothing is known.
    """
    channels = values.shape[1]
    levels = [torch.cat([values * known, known], 1)]  # pooled together: half the calls
    while min(levels[-1].shape[-2:]) > SMALLEST:
        levels.append(functional.avg_pool2d(levels[-1], 2, ceil_mode=True))
    weighted = [level[:, :channels] for level in levels]
    weights = [level[:, channels:] for level in levels]
    total = weights[-1].sum((-2, -1), keepdim=True)
    mean = weighted[-1].sum((-2, -1), keepdim=True) / total.clamp(min=1e-9)
    estimate = torch.where(
        weights[-1] > 0, weighted[-1] / weights[-1].clamp(min=1e-9), mean.expand_as(weighted[-1])
    )
    for level in range(len(weights) - 2, -1, -1):
        size = weights[level].shape[-2:]
        coarse = functional.interpolate(estimate, size, mode="bilinear", align_corners=False)
        estimate = torch.addcmul(weighted[level], 1 - weights[level], coarse)
    return estimate


POLE = 3**0.5 - 2  # of the inverse of the cubic spline's samples
TAPS = 12  # on either side, beyond which the inverse is below 2e-7
RIM = 2  # coefficients beyond the border, which the outermost pixels need


def spline_coefficients(pictures: Tensor) -> Tensor:
    """Coefficients (B, C, H + 4, W + 4) of the cubic spline through pictures (B, C, H, W).

    A cubic spline keeps nine tenths of the detail up to 0.8 of the highest frequency, the usual
    bicubic kernel up to 0.5 (Unser 1999); what is moved twice by parts of a pixel stays sharp.
    Borders are repeated. The infinite impulse response is cut where it no longer counts.
    """
    reach = torch.arange(-TAPS, TAPS + 1, device=pictures.device, dtype=pictures.dtype).abs()
    kernel = POLE**reach * (1 - POLE) / (1 + POLE)
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    across = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    padded = functional.pad(pictures, (TAPS + RIM,) * 4, mode="replicate")
    filtered = functional.conv2d(padded, across, groups=channels)
    return functional.conv2d(filtered, across.mT, groups=channels)


def look_up_spline(coefficients: Tensor, places: Tensor) -> Tensor:
    """Values (B, C, h, w) of a spline at places (B, 2, h, w) in pixels of its picture.

    Differentiable in both. The sixteen weights are gathered by four bilinear lookups, each of
    which weighs four coefficients at once (Sigg and Hadwiger 2005).

    Args:
        coefficients: (B, C, H + 4, W + 4) of `spline_coefficients`.
        places: x, y; the centre of the first pixel is at 0.5.
    """
    height, width = coefficients.shape[-2:]
    whole = (places.detach() - 0.5).floor()
    part = places - 0.5 - whole
    square = part * part
    cube = square * part
    # Weights of the two later and of the second of four coefficients, as polynomials.
    late = ((part + square) * 3 - cube * 2 + 1) / 6
    early = 1 - late
    before = whole + (RIM - 0.5) + (cube / 2 - square + 2 / 3) / early
    after = whole + (RIM + 1.5) + cube / (late * 6)
    # One lookup of four grids, since a GPU waits for many small calls: (early, late) of y, then x.
    at = grid_places(torch.stack([before, after], 1), height, width)
    weights = torch.stack([early, late], 1)
    pairs = (len(places), 2, 2, *places.shape[-2:])
    grids = torch.stack(
        [at[:, None, :, 0].expand(pairs), at[:, :, None, 1].expand(pairs)], -1
    ).flatten(1, 3)
    found = functional.grid_sample(
        coefficients, grids, mode="bilinear", padding_mode="border", align_corners=False
    )
    weight = (weights[:, :, None, 1] * weights[:, None, :, 0]).flatten(1, 2)
    return (found.unflatten(2, (4, -1)) * weight[:, None]).sum(2)


DISTANCE_CELLS = 40  # across the window, for distances to the face, which need no more


def shift_attributes(source: Tensor, edited: Tensor) -> Tensor:
    """Per vertex (B, U, 3): shift x, y from the edited to the source place, and the source's depth.

    Exactly 0 where nothing is edited. The edited vertices are taken as they stand: what a change
    of them does is added by `transported`.
    """
    return torch.cat([source[..., :2] - edited.detach()[..., :2], source[..., 2:]], -1)


@dataclass(frozen=True)
class SourceView:
    """The source mesh drawn on the grid of the displacement.

    Attributes:
        view: the mesh.
        rate: samples of the grid per window pixel.
        unit: window pixels per head unit.
        settings: of the renderer.
    """

    view: MeshView
    rate: float
    unit: float
    settings: MovedSettings

    def core(self, layer: int) -> Tensor:
        """Where (B, 1, H, W) an opening is seen, well away from its edge, as 0 or 1."""
        return 1 - _dilated(1 - self._shown(layer), self.settings.rim * self.unit * self.rate)

    def seen(self, layer: int) -> Tensor:
        """How far (B, 1, H, W) an opening is seen: 1 up to a margin around it, then down to 0."""
        margin = self.settings.unseen_margin * self.unit * self.rate
        blur = max(1, round(margin / 2))
        # Two samples more, so that what the frame shows is never taken for unseen by rounding.
        wide = _dilated(self._shown(layer), margin + blur + 2)
        return functional.avg_pool2d(wide, 2 * blur + 1, 1, blur, count_include_pad=False)

    def _shown(self, layer: int) -> Tensor:
        return (self.view.layer == layer)[:, None].to(self.view.depth.dtype)


def _dilated(mask: Tensor, radius: float) -> Tensor:
    """A mask (B, 1, H, W) grown by a radius in pixels (squares, at least one pixel)."""
    reach = max(1, round(radius))
    along = functional.max_pool2d(mask, (1, 2 * reach + 1), 1, (0, reach))
    return functional.max_pool2d(along, (2 * reach + 1, 1), 1, (reach, 0))


def visible_skin(view: MeshView, places: Tensor, depth: Tensor, before: SourceView) -> Tensor:
    """Where (B, 1, H, W) the edit shows skin that the source shows too, as 0 or 1.

    Args:
        view: the edited mesh.
        places: (B, 2, H, W) where each sample lies in the source, window pixels.
        depth: (B, 1, H, W) of that place in the source, window pixels.
        before: the source mesh.
    """
    nearest = before.view.depth.masked_fill(~before.view.depth.isfinite(), 1e6)
    seen = look_up(nearest[:, None], places * before.rate, "nearest") / before.rate
    unhidden = depth <= seen + before.settings.hidden_depth * before.unit
    return ((view.layer == SKIN_LAYER)[:, None] & unhidden).to(places.dtype)


def transported(shift: Tensor, velocity: Tensor, rate: float = 1.0) -> Tensor:
    """The shift (B, 2, H, W) with its gradient to the edited vertices.

    Where the mesh moves by v, the pixel shows what was v before it: d(x) = d0(x) - J(x) v with J
    the Jacobian of x + d0(x). `velocity` (B, 2, H, W) has the value 0 and carries the gradient, so
    the value stays d0 exactly and the derivative is exact for a fixed visibility. `rate` is that
    of the samples per pixel of the shift.
    """
    across, down = (slope * rate for slope in gradients(shift.detach()))
    moved = torch.stack(
        [
            velocity[:, 0] + across[:, 0] * velocity[:, 0] + down[:, 0] * velocity[:, 1],
            velocity[:, 1] + across[:, 1] * velocity[:, 0] + down[:, 1] * velocity[:, 1],
        ],
        1,
    )
    return shift - moved


def gradients(values: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences (B, C, H, W) along x and y, held at the border."""
    padded = functional.pad(values, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return across, down


def vertex_velocity(edited: Tensor) -> Tensor:
    """Per vertex (B, U, 2): 0 with the gradient of the edited places."""
    return edited[..., :2] - edited.detach()[..., :2]


def skin_field(
    view: MeshView, before: SourceView, source: Tensor, edited: Tensor
) -> tuple[Tensor, Tensor]:
    """Shift of the skin layer, 0 far from the face, and how far each place belongs to the face.

    Args:
        view: the edited mesh, on the grid of the source's.
        before: the source mesh.
        source: (B, U, 3) vertices, window pixels.
        edited: (B, U, 3) likewise; may carry a gradient.

    Returns:
        shift: (B, 2, H, W) window pixels.
        fade: (B, 1, H, W), 1 on the face, falling to 0 beside it.
    """
    rate, unit, settings = before.rate, before.unit, before.settings
    attributes = view.interpolate(shift_attributes(source, edited))
    here = pixel_centres(view.layer.shape[1:], attributes) / rate
    known = visible_skin(view, here + attributes[:, :2], attributes[:, 2:], before)
    shift = fill_smoothly(attributes[:, :2], known)
    length = shift.norm(dim=1, keepdim=True)
    reach = settings.reach_per_shift * length + settings.least_reach * unit
    outside = distance_outside((view.layer != -2)[:, None]) / rate
    fade = smooth_step(1 - outside / reach.clamp(max=settings.reach * unit))
    if edited.requires_grad:
        velocity = fill_smoothly(view.interpolate(vertex_velocity(edited)), known)
        shift = transported(shift, velocity, rate)
    return shift * fade, fade


def distance_outside(mask: Tensor) -> Tensor:
    """Distance (B, 1, H, W) in pixels to the nearest pixel of a mask (B, 1, H, W) bool.

    Exact on a grid of at most 40 cells a side, interpolated between them, 0 inside.
    """
    height, width = mask.shape[-2:]
    cell = max(1, -(-max(height, width) // DISTANCE_CELLS))
    cells = functional.max_pool2d(mask.float(), cell, ceil_mode=True)
    rows, columns = cells.shape[-2:]
    index = torch.arange(max(rows, columns), device=mask.device, dtype=torch.float32)
    gap = (index[:, None] - index[None]).square()
    far = 4.0 * max(rows, columns) ** 2
    empty = far * (1 - cells)
    # The squared distance is separable: first along the rows, then along the columns.
    along = (empty[..., None, :] + gap[:columns, :columns]).amin(-1)
    squared = (along.mT[..., None, :] + gap[:rows, :rows]).amin(-1).mT
    distance = functional.interpolate(
        squared.sqrt() * cell, (height, width), mode="bilinear", align_corners=False
    )
    return distance * ~mask
