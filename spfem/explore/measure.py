"""What metrics say of clips: maps, moments and distances, with everything slow kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from spfem.correlation.crossmodal.model import CrossModalCoherence
from spfem.correlation.maps import weights_of_features
from spfem.correlation.metric import CoherenceMetric
from spfem.correlation.spatial import SpatialCoherence
from spfem.correlation.temporal import TemporalCoherence
from spfem.errors import SettingsError
from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.explore.descriptors import Describer, FrameDescriber, WindowDescriber, map_shapes
from spfem.explore.features import ClipFeatures
from spfem.explore.place_maps import map_from
from spfem.explore.recent import Recent
from spfem.explore.selection import METRIC_TITLES
from spfem.explore.sound import pair_distances

MetricLoader = Callable[[], CoherenceMetric]

RAW = "raw"
WITHOUT_PLACES = "audio_visual"
KEPT_BYTES = 1 << 28  # of descriptors; a frame of 96 pixels takes up to 1 MB
KEPT_MOMENTS = 4


class Measurements:
    """What the metrics say of clips.

    Args:
        loaders: functions that load a metric in evaluation mode, by keys of `METRIC_TITLES`;
            called when the metric is first used. "raw" needs a spatial metric, whose features it
            shows.

    Raises:
        SettingsError: if there is no metric, or one has another name.
    """

    def __init__(self, loaders: Mapping[str, MetricLoader]) -> None:
        unknown = sorted(set(loaders) - set(METRIC_TITLES))
        if unknown or not loaders:
            raise SettingsError(
                f"metrics must be some of {', '.join(METRIC_TITLES)}, found "
                f"{', '.join(unknown) or 'none'}"
            )
        self.names = tuple(name for name in METRIC_TITLES if name in loaders)
        self._loaders = dict(loaders)
        self._loaded: dict[str, CoherenceMetric] = {}
        self._features = ClipFeatures()
        self._frames: Recent[Tensor] = Recent(KEPT_BYTES, lambda values: values.nbytes)
        self._moments: Recent[np.ndarray] = Recent(KEPT_MOMENTS)
        self._distances: Recent[tuple[np.ndarray, np.ndarray]] = Recent(KEPT_MOMENTS)

    def map_shapes(self, metric: str) -> list[tuple[int, int]]:
        """(H, W) of the maps of each level of a metric with places."""
        return map_shapes(self._describer(metric).model)

    def map_from(
        self,
        metric: str,
        level: int,
        place: tuple[int, int],
        clip: ExploredClip,
        frame: int,
        other: ExploredClip,
        other_frame: int,
    ) -> np.ndarray:
        """Similarity (H, W) of a place of one frame to every place of another; border NaN."""
        query = self._described(metric, level, clip, frame)
        vector = query[:, place[0] - 1, place[1] - 1]
        return map_from(vector, self._described(metric, level, other, other_frame))

    def moments(
        self, metric: str, level: int, place: tuple[int, int], pair: ExploredPair
    ) -> np.ndarray:
        """Similarity (T, U) of a place at all moments of the first clip to those of the second."""

        def compute() -> np.ndarray:
            sides = [self._over_time(metric, level, place, c) for c in (pair.first, pair.second)]
            return (sides[0] @ sides[1].T).cpu().numpy()

        return self._moments.get((metric, level, place, pair), compute)

    def weights(self, metric: str, level: int, clip: ExploredClip, frame: int) -> np.ndarray | None:
        """Disparity weights (H, W) of a frame in [1, 2); None where the metric has none."""
        describer = self._describer(metric)
        if not isinstance(describer, FrameDescriber):
            return None
        return weights_of_features(
            self._features.of(describer.model, clip)[level][frame : frame + 1]
        )[0]

    def distances(self, pair: ExploredPair) -> tuple[np.ndarray, np.ndarray]:
        """Distances (T, U) of sound and of expression between all moments of a pair."""
        metric = self._metric(WITHOUT_PLACES)
        assert isinstance(metric, CrossModalCoherence)
        return self._distances.get(pair, lambda: pair_distances(metric, pair))

    def _metric(self, name: str) -> CoherenceMetric:
        if name not in self._loaded:
            self._loaded[name] = self._loaders[name]()
        return self._loaded[name]

    def _describer(self, name: str) -> Describer:
        metric = self._metric(name)
        if isinstance(metric, SpatialCoherence):
            return FrameDescriber(metric, "raw" if name == RAW else "learned")
        assert isinstance(metric, TemporalCoherence)
        return WindowDescriber(metric)

    def _described(self, metric: str, level: int, clip: ExploredClip, frame: int) -> Tensor:
        """Descriptors (D, H - 2, W - 2) of a frame."""

        def compute() -> Tensor:
            describer = self._describer(metric)
            maps = self._features.of(describer.model, clip)[level]
            return describer.describe(maps, level, torch.tensor([frame], device=maps.device))[0]

        return self._frames.get((metric, level, clip, frame), compute)

    def _over_time(
        self, metric: str, level: int, place: tuple[int, int], clip: ExploredClip
    ) -> Tensor:
        """Descriptors (T, D) of a place in every frame."""
        describer = self._describer(metric)
        maps = self._features.of(describer.model, clip)[level]
        row, column = place
        around = maps[:, :, row - 1 : row + 2, column - 1 : column + 2]
        every = torch.arange(len(maps), device=maps.device)
        return describer.describe(around, level, every)[:, :, 0, 0]
