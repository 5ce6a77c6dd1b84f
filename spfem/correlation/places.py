"""Where the temporal metrics look: places of a feature map, the same in every frame."""

from __future__ import annotations

import torch
from torch import Tensor

from spfem.correlation.sampling import sample_centres
from spfem.uploads import upload


def sample_places(
    height: int,
    width: int,
    count: int,
    *,
    with_replacement: bool = False,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw places (count, 2) int64, (row, column), for all frames, windows and branches.

    Drawn without replacement from the region of the spatial metric. Departs from the released
    code (STCCL), which draws from the whole map with replacement, so that a place drawn twice is
    its own negative; `with_replacement` does that.

    Raises:
        ShapeError: if the region has fewer than `count` places.
    """
    if not with_replacement:
        return sample_centres(height, width, count, generator=generator, device=device)
    drawn_on = device if generator is None else generator.device
    flat = torch.randint(height * width, (count,), generator=generator, device=drawn_on)
    flat = upload(flat, device)
    return torch.stack([flat // width, flat % width], dim=1)


def features_at(features: Tensor, places: Tensor) -> Tensor:
    """Take (B, C, P) from feature maps (B, C, H, W) at places (P, 2)."""
    return features[:, :, places[:, 0], places[:, 1]]
