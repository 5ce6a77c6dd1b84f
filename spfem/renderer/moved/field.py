"""How far each pixel of the edited face lies from its place in the source frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from spfem.renderer.moved.resample import fill_smoothly
from spfem.renderer.moved.view import MeshView, look_up, pixel_centres, smooth_step
from spfem.settings import SKIN_LAYER, MovedSettings

DISTANCE_CELLS = 40  # across the window, for distances to the face, which need no more


def shift_attributes(source: Tensor, edited: Tensor) -> Tensor:
    """Per vertex (B, U, 3): shift x, y from the edited to the source place, and the source's depth.

    Exactly 0 where nothing is edited. The edited vertices are taken as they stand: what a change
    of them does is added by `transported`.
    """
    return torch.cat([source[..., :2] - edited.detach()[..., :2], source[..., 2:]], -1)


def visible_skin(
    view: MeshView,
    places: Tensor,
    depth: Tensor,
    before: MeshView,
    rate: float,
    unit: float,
    settings: MovedSettings,
) -> Tensor:
    """Where (B, 1, H, W) the edit shows skin that the source shows too, as 0 or 1.

    Args:
        view: the edited mesh.
        places: (B, 2, H, W) where each sample lies in the source, window pixels.
        depth: (B, 1, H, W) of that place in the source, window pixels.
        before: the source mesh on the grid.
        rate: samples of the grid per window pixel.
        unit: window pixels per head unit.
        settings: of the renderer.
    """
    nearest = before.depth.masked_fill(~before.depth.isfinite(), 1e6)
    seen = look_up(nearest[:, None], places * rate, "nearest") / rate
    unhidden = depth <= seen + settings.hidden_depth * unit
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
    view: MeshView,
    before: MeshView,
    source: Tensor,
    edited: Tensor,
    rate: float,
    unit: float,
    settings: MovedSettings,
) -> tuple[Tensor, Tensor]:
    """Shift of the skin layer, 0 far from the face, and how far each place belongs to the face.

    Args:
        view: the edited mesh on the grid.
        before: the source mesh on the same grid.
        source: (B, U, 3) vertices, window pixels.
        edited: (B, U, 3) likewise; may carry a gradient.
        rate: samples of the grid per window pixel.
        unit: window pixels per head unit.
        settings: of the renderer.

    Returns:
        shift: (B, 2, H, W) window pixels.
        fade: (B, 1, H, W), 1 on the face, falling to 0 beside it.
    """
    attributes = view.interpolate(shift_attributes(source, edited))
    here = pixel_centres(view.layer.shape[1:], attributes) / rate
    places = here + attributes[:, :2]
    known = visible_skin(view, places, attributes[:, 2:], before, rate, unit, settings)
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
