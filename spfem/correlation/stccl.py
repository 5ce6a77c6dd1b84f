"""STCCL: what changes over time at a place should agree between two emotions of one speech.

VD, visual disparity (the formulation `vd`), with x_t the features of a place in frame t:

    d    = x_i - x_j                          for pairs of frames i < j
    q    = h(d) / (|h(d)| + 1e-7)             its descriptor, h the head of the level
    l_s  = -log softmax_t(q_t . k_s / tau)_s  among the places s of the same pair of frames
    L_t  = scale * sum over levels of mean over windows of  sum w l / sum w

w is 1, or the adaptive weight of ASCCL, and 0 where a step of the warping path holds a frame.

CM, correlation matrices (`cm`), with m_t = h(x_t) / (|h(x_t)| + 1e-7) the members of a set (one
place over a window, or a place and its neighbours in one frame):

    c    = (m_i . m_j for i < j)              the matrix is symmetric, its diagonal 1
    q    = (c - mean c) / (|c - mean c| + 1e-7)

then as above. CM is our reconstruction from the figure of STCCL: the release holds no code for it,
and the figure gives neither normalisation nor loss. The mean is subtracted because features share
a large common part: without it, all matrices of an untrained network are alike to 0.99.

Joint:  L = scale_s * sum over levels of the spatial losses + lambda_t * L_t

with the spatial losses of ASCCL for `vd`, and of the matrices of a place and its neighbours for
`cm`, frame by frame. Departs from the released code: adjacent frames, places from the central
region without replacement, held frames left out, the levels scaled, the key stores no graph;
lambda_t is a setting (there, a misplaced argument and a factor give 0.35). `compat` in the settings
restores the released arithmetic of `vd`, in `spfem.released.arithmetic`. The released transformer
is not ported: it scores independent inputs as if they matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spfem.correlation.asccl import (
    NEIGHBOUR_OFFSETS,
    LevelComparison,
    ProjectionHeads,
    compare_level,
    draw_level_centres,
    info_nce,
    normalise_channels,
    region_weight,
)
from spfem.correlation.backbone import IResNet
from spfem.correlation.images import CoherenceMetric, prepare_images, refuse_swapped
from spfem.errors import ShapeError
from spfem.precision import constant
from spfem.settings import TemporalSettings


def compare_differences(
    heads: ProjectionHeads,
    level: int,
    query: Tensor,
    key: Tensor,
    held: Tensor | None,
    settings: TemporalSettings,
) -> LevelComparison:
    """VD of features (B, T, C, S); the gradient goes to `query` only, `held` as in `held_pairs`.

    Rows are (B R, C, S), window by window, R the pairs of frames.
    """
    subtract = SUBTRACT[settings.compared_frames]
    differences = subtract(query).flatten(0, 1)
    described = heads.describe(level, differences)
    with torch.no_grad():
        others = heads.describe(level, subtract(key).flatten(0, 1))
    surprise = info_nce(described, others, settings.spatial.temperature)
    weight = region_weight(differences) if settings.adaptive else torch.ones_like(surprise)
    if held is not None:
        weight = weight * ~held_pairs(held, settings.compared_frames).flatten()[:, None]
    return _weighed(described, others, surprise, weight, windows=len(query))


def compare_temporal_matrices(
    heads: ProjectionHeads,
    level: int,
    query: Tensor,
    key: Tensor,
    held: Tensor | None,
    settings: TemporalSettings,
) -> LevelComparison:
    """CM over time; arguments as in `compare_differences`, rows (B, E, S), E the pairs of frames.

    Entries of held frames are zero in both branches.
    """
    keep = None if held is None else ~held_pairs(held, "all")
    described = correlation_entries(describe_rows(heads, level, query), keep)
    with torch.no_grad():
        others = correlation_entries(describe_rows(heads, level, key), keep)
    surprise = info_nce(described, others, settings.spatial.temperature)
    weight = torch.ones_like(surprise)
    if keep is not None:  # of a single entry nothing is left without its mean
        weight = weight * (keep.sum(dim=1) > 1)[:, None]
    return _weighed(described, others, surprise, weight, windows=len(query))


def compare_spatial_matrices(
    heads: ProjectionHeads,
    level: int,
    query_map: Tensor,
    key_map: Tensor,
    places: Tensor,
    temperature: float,
) -> LevelComparison:
    """CM over space of maps (B, C, H, W) at places (P, 2): a place and its neighbours, 9 x 9."""
    described = _spatial_matrices(heads, level, query_map, places)
    with torch.no_grad():
        others = _spatial_matrices(heads, level, key_map, places)
    surprise = info_nce(described, others, temperature)
    weight = torch.ones_like(surprise)
    return _weighed(described, others, surprise, weight, windows=len(query_map))


def _weighed(
    query: Tensor, key: Tensor, surprise: Tensor, weight: Tensor, *, windows: int
) -> LevelComparison:
    """Weighted mean of each window, so that windows do not influence each other."""
    sums = [rows.reshape(windows, -1).sum(dim=1) for rows in (weight * surprise, weight)]
    # Weights are 0 or at least 1, so the bound acts on windows without weight only.
    loss = (sums[0] / sums[1].clamp(min=1)).mean()
    return LevelComparison(query, key, surprise, weight, loss)


def correlation_entries(members: Tensor, keep: Tensor | None = None) -> Tensor:
    """Correlations (B, E, S) of the n members of each of S sets, centred and of unit length.

    E = n (n - 1) / 2 entries in the order (0, 1), (0, 2), ..., (1, 2), ...; members are (B, n, C,
    S) of unit length over C. Only the entries `keep` (B, E) bool count; with fewer than two (or n =
    2) the descriptor is zero.
    """
    count = members.shape[1]
    first, second = torch.triu_indices(count, count, offset=1, device=members.device)
    # Products of many tiny matrices are far slower than this.
    entries = (members[:, first] * members[:, second]).sum(dim=2)
    if keep is None:
        return normalise_channels(entries - entries.mean(dim=1, keepdim=True))
    counting = keep[..., None].to(entries.dtype)
    kept = counting.sum(dim=1, keepdim=True).clamp(min=1)
    mean = (entries * counting).sum(dim=1, keepdim=True) / kept
    return normalise_channels((entries - mean) * counting)


def _spatial_matrices(
    heads: ProjectionHeads, level: int, features: Tensor, places: Tensor
) -> Tensor:
    """Descriptors (B, 36, P) of the local sets of feature maps (B, C, H, W)."""
    sets = local_sets(features, places)
    members = heads.describe(level, sets.flatten(2)).unflatten(2, sets.shape[2:])
    return correlation_entries(members.permute(0, 3, 1, 2))


def describe_rows(heads: ProjectionHeads, level: int, features: Tensor) -> Tensor:
    """Map (B, T, C, S) to unit descriptors (B, T, C / 4, S)."""
    return heads.describe(level, features.flatten(0, 1)).unflatten(0, features.shape[:2])


def features_at(features: Tensor, places: Tensor) -> Tensor:
    """Take (B, C, P) from feature maps (B, C, H, W) at places (P, 2)."""
    return features[:, :, places[:, 0], places[:, 1]]


def local_sets(features: Tensor, places: Tensor) -> Tensor:
    """(B, C, P, 9): places (P, 2) of maps (B, C, H, W), not on the border, then neighbours."""
    around = places[:, None] + constant(((0, 0), *NEIGHBOUR_OFFSETS), places.device)  # (P, 9, 2)
    return features[:, :, around[..., 0], around[..., 1]]


def paired_frames(frames: int, kind: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """First and second frame (R,) of each pair that is subtracted: `adjacent` ones, or `all`.

    Example:
        >>> paired_frames(3, "all", torch.device("cpu"))
        (tensor([0, 0, 1]), tensor([1, 2, 2]))
    """
    reach = 1 if kind == "adjacent" else frames - 1
    pairs = [(i, j) for i in range(frames) for j in range(i + 1, min(i + reach, frames - 1) + 1)]
    first, second = (tuple(side) for side in zip(*pairs, strict=True))
    return constant(first, device), constant(second, device)  # lists would be sent every time


def adjacent_differences(features: Tensor) -> Tensor:
    """x_t - x_(t+1), (B, T - 1, C, S).

    Example:
        >>> adjacent_differences(torch.tensor([0.0, 1.0, 3.0]).reshape(1, 3, 1, 1)).flatten()
        tensor([-1., -2.])
    """
    return _differences(features, "adjacent")


def pair_differences(features: Tensor) -> Tensor:
    """x_i - x_j (B, N, C, S) of all pairs of frames i < j of (B, T, C, S)."""
    return _differences(features, "all")


def _differences(features: Tensor, kind: str) -> Tensor:
    first, second = paired_frames(features.shape[1], kind, features.device)
    return features[:, first] - features[:, second]


SUBTRACT = {"adjacent": adjacent_differences, "all": pair_differences}
"""Operator of each kind of frame pairs."""


def held_pairs(held: Tensor, kind: str) -> Tensor:
    """Which pairs of frames (B, R), see `paired_frames`, hold one and the same frame in a branch.

    `held` (B, T - 1) says whether step t to t + 1 of the path stays on a frame in either branch;
    (B, T - 1, 2) tells the branches apart. Told apart, a pair of `all` is held if one branch stays
    throughout; otherwise if every step between stays in some branch.
    """
    by_branch = held if held.ndim == 3 else held[..., None]
    first, second = paired_frames(held.shape[1] + 1, kind, held.device)
    moves = torch.cumsum(~by_branch, dim=1)
    moves = torch.cat([torch.zeros_like(moves[:, :1]), moves], dim=1)  # before each frame
    return (moves[:, first] == moves[:, second]).any(dim=2)


@dataclass(frozen=True)
class WindowComparison:
    """Two batches of windows compared, one entry a level; `spatial` is empty without that part.

    Rows of `temporal` are windows (times frame pairs), those of `spatial` frames.
    """

    temporal: Sequence[LevelComparison]
    spatial: Sequence[LevelComparison] = ()


class TemporalCoherence(CoherenceMetric):
    """The temporal metric: backbone, heads and loss on windows of frames.

    As supervision: `loss = TemporalCoherence.load(path)(generated, source)`.
    """

    kind = "temporal coherence"
    settings_class = TemporalSettings
    settings: TemporalSettings

    def __init__(self, settings: TemporalSettings) -> None:
        super().__init__(settings)
        spatial = settings.spatial
        # Attribute names are those of the released checkpoints.
        self.resnet50 = IResNet(spatial.widths, spatial.blocks, spatial.precision, spatial.padding)
        self.mlp = ProjectionHeads(spatial.widths)

    @classmethod
    def released_form(cls) -> type[TemporalCoherence]:
        """See `CoherenceMetric`."""
        from spfem.released.arithmetic import ReleasedTemporalCoherence

        return ReleasedTemporalCoherence

    def forward(self, generated: Tensor, source: Tensor, *, held: Tensor | None = None) -> Tensor:
        """Loss, a scalar, of generated windows against source windows that say the same.

        Args:
            generated: (B, T, 3, H, W) RGB in [-1, 1]; the query, which receives the gradient. In
                learning: the neutral frames.
            source: likewise; the key, without gradient. In learning: the frames of the other
                emotion at the same steps of the warping path.
            held: see `held_pairs`; None for frames that all differ. A window of them adds 0.

        Raises:
            ShapeError: for wrong shapes, types or ranges, NaN, or swapped arguments.
        """
        return self.total(self.compare(generated, source, held=held))

    def total(self, compared: WindowComparison) -> Tensor:
        """Scalar: the losses of the temporal levels, summed and scaled."""
        return self.settings.scale * torch.stack([level.loss for level in compared.temporal]).sum()

    def compare(
        self,
        generated: Tensor,
        source: Tensor,
        *,
        held: Tensor | None = None,
        places: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> WindowComparison:
        """Compare two batches of windows level by level; windows and errors as in `forward`.

        The places, (P, 2) a level, (row, column), are the same for all frames, windows and both
        branches; they are drawn at random unless given.
        """
        query_maps, key_maps = self.feature_maps(generated, source, held)
        if places is None:
            places = self.draw_places(query_maps, generator)
        temporal = self.compare_maps(query_maps, key_maps, places, held, generated.shape[:2])
        return WindowComparison(temporal)

    def compare_maps(
        self,
        query_maps: Sequence[Tensor],
        key_maps: Sequence[Tensor],
        places: Sequence[Tensor],
        held: Tensor | None,
        shape: tuple[int, ...],
    ) -> list[LevelComparison]:
        """Compare feature maps (B T, C, H, W) a level of windows of `shape` (B, T)."""
        vd = self.settings.formulation == "vd"
        compare = compare_differences if vd else compare_temporal_matrices
        levels = []
        for level, (query, key, at) in enumerate(zip(query_maps, key_maps, places, strict=True)):
            seen, wanted = (features_at(maps, at).unflatten(0, shape) for maps in (query, key))
            levels.append(compare(self.mlp, level, seen, wanted, held, self.settings))
        return levels

    def feature_maps(
        self, generated: Tensor, source: Tensor, held: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Maps (B T, C, H, W) a level of query and key; one backbone pass each, key frozen."""
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
        if held is not None and (
            held.dtype != torch.bool or tuple(held.shape) not in (steps, (*steps, 2))
        ):
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
        return draw_level_centres(maps, self.settings.places, generator)


class SpatialTemporalCoherence(TemporalCoherence):
    """The spatial and the temporal metric on one backbone, one set of heads, one pass.

    All frames of a batch share the places of their spatial part.
    """

    kind = "spatial-temporal coherence"

    @classmethod
    def released_form(cls) -> type[SpatialTemporalCoherence]:
        """See `CoherenceMetric`."""
        from spfem.released.arithmetic import ReleasedSpatialTemporalCoherence

        return ReleasedSpatialTemporalCoherence

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

        What is not given is drawn: the places of the temporal part and of spatial matrices, and the
        centres of the disparities of `vd`, each (P, 2) a level.
        """
        query_maps, key_maps = self.feature_maps(generated, source, held)
        if places is None:
            places = self.draw_places(query_maps, generator)
        temporal = self.compare_maps(query_maps, key_maps, places, held, generated.shape[:2])
        if self.settings.formulation == "cm":
            centres = places
        elif centres is None:
            centres = self.draw_centres(query_maps, generator)
        maps = enumerate(zip(query_maps, key_maps, centres, strict=True))
        return WindowComparison(temporal, [self.compare_frames(n, *each) for n, each in maps])

    def draw_centres(
        self, maps: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw the centres (P, 2) of each level for the spatial part of `vd`."""
        return draw_level_centres(maps, self.settings.spatial.centres, generator)

    def compare_frames(
        self, level: int, query: Tensor, key: Tensor, places: Tensor
    ) -> LevelComparison:
        """The spatial part of one level, for maps (N, C, H, W) of single frames."""
        spatial = self.settings.spatial
        if self.settings.formulation == "vd":
            return compare_level(self.mlp, level, query, key, places, spatial)
        return compare_spatial_matrices(self.mlp, level, query, key, places, spatial.temperature)
