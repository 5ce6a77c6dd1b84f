"""ASCCL: neighbouring places of a face should differ alike in two emotions of the same speech.

    d_s  = F[p] - F[p + o]                    disparity of place p and its neighbour p + o
    q_s  = h(d_s) / (|h(d_s)| + 1e-7)         its descriptor, h the head of the level
    l_s  = -log softmax_t(q_t . k_s / tau)_s  how surprising it is that q_s belongs to k_s
    w_s  = mean over channels of 2 sigmoid(|d_s|)^2 where sigmoid(|d_s|) > 0.8, else 1
    L    = scale * sum over levels of mean over images of  sum_s w_s l_s / sum_s w_s

F are the feature maps of the backbone, q of the generated (in learning: neutral) image and k of
the source (emotional) one; s runs over the 8 neighbours of the sampled places. Departs from the
released code: a weight acts on its own pair of places and carries no gradient, neighbours never
wrap round the map, the key stores no graph, each metric owns its heads. `compat` in the settings
restores the released arithmetic, which stands in `spfem.released.arithmetic`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.correlation.backbone import IResNet
from spfem.correlation.images import CoherenceMetric, prepare_images, refuse_swapped
from spfem.errors import ShapeError
from spfem.precision import constant, upload
from spfem.settings import SpatialSettings

NEIGHBOUR_OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""(row, column) steps to the 8 neighbours of a place, row-major."""

NEIGHBOURS = len(NEIGHBOUR_OFFSETS)
WEIGHT_THRESHOLD = 0.8  # of the sigmoid, reached at |d| = ln 4


@dataclass(frozen=True)
class LevelComparison:
    """Two batches compared at the places of one level; S rows, here 8 a place.

    `query` and `key` are descriptors (B, C, S), `cross_entropy` and `weight` (B, S), `loss` scalar.
    """

    query: Tensor
    key: Tensor
    cross_entropy: Tensor
    weight: Tensor
    loss: Tensor


def compare_level(
    heads: ProjectionHeads,
    level: int,
    query_map: Tensor,
    key_map: Tensor,
    centres: Tensor,
    settings: SpatialSettings,
) -> LevelComparison:
    """Compare maps (B, C, H, W) at places (P, 2); the gradient goes to `query_map` only."""
    disparities = neighbour_disparities(query_map, centres)
    query = heads.describe(level, disparities)
    with torch.no_grad():
        key = heads.describe(level, neighbour_disparities(key_map, centres))
    surprise = info_nce(query, key, settings.temperature)
    if not settings.adaptive:
        return LevelComparison(query, key, surprise, torch.ones_like(surprise), surprise.mean())
    weight = region_weight(disparities)
    # Weighted mean per image, so that images of a batch do not influence each other.
    loss = ((weight * surprise).sum(dim=1) / weight.sum(dim=1)).mean()
    return LevelComparison(query, key, surprise, weight, loss)


def neighbour_disparities(features: Tensor, centres: Tensor) -> Tensor:
    """(B, C, 8 P): features (B, C, H, W) of P places (row, column) less those of their neighbours.

    Column 8 p + n holds centre p and neighbour n of `NEIGHBOUR_OFFSETS`; none of the places (P, 2)
    int64 lies on the border.

    Example:
        >>> features = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> neighbour_disparities(features, torch.tensor([[1, 1]])).flatten().tolist()
        [4.0, 3.0, 2.0, 1.0, -1.0, -2.0, -3.0, -4.0]
    """
    around = centres[:, None] + constant(NEIGHBOUR_OFFSETS, centres.device)  # (P, 8, 2)
    middle = features[:, :, centres[:, 0], centres[:, 1]]  # (B, C, P)
    return (middle[..., None] - features[:, :, around[..., 0], around[..., 1]]).flatten(2)


def info_nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """(B, S): cross-entropy of finding row s of the key with row s of the query, among all S.

    Query and key are (B, C, S), L2-normalised over C; no gradient reaches the key. ln S where they
    say nothing. The released code builds a positive column and a masked matrix; the value is equal.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> alike = torch.full((1, 2, 4), 0.5**0.5)  # descriptors that say nothing: ln 4
        >>> info_nce(alike, alike, 0.07)
        tensor([[1.3863, 1.3863, 1.3863, 1.3863]])
    """
    if query.shape != key.shape or query.ndim != 3:
        raise ShapeError(
            f"query and key must both be (B, C, S), found {tuple(query.shape)} and "
            f"{tuple(key.shape)}"
        )
    logits = key.detach().transpose(1, 2) @ query / temperature  # (B, S of key, S of query)
    rows = torch.arange(query.shape[2], device=query.device).expand(len(query), -1)
    return functional.cross_entropy(logits, rows, reduction="none")


def adaptive_weight(disparities: Tensor) -> Tensor:
    """Weight of each element: 1 up to |d| = ln 4, where it jumps to 1.28, then towards 2.

    Example:
        >>> adaptive_weight(torch.tensor([0.0, 1.0, 2.0]))
        tensor([1.0000, 1.0000, 1.5516])
    """
    strength = torch.sigmoid(disparities.abs())
    return torch.where(strength > WEIGHT_THRESHOLD, 2 * strength.square(), 1.0)


def region_weight(disparities: Tensor) -> Tensor:
    """(B, S): weight in [1, 2) of each pair of places, from disparities (B, C, S).

    Example:
        >>> region_weight(torch.zeros(1, 8, 3))
        tensor([[1., 1., 1.]])
    """
    return adaptive_weight(disparities.detach()).mean(dim=1)


def normalise_channels(descriptors: Tensor) -> Tensor:
    """Divide by the Euclidean norm over channels (dimension 1) plus 1e-7.

    Equal to the released arithmetic, but the gradient of an exactly zero descriptor is finite
    (there, it is NaN).
    """
    norm = torch.linalg.vector_norm(descriptors, dim=1, keepdim=True)
    return descriptors / (norm + 1e-7)


class ProjectionHeads(nn.ModuleList):
    """h: Linear(C to C), ReLU, Linear(C to C / 4) a level, applied to every location alone.

    A flat list, so that state-dict names are those of the released checkpoints.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        for width in widths:
            self.extend([nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width // 4)])

    def project(self, level: int, rows: Tensor) -> Tensor:
        """Map rows (..., C) of one level to (..., C / 4)."""
        first, activation, second = (self[3 * level + layer] for layer in range(3))
        return second(activation(first(rows)))

    def describe(self, level: int, disparities: Tensor) -> Tensor:
        """Map differences (B, C, S) of one level to unit descriptors (B, C / 4, S)."""
        rows = self.project(level, disparities.transpose(1, 2))
        return normalise_channels(rows.transpose(1, 2))


def central_range(side: int) -> tuple[int, int]:
    """First centre coordinate along a side of a map, and how many: 95 %, all with neighbours.

    Example:
        >>> central_range(28), central_range(14)
        ((1, 26), (1, 12))
    """
    count = min(int(0.95 * side), side - 2)
    return (side - count) // 2, max(count, 0)


FACE = ((0.55, 0.5), (0.38, 0.32))
"""Ellipse of the face on an aligned picture: its middle and half axes (rows, columns), as shares of
the side. Alignment brings every face there: the edges of tracked ones deviate by 2 %."""


def on_face(height: int, width: int) -> Tensor:
    """(H, W) bool: places of a map over an aligned picture whose middle lies on the face.

    Example:
        >>> on_face(4, 4).int().tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    """
    squares = [
        (((torch.arange(side) + 0.5) / side - middle) / half).square()
        for side, middle, half in zip((height, width), *FACE, strict=True)
    ]
    return squares[0][:, None] + squares[1] < 1


def sample_centres(
    height: int,
    width: int,
    count: int,
    *,
    region: Callable[[int], tuple[int, int]] = central_range,
    inside: bool = False,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw `count` different places (count, 2) int64, (row, column), of the region of a map.

    With `inside` only those of the region that are `on_face`.

    By default from the global generator of `device`, where the places are wanted.

    Raises:
        ShapeError: if the region has fewer than `count` places.
    """
    (first_row, rows), (first_column, columns) = region(height), region(width)
    known = torch.arange(rows * columns)
    if inside:
        face = on_face(height, width)[first_row:, first_column:][:rows, :columns]
        known = known[face.flatten()]
    if len(known) < count:
        raise ShapeError(
            f"a feature map of {height}x{width} has {len(known)} places for centres"
            f"{' on the face' if inside else ''}, {count} are wanted; use larger images or fewer "
            "centres"
        )
    drawn_on = device if generator is None else generator.device
    flat = torch.randperm(len(known), generator=generator, device=drawn_on)[:count]
    flat = upload(flat, device)
    if inside:
        flat = upload(known, device)[flat]
    return torch.stack([flat // columns + first_row, flat % columns + first_column], dim=1)


def draw_level_centres(
    maps: Sequence[Tensor],
    counts: Sequence[int],
    generator: torch.Generator | None = None,
    *,
    region: Callable[[int], tuple[int, int]] = central_range,
    inside: bool = False,
) -> list[Tensor]:
    """Draw `counts` centres (P, 2), a number a level, for feature maps (B, C, H, W)."""
    given: dict[str, Any] = {"region": region, "inside": inside}
    given |= {"generator": generator, "device": maps[0].device}
    sides = [(features.shape[2], features.shape[3]) for features in maps]
    return [sample_centres(*side, n, **given) for side, n in zip(sides, counts, strict=True)]


def dense_disparities(features: Tensor) -> Tensor:
    """Disparities (B, C, 8, H - 2, W - 2) at every place of (B, C, H, W) with all neighbours."""
    height, width = features.shape[2:]
    middle = features[:, :, 1:-1, 1:-1]
    shifted = [
        features[:, :, 1 + row : height - 1 + row, 1 + column : width - 1 + column]
        for row, column in NEIGHBOUR_OFFSETS
    ]
    return torch.stack([middle - other for other in shifted], dim=2)


class SpatialCoherence(CoherenceMetric):
    """The spatial metric: backbone, heads and loss.

    As supervision: `loss = SpatialCoherence.load(path)(generated, source)`.
    """

    kind = "spatial coherence"
    settings_class = SpatialSettings
    settings: SpatialSettings
    compare_level = staticmethod(compare_level)

    def __init__(self, settings: SpatialSettings) -> None:
        super().__init__(settings)
        # Attribute names are those of the released checkpoints.
        self.resnet50 = IResNet(
            settings.widths, settings.blocks, settings.precision, settings.padding
        )
        self.mlp = ProjectionHeads(settings.widths)

    @classmethod
    def released_form(cls) -> type[SpatialCoherence]:
        """See `CoherenceMetric`."""
        from spfem.released.arithmetic import ReleasedSpatialCoherence

        return ReleasedSpatialCoherence

    def forward(self, generated: Tensor, source: Tensor) -> Tensor:
        """Loss, a scalar, of generated images against source images that say the same.

        Args:
            generated: (B, 3, H, W) RGB in [-1, 1]; the query, which receives the gradient. In
                learning: the neutral frames.
            source: likewise; the key, without gradient. In learning: those of the other emotion.

        Raises:
            ShapeError: for wrong shapes, types or ranges, NaN, or swapped arguments.
        """
        return self.total(self.compare(generated, source))

    def total(self, levels: Sequence[LevelComparison]) -> Tensor:
        """Scalar: the losses of the levels, summed and scaled."""
        return self.settings.scale * torch.stack([level.loss for level in levels]).sum()

    def compare(
        self,
        generated: Tensor,
        source: Tensor,
        *,
        centres: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> list[LevelComparison]:
        """Compare two batches of images level by level; images and errors as in `forward`.

        The centres, (P, 2) a level, (row, column), are the same for the whole batch and both
        images; they are drawn at random unless given.
        """
        refuse_swapped(generated, source)
        if generated.shape[:1] != source.shape[:1]:
            raise ShapeError(
                f"generated and source must hold the same number of images, found "
                f"{tuple(generated.shape)} and {tuple(source.shape)}"
            )
        size = self.settings.image_size
        query_maps = self.resnet50(prepare_images(generated, size, name="generated"))
        with torch.no_grad():
            key_maps = self.resnet50(prepare_images(source, size, name="source"))
        if centres is None:
            centres = self.draw_centres(query_maps, generator)
        return [
            self.compare_level(self.mlp, level, query, key, places, self.settings)
            for level, (query, key, places) in enumerate(
                zip(query_maps, key_maps, centres, strict=True)
            )
        ]

    def draw_centres(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the centres (P, 2) of each level for feature maps (B, C, H, W).

        Raises:
            ShapeError: if a map is too small for its centres.
        """
        settings = self.settings
        return draw_level_centres(maps, settings.centres, generator, inside=settings.inside)
