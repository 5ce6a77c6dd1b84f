"""Where the spatial metric looks: random centres inside the central region of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.errors import ShapeError
from spfem.uploads import upload

NEIGHBOUR_OFFSETS: tuple[tuple[int, int], ...] = (
    (-1, -1),
    (-1, 0),
    (-1, 1),
    (0, -1),
    (0, 1),
    (1, -1),
    (1, 0),
    (1, 1),
)
"""(row, column) steps to the 8 neighbours of a centre, row-major."""

NEIGHBOURS = len(NEIGHBOUR_OFFSETS)


def central_range(side: int, *, compat: str = "paper") -> tuple[int, int]:
    """First centre coordinate and the number of them along a side of a feature map.

    Covers about 95 % of the side and keeps every neighbour inside. Source: ASCCL. Departs from
    the released code, whose region touches the border of small maps, so that neighbours wrap
    round to the opposite edge; a `compat` of `upstream` or with
    `wrapping_region` (see `SpatialSettings`) gives that region.

    Example:
        >>> central_range(28), central_range(14)
        ((1, 26), (1, 12))
    """
    if {"upstream", "wrapping_region"} & set(compat.split("+")):
        count = int(side // 2 + 0.45 * side)
    else:
        count = min(int(0.95 * side), side - 2)
    return (side - count) // 2, max(count, 0)


def candidate_count(height: int, width: int, *, compat: str = "paper") -> int:
    """Number of places of a feature map that may become a centre."""
    return central_range(height, compat=compat)[1] * central_range(width, compat=compat)[1]


def sample_centres(
    height: int,
    width: int,
    count: int,
    *,
    compat: str = "paper",
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw centres uniformly without replacement from the central region.

    Args:
        height: of the feature map.
        width: of the feature map.
        count: number of centres.
        compat: of the settings; decides the region, see `central_range`.
        generator: source of randomness; default the global one of `device`.
        device: where the centres are wanted.

    Returns:
        (count, 2) int64, (row, column).

    Raises:
        ShapeError: if the region has fewer than `count` places.
    """
    first_row, rows = central_range(height, compat=compat)
    first_column, columns = central_range(width, compat=compat)
    if rows * columns < count:
        raise ShapeError(
            f"a feature map of {height}x{width} has {rows * columns} places for centres, "
            f"{count} are wanted; use larger images or fewer centres"
        )
    drawn_on = device if generator is None else generator.device
    flat = torch.randperm(rows * columns, generator=generator, device=drawn_on)[:count]
    flat = upload(flat, device)
    return torch.stack([flat // columns + first_row, flat % columns + first_column], dim=1)
