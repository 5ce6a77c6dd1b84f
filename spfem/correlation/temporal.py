"""STCCL: what changes over time at a place should agree between two emotions of one speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spfem.correlation.backbone import IResNet, feature_sides
from spfem.correlation.comparison import LevelComparison
from spfem.correlation.heads import ProjectionHeads
from spfem.correlation.metric import CoherenceMetric, refuse_swapped
from spfem.correlation.places import features_at, sample_places
from spfem.correlation.preprocess import prepare_images
from spfem.correlation.sampling import candidate_count
from spfem.correlation.window_comparison import compare_differences, compare_temporal_matrices
from spfem.errors import SettingsError, ShapeError
from spfem.settings import TemporalSettings


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
