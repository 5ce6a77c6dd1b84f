"""Projection heads: one small perceptron a level, from differences to descriptors.

InfoNCE between the rows of two descriptor sets of one image pair.

Where the spatial metric looks: random centres inside the central region of a feature map.

Disparities: differences of a place and its neighbours, and how much each should count.

One level of two images compared at the same sampled places.

ASCCL: disparities of adjacent places should agree between two emotions of the same speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.correlation.backbone import IResNet, feature_sides
from spfem.correlation.images import CoherenceMetric, prepare_images, refuse_swapped
from spfem.errors import SettingsError, ShapeError
from spfem.precision import constant, upload
from spfem.settings import SpatialSettings

REDUCTION = 4  # a head maps C channels to C / 4


class ProjectionHeads(nn.ModuleList):
    """Linear(C to C), ReLU, Linear(C to C / 4) for each level, applied to every location alone.

    A flat list, so that state-dict names are those of the released checkpoints.
    Source: ASCCL. Departs from the released code: each instance owns its heads (there, one
    global list is shared by all instances of a process).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        for channels in widths:
            self.append(nn.Linear(channels, channels))
            self.append(nn.ReLU())
            self.append(nn.Linear(channels, channels // REDUCTION))

    def project(self, level: int, rows: Tensor) -> Tensor:
        """Map rows (..., C) of one level to (..., C / 4)."""
        first, activation, second = (self[3 * level + layer] for layer in range(3))
        return second(activation(first(rows)))

    def describe(self, level: int, disparities: Tensor) -> Tensor:
        """Map differences (B, C, S) of one level to unit descriptors (B, C / 4, S)."""
        rows = self.project(level, disparities.transpose(1, 2))
        return normalise_channels(rows.transpose(1, 2))


def normalise_channels(descriptors: Tensor) -> Tensor:
    """Divide by the Euclidean norm over channels (dimension 1) plus 1e-7.

    Equal to the released arithmetic, but the gradient of an exactly zero descriptor is finite
    (there, it is NaN).
    """
    norm = torch.linalg.vector_norm(descriptors, dim=1, keepdim=True)
    return descriptors / (norm + 1e-7)


def info_nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding row s of the key with row s of the query, among all S rows.

    Negatives come from the same image pair only. Source: ASCCL (PatchNCE). The released code
    builds a positive column and a masked matrix; the value is the same.

    Args:
        query: (B, C, S) descriptors, L2-normalised over C.
        key: (B, C, S); no gradient reaches it.
        temperature: tau.

    Returns:
        (B, S), not reduced; ln S where the descriptors say nothing.

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
    target = torch.arange(query.shape[2], device=query.device).expand(query.shape[0], -1)
    return functional.cross_entropy(logits, target, reduction="none")


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


WEIGHT_THRESHOLD = 0.8  # of the sigmoid, reached at |d| = ln 4


def neighbour_disparities(features: Tensor, centres: Tensor) -> Tensor:
    """Features of each centre minus those of its 8 neighbours.

    Args:
        features: (B, C, H, W).
        centres: (P, 2) int64, (row, column). A neighbour outside the map is taken from the
            opposite edge, as in the released code; the default region has none.

    Returns:
        (B, C, 8 P); column 8 p + n holds centre p and neighbour n of `NEIGHBOUR_OFFSETS`.

    Example:
        >>> features = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> neighbour_disparities(features, torch.tensor([[1, 1]])).flatten().tolist()
        [4.0, 3.0, 2.0, 1.0, -1.0, -2.0, -3.0, -4.0]
    """
    height, width = features.shape[2:]
    offsets = constant(NEIGHBOUR_OFFSETS, centres.device)
    neighbours = centres[:, None] + offsets  # (P, 8, 2)
    rows, columns = neighbours[..., 0] % height, neighbours[..., 1] % width
    middle = features[:, :, centres[:, 0], centres[:, 1]]  # (B, C, P)
    return (middle[..., None] - features[:, :, rows, columns]).flatten(2)


def dense_disparities(features: Tensor) -> Tensor:
    """Disparities at every place that has all 8 neighbours.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, 8, H - 2, W - 2), neighbours in the order of `NEIGHBOUR_OFFSETS`.
    """
    height, width = features.shape[2:]
    middle = features[:, :, 1:-1, 1:-1]
    shifted = [
        features[:, :, 1 + row : height - 1 + row, 1 + column : width - 1 + column]
        for row, column in NEIGHBOUR_OFFSETS
    ]
    return torch.stack([middle - other for other in shifted], dim=2)


def adaptive_weight(disparities: Tensor) -> Tensor:
    """Weight of each element of a disparity: 1 up to |d| = ln 4, then 2 sigmoid(|d|)^2.

    Disparities may have any shape. The function jumps from 1 to 1.28 at the threshold and tends
    to 2. Source: ASCCL.

    Example:
        >>> adaptive_weight(torch.tensor([0.0, 1.0, 2.0]))
        tensor([1.0000, 1.0000, 1.5516])
    """
    strength = torch.sigmoid(disparities.abs())
    return torch.where(strength > WEIGHT_THRESHOLD, 2 * strength.square(), 1.0)


def region_weight(disparities: Tensor, *, with_gradient: bool = False) -> Tensor:
    """Weight of each pair of places: mean adaptive weight over channels.

    Departs from the released code, where only the mean over all pairs acts, and with gradient.

    Args:
        disparities: (B, C, S) of the query.
        with_gradient: let the weight pull the disparities below the threshold, as released.

    Returns:
        (B, S) in [1, 2).

    Example:
        >>> region_weight(torch.zeros(1, 8, 3))
        tensor([[1., 1., 1.]])
    """
    weighed = disparities if with_gradient else disparities.detach()
    return adaptive_weight(weighed).mean(dim=1)


@dataclass(frozen=True)
class LevelComparison:
    """Two images compared at the sampled places of one level; S = 8 P rows.

    `query` and `key` are descriptors (B, C, S), `cross_entropy` and `weight` (B, S), `loss` a
    scalar. With the released `scalar_weight` every entry of `weight` is the one global mean.
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
    """Compare the disparities of two batches of feature maps.

    Args:
        heads: shared by query and key.
        level: which head.
        query_map: (B, C, H, W); receives the gradient.
        key_map: (B, C, H, W), without gradient.
        centres: (P, 2), (row, column), the same for the whole batch and both images.
        settings: temperature, weights and compat.
    """
    disparities = neighbour_disparities(query_map, centres)
    query = heads.describe(level, disparities)
    with torch.no_grad():
        key = heads.describe(level, neighbour_disparities(key_map, centres))
    cross_entropy = info_nce(query, key, settings.temperature)
    if settings.adaptive:
        weight = region_weight(disparities, with_gradient=settings.released("weight_gradient"))
        if settings.released("scalar_weight"):
            weight = weight.mean().expand_as(cross_entropy)
            loss = cross_entropy.mean() * weight[0, 0]
        else:
            # Weighted mean per image, so that images of a batch do not influence each other.
            loss = ((weight * cross_entropy).sum(dim=1) / weight.sum(dim=1)).mean()
    else:
        weight = torch.ones_like(cross_entropy)
        loss = cross_entropy.mean()
    return LevelComparison(query, key, cross_entropy, weight, loss)


def draw_level_centres(
    maps: Sequence[Tensor], settings: SpatialSettings, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Draw the centres (P, 2) of each level for feature maps (B, C, H, W)."""
    return [
        sample_centres(
            features.shape[2],
            features.shape[3],
            count,
            compat=settings.compat,
            generator=generator,
            device=features.device,
        )
        for features, count in zip(maps, settings.centres, strict=True)
    ]


class SpatialCoherence(CoherenceMetric):
    """The spatial metric: backbone, heads and loss.

    As supervision: `loss = SpatialCoherence.load(path)(generated, source)`.
    Source: ASCCL. Departs from the released code: weights act per pair of places and carry no
    gradient, neighbours never wrap round the map, the key branch stores no graph, heads belong
    to the instance. `settings.compat="upstream"` restores the released arithmetic.

    Args:
        settings: sizes and constants.

    Raises:
        SettingsError: if a level's feature map is too small for its centres.
    """

    kind = "spatial coherence"
    settings_class = SpatialSettings
    settings: SpatialSettings

    def __init__(self, settings: SpatialSettings) -> None:
        super().__init__(settings)
        sides = feature_sides(settings.image_size, len(settings.widths))
        for level, (side, count) in enumerate(zip(sides, settings.centres, strict=True)):
            places = candidate_count(side, side, compat=settings.compat)
            if places < count:
                raise SettingsError(
                    f"level {level} of the spatial metric has {places} places for {count} centres "
                    f"at image_size {settings.image_size}; enlarge the image or drop the level"
                )
        # Attribute names are those of the released checkpoints.
        self.resnet50 = IResNet(settings.widths, settings.blocks, settings.precision)
        self.mlp = ProjectionHeads(settings.widths)

    def forward(self, generated: Tensor, source: Tensor) -> Tensor:
        """Loss of generated images against source images that say the same.

        Args:
            generated: (B, 3, H, W) RGB in [-1, 1]; the query, which receives the gradient. In
                learning: the neutral frames.
            source: (B, 3, H, W) RGB in [-1, 1]; the key, without gradient. In learning: the
                frames of the other emotion.

        Returns:
            Scalar, `settings.scale` times the sum over levels.

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
        """Compare two batches of images level by level; arguments as in `forward`.

        Args:
            generated: the query images.
            source: the key images.
            centres: (P, 2) a level, (row, column); default drawn at random, the same for the
                whole batch and both images.
            generator: source of randomness of the draw.

        Raises:
            ShapeError: for wrong shapes, types or ranges, NaN, or swapped arguments.
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
            compare_level(self.mlp, level, query, key, places, self.settings)
            for level, (query, key, places) in enumerate(
                zip(query_maps, key_maps, centres, strict=True)
            )
        ]

    def draw_centres(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the centres (P, 2) of each level for feature maps (B, C, H, W)."""
        return draw_level_centres(maps, self.settings, generator)
