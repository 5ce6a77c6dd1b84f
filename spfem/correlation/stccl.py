"""CM: the matrix of correlations inside a local set of features, as one descriptor a place.

A reconstruction from the figure of STCCL, our own design: the release holds no code, and the
figure gives neither normalisation nor loss. A set of n features (a place and its neighbours, or
one place over the frames of a window) gives the n x n cosines of its members; the entries i < j
(the matrix is symmetric, its diagonal 1) less their mean, normalised, describe the place. The
mean is subtracted because features share a large common part: without it, all matrices of an
untrained network are alike to 0.99.

Temporal operators: what becomes of a place's features over the frames of a window.

All take features (B, T, C, S): B windows of T frames, C channels at S places.

Where the temporal metrics look: places of a feature map, the same in every frame.

One level of two windows compared at the same places: over time (VD) or by matrices (CM).

STCCL: what changes over time at a place should agree between two emotions of one speech.

STCCL, joint: coherence of each frame and of what changes between frames, in one loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spfem.correlation.asccl import (
    NEIGHBOUR_OFFSETS,
    LevelComparison,
    ProjectionHeads,
    candidate_count,
    compare_level,
    draw_level_centres,
    info_nce,
    normalise_channels,
    region_weight,
    sample_centres,
)
from spfem.correlation.backbone import IResNet, feature_sides
from spfem.correlation.images import CoherenceMetric, prepare_images, refuse_swapped
from spfem.errors import SettingsError, ShapeError
from spfem.precision import constant, upload
from spfem.settings import TemporalSettings


def correlation_entries(members: Tensor, keep: Tensor | None = None) -> Tensor:
    """Off-diagonal correlations of each set, centred and normalised.

    Args:
        members: (B, n, C, S), the n members of the set of each of S places, of unit length
            over C.
        keep: (B, E) bool, entries that count, in the order (0, 1), (0, 2), ..., (1, 2), ...;
            default all. With fewer than two (or n = 2) the descriptor is zero.

    Returns:
        (B, E, S) of unit length over the E = n (n - 1) / 2 entries.
    """
    count = members.shape[1]
    first, second = torch.triu_indices(count, count, offset=1, device=members.device)
    # Products of many tiny matrices are far slower than this.
    entries = (members[:, first] * members[:, second]).sum(dim=2)
    if keep is None:
        return normalise_channels(entries - entries.mean(dim=1, keepdim=True))
    counting = keep[..., None].to(entries.dtype)
    mean = (entries * counting).sum(dim=1, keepdim=True) / counting.sum(dim=1, keepdim=True).clamp(
        min=1
    )
    return normalise_channels((entries - mean) * counting)


def local_sets(features: Tensor, places: Tensor) -> Tensor:
    """Features of each place and of its 8 neighbours.

    Args:
        features: (B, C, H, W).
        places: (P, 2), (row, column), none on the border.

    Returns:
        (B, C, P, 9), the place itself first.
    """
    offsets = constant(((0, 0), *NEIGHBOUR_OFFSETS), places.device)
    around = places[:, None] + offsets  # (P, 9, 2)
    return features[:, :, around[..., 0], around[..., 1]]


FRAME_PAIRS: tuple[str, ...] = ("adjacent", "all")


def paired_frames(frames: int, kind: str) -> tuple[list[int], list[int]]:
    """First and second frame of each of the R pairs that are subtracted, i < j.

    Args:
        frames: T of a window.
        kind: `adjacent` gives (0, 1), (1, 2), ...; `all` gives (0, 1), (0, 2), ..., (1, 2), ...

    Raises:
        SettingsError: if `kind` is neither.
        ShapeError: if fewer than two frames are given.

    Example:
        >>> paired_frames(3, "all")
        ([0, 0, 1], [1, 2, 2])
    """
    if kind not in FRAME_PAIRS:
        raise SettingsError(f"frame pairs must be one of {FRAME_PAIRS}, found {kind!r}")
    if frames < 2:
        raise ShapeError(f"a window needs at least 2 frames to compare, found {frames}")
    reach = 1 if kind == "adjacent" else frames - 1
    pairs = [(i, j) for i in range(frames) for j in range(i + 1, min(i + reach, frames - 1) + 1)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _pairs_on(values: Tensor, frames: int, kind: str) -> tuple[Tensor, Tensor]:
    """`paired_frames` as index tensors (R,) where `values` are: lists would be sent every time."""
    first, second = (tuple(side) for side in paired_frames(frames, kind))
    return constant(first, values.device), constant(second, values.device)


def pair_differences(features: Tensor) -> Tensor:
    """x_i - x_j of all pairs (N) of frames i < j: (B, N, C, S). Source: STCCL (last release)."""
    first, second = _pairs_on(features, features.shape[1], "all")
    return features[:, first] - features[:, second]


def adjacent_differences(features: Tensor) -> Tensor:
    """x_t - x_(t+1), (B, T - 1, C, S). The default here; the release takes all pairs.

    Example:
        >>> adjacent_differences(torch.tensor([0.0, 1.0, 3.0]).reshape(1, 3, 1, 1)).flatten()
        tensor([-1., -2.])
    """
    first, second = _pairs_on(features, features.shape[1], "adjacent")
    return features[:, first] - features[:, second]


def differences_to_first(features: Tensor) -> Tensor:
    """x_t - x_0 of t >= 1, (B, T - 1, C, S). Source: STCCL ("accumulated", though nothing is)."""
    return features[:, 1:] - features[:, :1]


def mean_over_time(features: Tensor) -> Tensor:
    """Mean over frames, (B, C, S): an appearance, not a motion. Source: STCCL ("aggregation")."""
    return features.mean(dim=1)


def shuffled_differences(features: Tensor, order: Tensor) -> Tensor:
    """x_t - x_order(t), (B, T, C, S), for a permutation (T,); a fixed point gives a zero row.

    Source: STCCL, whose figure shows it and whose released code never calls it.
    """
    return features - features[:, order]


def held_pairs(held: Tensor, kind: str) -> Tensor:
    """Which pairs of frames hold one and the same frame in either branch.

    Args:
        held: (B, T - 1) bool, whether step t to t + 1 of the path stays on a frame in either
            branch; or (B, T - 1, 2), told apart by branch. Told apart, a pair of `all` is held if
            one branch stays throughout; otherwise if every step between stays in some branch.
        kind: see `paired_frames`.

    Returns:
        (B, R) bool.
    """
    by_branch = held if held.ndim == 3 else held[..., None]
    first, second = _pairs_on(held, held.shape[1] + 1, kind)
    moves = torch.cumsum(~by_branch, dim=1)
    moves = torch.cat([torch.zeros_like(moves[:, :1]), moves], dim=1)  # before each frame
    return (moves[:, first] == moves[:, second]).any(dim=2)


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


SUBTRACT = {"adjacent": adjacent_differences, "all": pair_differences}
"""Operator of each kind of frame pairs."""


def compare_differences(
    heads: ProjectionHeads,
    level: int,
    query: Tensor,
    key: Tensor,
    held: Tensor | None,
    settings: TemporalSettings,
) -> LevelComparison:
    """VD: differences over time at a place should be found again at that place.

    Source: STCCL. Departs from the released code: adjacent frames instead of all pairs, rows of
    held frames left out; `compat="upstream"` restores both.

    Args:
        heads: shared by query and key.
        level: which head.
        query: features (B, T, C, S); receives the gradient.
        key: (B, T, C, S), without gradient.
        held: see `held_pairs`; None holds nothing.
        settings: frame pairs, temperature, weights and compat.

    Returns:
        Rows (B R, C, S), window by window; `weight` is 0 in held rows.
    """
    subtract = SUBTRACT[settings.compared_frames]
    differences = subtract(query).flatten(0, 1)
    described = heads.describe(level, differences)
    with torch.no_grad():
        others = heads.describe(level, subtract(key).flatten(0, 1))
    cross_entropy = info_nce(described, others, settings.spatial.temperature)
    weight = region_weight(differences) if settings.adaptive else torch.ones_like(cross_entropy)
    if held is not None and not settings.released("held_frames"):
        weight = weight * ~held_pairs(held, settings.compared_frames).flatten()[:, None]
    return _weighed(described, others, cross_entropy, weight, windows=len(query))


def compare_temporal_matrices(
    heads: ProjectionHeads,
    level: int,
    query: Tensor,
    key: Tensor,
    held: Tensor | None,
    settings: TemporalSettings,
) -> LevelComparison:
    """CM over time: the T x T correlations of a place should be found again at that place.

    Our reconstruction, see `correlation_matrices`. The head describes each frame before the
    matrix is made, so that what is learned can differ from the backbone's own features, as in
    the other formulations. Entries of held frames are zero in both branches.

    Arguments as in `compare_differences`; rows (B, E, S), E the number of frame pairs.
    """
    keep = None if held is None else ~held_pairs(held, "all")
    described = correlation_entries(_describe(heads, level, query), keep)
    with torch.no_grad():
        others = correlation_entries(_describe(heads, level, key), keep)
    cross_entropy = info_nce(described, others, settings.spatial.temperature)
    weight = torch.ones_like(cross_entropy)
    if keep is not None:  # of a single entry nothing is left without its mean
        weight = weight * (keep.sum(dim=1) > 1)[:, None]
    return _weighed(described, others, cross_entropy, weight, windows=len(query))


def compare_spatial_matrices(
    heads: ProjectionHeads,
    level: int,
    query_map: Tensor,
    key_map: Tensor,
    places: Tensor,
    temperature: float,
) -> LevelComparison:
    """CM over space: the 9 x 9 correlations of a place and its neighbours, frame by frame.

    Our reconstruction, see `correlation_matrices`; the head describes each place first.

    Args:
        heads: shared by query and key.
        level: which head.
        query_map: (B, C, H, W); receives the gradient.
        key_map: (B, C, H, W), without gradient.
        places: (P, 2), none on the border.
        temperature: of InfoNCE over the P places.
    """
    described = spatial_matrices(heads, level, query_map, places)
    with torch.no_grad():
        others = spatial_matrices(heads, level, key_map, places)
    cross_entropy = info_nce(described, others, temperature)
    weight = torch.ones_like(cross_entropy)
    return _weighed(described, others, cross_entropy, weight, windows=len(query_map))


def spatial_matrices(
    heads: ProjectionHeads, level: int, features: Tensor, places: Tensor
) -> Tensor:
    """Descriptors (B, 36, P) of the local sets of feature maps (B, C, H, W)."""
    sets = local_sets(features, places)
    members = heads.describe(level, sets.flatten(2)).unflatten(2, sets.shape[2:])
    return correlation_entries(members.permute(0, 3, 1, 2))


def _describe(heads: ProjectionHeads, level: int, features: Tensor) -> Tensor:
    """Map (B, T, C, S) to unit descriptors (B, T, C / 4, S)."""
    return heads.describe(level, features.flatten(0, 1)).unflatten(0, features.shape[:2])


def _weighed(
    query: Tensor, key: Tensor, cross_entropy: Tensor, weight: Tensor, *, windows: int
) -> LevelComparison:
    """Weighted mean of each window, so that windows do not influence each other.

    A window without any weight adds 0.
    """
    sums = [rows.reshape(windows, -1).sum(dim=1) for rows in (weight * cross_entropy, weight)]
    # Weights are 0 or at least 1, so the bound acts on windows without weight only.
    loss = (sums[0] / sums[1].clamp(min=1)).mean()
    return LevelComparison(query, key, cross_entropy, weight, loss)


@dataclass(frozen=True)
class WindowComparison:
    """Two batches of windows compared, one entry a level; `spatial` is empty without that part.

    Rows of `temporal` are windows (times frame pairs), those of `spatial` frames.
    """

    temporal: list[LevelComparison]
    spatial: list[LevelComparison]


class TemporalCoherence(CoherenceMetric):
    """The temporal metric: backbone, heads and loss on windows of frames.

    As supervision: `loss = TemporalCoherence.load(path)(generated, source)`.
    Source: STCCL, formulation `vd` (visual disparity: differences of frames at a place);
    `cm` (correlation matrices over the frames at a place) is our reconstruction from its figure.
    Departs from the released code: places from the central region without replacement, adjacent
    frames, held frames of the warping path left out, the key branch stores no graph;
    `settings.compat="upstream"` restores the released arithmetic of `vd` (all pairs, whole map,
    nothing left out, levels summed without a scale). The released transformer is not ported: it
    scores independent inputs as if they matched.

    Args:
        settings: sizes and constants; `settings.spatial` describes the backbone.

    Raises:
        SettingsError: if a level's feature map is too small for its places.
    """

    kind = "temporal coherence"
    settings_class = TemporalSettings
    settings: TemporalSettings

    def __init__(self, settings: TemporalSettings) -> None:
        super().__init__(settings)
        spatial = settings.spatial
        sides = feature_sides(spatial.image_size, len(spatial.widths))
        for level, (side, count) in enumerate(zip(sides, settings.places, strict=True)):
            whole_map = settings.released("repeated_places")
            if not whole_map and candidate_count(side, side) < count:
                raise SettingsError(
                    f"level {level} of the temporal metric has {candidate_count(side, side)} "
                    f"candidates for {count} places at image_size {spatial.image_size}; "
                    "enlarge the image or look at fewer places"
                )
        # Attribute names are those of the released checkpoints.
        self.resnet50 = IResNet(spatial.widths, spatial.blocks, spatial.precision)
        self.mlp = ProjectionHeads(spatial.widths)

    def forward(self, generated: Tensor, source: Tensor, *, held: Tensor | None = None) -> Tensor:
        """Loss of generated windows against source windows that say the same.

        Args:
            generated: (B, T, 3, H, W) RGB in [-1, 1]; the query, which receives the gradient. In
                learning: the neutral frames.
            source: (B, T, 3, H, W) RGB in [-1, 1]; the key, without gradient. In learning: the
                frames of the other emotion at the same steps of the warping path.
            held: (B, T - 1) bool, steps at which either branch shows the same frame again, or
                (B, T - 1, 2), told apart by branch; None for frames that all differ.

        Returns:
            Scalar; a window whose frames are all held adds 0.

        Raises:
            ShapeError: for wrong shapes, types or ranges, NaN, or swapped arguments.
        """
        return self.total(self.compare(generated, source, held=held))

    def total(self, compared: WindowComparison) -> Tensor:
        """Scalar: the losses of the temporal levels, summed and scaled."""
        scale = 1.0 if self.settings.released("unscaled") else self.settings.scale
        return scale * torch.stack([level.loss for level in compared.temporal]).sum()

    def compare(
        self,
        generated: Tensor,
        source: Tensor,
        *,
        held: Tensor | None = None,
        places: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> WindowComparison:
        """Compare two batches of windows level by level; arguments as in `forward`.

        Args:
            generated: the query windows.
            source: the key windows.
            held: steps that repeat a frame.
            places: (P, 2) a level, (row, column); default drawn at random, the same for all
                frames, windows and both branches.
            generator: source of randomness of the draw.
        """
        query_maps, key_maps = self.feature_maps(generated, source, held)
        if places is None:
            places = self.draw_places(query_maps, generator)
        return self.compare_maps(query_maps, key_maps, places, held, generated.shape[:2])

    def compare_maps(
        self,
        query_maps: Sequence[Tensor],
        key_maps: Sequence[Tensor],
        places: Sequence[Tensor],
        held: Tensor | None,
        shape: tuple[int, ...],
    ) -> WindowComparison:
        """Compare feature maps (B T, C, H, W) a level of windows of `shape` (B, T)."""
        vd = self.settings.formulation == "vd"
        compare = compare_differences if vd else compare_temporal_matrices
        levels = []
        for level, (query, key, at) in enumerate(zip(query_maps, key_maps, places, strict=True)):
            seen, wanted = (features_at(maps, at).unflatten(0, shape) for maps in (query, key))
            levels.append(compare(self.mlp, level, seen, wanted, held, self.settings))
        return WindowComparison(levels, [])

    def feature_maps(
        self, generated: Tensor, source: Tensor, held: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Maps (B T, C, H, W) a level of query and key; one backbone pass each, key frozen.

        Raises:
            ShapeError: see `forward`.
        """
        refuse_swapped(generated, source)
        for name, windows in (("generated", generated), ("source", source)):
            if windows.ndim != 5 or windows.shape[1] < 2:
                raise ShapeError(
                    f"{name} must be (B, T, 3, H, W) with at least 2 frames a window, found "
                    f"{tuple(windows.shape)}"
                )
        if generated.shape[:2] != source.shape[:2]:
            raise ShapeError(
                "generated and source must hold the same number of windows and frames, found "
                f"{tuple(generated.shape)} and {tuple(source.shape)}"
            )
        steps = (len(generated), generated.shape[1] - 1)
        if held is not None and (held.dtype != torch.bool or tuple(held.shape) not in _held(steps)):
            raise ShapeError(
                f"held must be bool {steps} (or one more dimension of 2, the branches), found "
                f"{held.dtype} {tuple(held.shape)}"
            )
        size = self.settings.spatial.image_size
        query = self.resnet50(prepare_images(generated.flatten(0, 1), size, name="generated"))
        with torch.no_grad():
            key = self.resnet50(prepare_images(source.flatten(0, 1), size, name="source"))
        return query, key

    def draw_places(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the places (P, 2) of each level for feature maps (N, C, H, W)."""
        return [
            sample_places(
                features.shape[2],
                features.shape[3],
                count,
                with_replacement=self.settings.released("repeated_places"),
                generator=generator,
                device=features.device,
            )
            for features, count in zip(maps, self.settings.places, strict=True)
        ]


def _held(steps: tuple[int, int]) -> Iterator[tuple[int, ...]]:
    """Shapes that `held` may have."""
    yield steps
    yield (*steps, 2)


class SpatialTemporalCoherence(TemporalCoherence):
    """The spatial and the temporal metric on one backbone, one set of heads, one pass.

    The spatial part follows the formulation: neighbour disparities as in `SpatialCoherence` for
    `vd`, correlation matrices of a place and its neighbours for `cm`; all frames of a batch share
    their places. Source: STCCL. Departs from the released code: the weight of the temporal part
    is `settings.temporal_weight` (there, a misplaced argument and a factor give 0.35), both parts
    carry their scale, and the transformer is not ported.
    """

    kind = "spatial-temporal coherence"

    def total(self, compared: WindowComparison) -> Tensor:
        """Scalar: scaled sum of the spatial levels, plus `temporal_weight` times the temporal."""
        spatial = torch.stack([level.loss for level in compared.spatial]).sum()
        temporal = super().total(compared)
        return self.settings.spatial.scale * spatial + self.settings.temporal_weight * temporal

    def compare(
        self,
        generated: Tensor,
        source: Tensor,
        *,
        held: Tensor | None = None,
        places: Sequence[Tensor] | None = None,
        centres: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> WindowComparison:
        """Compare two batches of windows level by level, in both parts.

        Args:
            generated: the query windows, as in `forward`.
            source: the key windows.
            held: steps that repeat a frame.
            places: (P, 2) a level, of the temporal part and of spatial matrices.
            centres: (P, 2) a level, of the disparities of `vd`.
            generator: source of randomness of the draws that are not given.
        """
        query_maps, key_maps = self.feature_maps(generated, source, held)
        if places is None:
            places = self.draw_places(query_maps, generator)
        temporal = self.compare_maps(query_maps, key_maps, places, held, generated.shape[:2])
        vd = self.settings.formulation == "vd"
        if vd and centres is None:
            centres = self.draw_centres(query_maps, generator)
        where = centres if vd and centres is not None else places
        spatial = [
            self._compare_frames(level, query, key, at)
            for level, (query, key, at) in enumerate(zip(query_maps, key_maps, where, strict=True))
        ]
        return WindowComparison(temporal.temporal, spatial)

    def draw_centres(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the centres (P, 2) of each level for the spatial part of `vd`."""
        return draw_level_centres(maps, self.settings.spatial, generator)

    def _compare_frames(
        self, level: int, query: Tensor, key: Tensor, places: Tensor
    ) -> LevelComparison:
        spatial = self.settings.spatial
        if self.settings.formulation == "vd":
            return compare_level(self.mlp, level, query, key, places, spatial)
        return compare_spatial_matrices(self.mlp, level, query, key, places, spatial.temperature)
