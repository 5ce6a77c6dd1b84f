"""ASCCL: disparities of adjacent places should agree between two emotions of the same speech."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spfem.correlation.backbone import IResNet, feature_sides
from spfem.correlation.comparison import LevelComparison, compare_level, draw_level_centres
from spfem.correlation.heads import ProjectionHeads
from spfem.correlation.metric import CoherenceMetric, refuse_swapped
from spfem.correlation.preprocess import prepare_images
from spfem.correlation.sampling import candidate_count
from spfem.errors import SettingsError, ShapeError
from spfem.settings import SpatialSettings


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
