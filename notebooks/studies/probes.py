"""What a metric does: where its gradient falls, what it pulls a mouth to, what it sees in noise.

**Independent inputs.** Query and key features are drawn independently, so an honest operator leaves
the cross-entropy of finding the right place at chance, ln S. The transformer of the released STCCL
code does not: its random weights give each place a signature of its own, which both sides share. It
is rebuilt here, small, only to show that; no metric of the package uses it.

**Wrong mouths.** At moments of an unseen actor the emotional face gets the mouth of another moment;
then nothing but the metric acts on its face units, through moved pictures, as it supervises the
manipulator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.correlation.asccl import SpatialCoherence, info_nce, normalise_channels, on_face
from spfem.correlation.frames import ClipPair, FramePairs
from spfem.correlation.images import images_from_frames
from spfem.correlation.maps import feature_maps, weights_of_features
from spfem.correlation.stccl import (
    TemporalCoherence,
    adjacent_differences,
    correlation_entries,
    pair_differences,
)
from spfem.errors import ShapeError
from spfem.face.landmarks import OUTER_LIPS
from spfem.face.track import FaceTrack
from spfem.head.names import FACE_UNIT_NAMES
from spfem.settings import EvaluationSettings
from spfem.statistics import Interval, cluster_bootstrap
from spfem.supervision.moved import FaceMover
from studies.moment_similarity import Comparison, mouth_region

EDGE = 1 / 12  # of the side: what lies that near to the border of a picture
DRAWS = 8  # of random places, over which a map is averaged
MARGIN = 0.25  # of the mouth region around the lips, as a share of their box

ImageLoss = Callable[[Tensor, Tensor], Tensor]
"""Scalar loss of generated and source images (B, 3, S, S) RGB in [-1, 1]."""


def gradient_maps(
    loss: ImageLoss, generated: np.ndarray, source: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """Size of the gradient of the loss at every pixel of the generated frames.

    Random places of the loss are drawn from `seed`; frames are (B, S, S, 3) uint8 RGB.

    Returns:
        (B, S, S) float32, each map with sum 1; zero where the loss gives no gradient.

    Raises:
        ShapeError: if the loss gives no gradient to `generated`.
    """
    images = images_from_frames(generated).requires_grad_()
    real = images_from_frames(source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(draws):
            loss(images, real).backward()
    if images.grad is None:
        raise ShapeError("the loss gives no gradient to the generated images")
    sizes = images.grad.norm(dim=1)
    return (sizes / sizes.sum(dim=(1, 2), keepdim=True).clamp(min=1e-30)).numpy()


def lips_region(track: FaceTrack, frame: int) -> np.ndarray:
    """Box around the lips of an aligned face, with a margin, (S, S) bool."""
    matrix = track.align[frame]
    lips = track.landmarks[frame, list(OUTER_LIPS), :2] @ matrix[:, :2].T + matrix[:, 2]
    low, high = lips.min(axis=0), lips.max(axis=0)
    margin = MARGIN * (high - low)
    places = np.arange(track.faces.shape[1]) + 0.5
    columns, rows = (
        (places >= low[axis] - margin[axis]) & (places <= high[axis] + margin[axis])
        for axis in (0, 1)
    )
    return rows[:, None] & columns


def measure_mouth_shares(
    faces: Mapping[str, FaceTrack],
    frames: FramePairs,
    comparisons: Sequence[Comparison],
    losses: Mapping[str, ImageLoss],
    settings: EvaluationSettings,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Share of the gradient that falls on the mouth when only the mouth is wrong.

    Generated is the frame of another moment of the emotional clip, source the neutral frame.

    Returns:
        Rows `metric, share, ci_low, ci_high, area, moments` (`area` is the mouth's share of the
        pixels, the share of a gradient that is the same everywhere), and the mean map (S, S) of
        each metric.
    """
    pairs = [frames.pairs[row.pair] for row in comparisons]
    shown = [(pair.target, row.other_frame) for pair, row in zip(pairs, comparisons, strict=True)]
    both = zip(pairs, comparisons, strict=True)
    source = np.stack([faces[pair.source].faces[row.source_frame] for pair, row in both])
    generated = np.stack([faces[key].faces[frame] for key, frame in shown])
    regions = np.stack([lips_region(faces[key], frame) for key, frame in shown])
    clusters = np.array([[pair.actor, f"{pair.source} {pair.target}"] for pair in pairs])
    rows, maps, area = [], {}, float(regions.mean())
    draws = {"resamples": settings.resamples, "confidence": settings.confidence, "seed": 0}
    for name, loss in losses.items():
        found = gradient_maps(loss, generated, source)
        share = cluster_bootstrap((found * regions).sum(axis=(1, 2)), clusters, **draws)  # type: ignore[arg-type]
        maps[name] = found.mean(axis=0)
        rows.append((name, share.value, share.low, share.high, area, len(found)))
    columns = ["metric", "share", "ci_low", "ci_high", "area", "moments"]
    return pd.DataFrame(rows, columns=columns), maps


Operator = Callable[[Tensor], Tensor]
"""From features over time (B, T, C, S) to descriptors (B R, C, S)."""

TEMPERATURE = 0.07


class PlaceTransformer(nn.Module):
    """A random transformer over time whose tokens are all places of a frame at once.

    Source: STCCL, the released joint model (there: C S = 16384, width 512, feed-forward 512,
    4 layers of 8 heads, dropout 0.1, post-norm, sinusoidal positions; never trained, never saved,
    never in evaluation mode). Departs from it in size only and in keeping batch and time apart;
    the released code also mixes those, so that samples of a batch influence each other.
    """

    def __init__(
        self, channels: int, places: int, *, width: int = 128, layers: int = 4, heads: int = 8
    ) -> None:
        super().__init__()
        self.width = width
        self.inward = nn.Linear(channels * places, width)
        layer = nn.TransformerEncoderLayer(width, heads, width, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.outward = nn.Linear(width, channels * places)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, T, C, S) to (B T, C, S)."""
        tokens = self.inward(features.flatten(2))
        tokens = self.encoder(tokens + _positions(features.shape[1], self.width))
        return self.outward(tokens).reshape(-1, *features.shape[2:])


def _positions(frames: int, width: int) -> Tensor:
    angle = torch.arange(frames)[:, None] * torch.exp(
        torch.arange(0, width, 2) * (-math.log(10000.0) / width)
    )
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


def shown_operators(*, channels: int, places: int) -> dict[str, Operator]:
    """The released transformer with random weights, and the operators that the metrics use."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = PlaceTransformer(channels, places)
    return {
        "released transformer": transformer,
        "adjacent differences (VD)": lambda x: adjacent_differences(x).flatten(0, 1),
        "all differences": lambda x: pair_differences(x).flatten(0, 1),
        "correlation matrices (CM)": lambda x: correlation_entries(
            normalise_channels(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        ),
    }


@torch.no_grad()
def control_operators(
    operators: Mapping[str, Operator],
    *,
    channels: int,
    places: int,
    samples: int = 4,
    frames: int = 5,
    draws: int = 8,
    seed: int = 0,
) -> pd.DataFrame:
    """Cross-entropy of each operator on independent standard normal query and key features.

    Returns:
        Rows with `operator, cross_entropy, chance, share` (mean over draws; share of chance).
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, frames, channels, places)
    pairs = [[torch.randn(shape, generator=generator) for _ in range(2)] for _ in range(draws)]
    rows = []
    for name, operator in operators.items():
        losses = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # the released transformer drops entries even when it is fixed
            for query, key in pairs:
                described = [normalise_channels(operator(side)) for side in (query, key)]
                losses.append(float(info_nce(described[0], described[1], TEMPERATURE).mean()))
        value, chance = sum(losses) / draws, math.log(places)
        rows.append(
            {"operator": name, "cross_entropy": value, "chance": chance, "share": value / chance}
        )
    return pd.DataFrame(rows)


JAW = (0,)
MOUTH = tuple(
    column
    for column, name in enumerate(FACE_UNIT_NAMES)
    if name.startswith(("jaw", "mouth", "tongue"))
)
OTHERS = tuple(column for column in range(len(FACE_UNIT_NAMES)) if column not in MOUTH)
UNITS: Mapping[str, tuple[int, ...]] = {"jaw_opening": JAW, "mouth": MOUTH, "rest_of_face": OTHERS}
STEPS = 40
RATE = 0.02  # of Adam, in face units

FrameLoss = Callable[[Tensor, Tensor], Tensor]
"""Scalar loss of generated and source windows (N, T, 3, S, S) RGB in [-1, 1]."""


def frame_by_frame(metric: Callable[[Tensor, Tensor], Tensor]) -> FrameLoss:
    """Use a metric of single images (B, 3, S, S) on windows."""
    return lambda generated, source: metric(generated.flatten(0, 1), source.flatten(0, 1))


@dataclass(frozen=True)
class WrongMouths:
    """N windows of T frames whose emotional face has the mouth of another moment.

    `clip` (N,) are keys of emotional clips, `frames` (N, T) theirs; `source` (N, T, S, S, 3) the
    aligned faces of the neutral clip at the same moments. `truth` and `wrong` are face units
    (N, T, E) of the emotional frames, and those with the mouth units of another moment.
    `clusters` (N, 2) names actor and clip pair.
    """

    clip: np.ndarray
    frames: np.ndarray
    source: np.ndarray
    truth: np.ndarray
    wrong: np.ndarray
    clusters: np.ndarray


def plant_wrong_mouths(
    faces: Mapping[str, FaceTrack],
    frames: FramePairs,
    comparisons: Sequence[Comparison],
    *,
    window_frames: int = 1,
) -> WrongMouths:
    """Cut a window around the frames of each comparison; windows stay inside their clips.

    Frames (i, j) of a comparison say the same, (i, other) do not; metrics over time need windows of
    more than 1.

    Raises:
        ShapeError: if nothing is to be compared.
    """
    if not comparisons:
        raise ShapeError("no comparison to plant a wrong mouth in; list some first")
    reach = np.arange(window_frames) - window_frames // 2
    kept: dict[str, list[np.ndarray]] = {name: [] for name in WrongMouths.__dataclass_fields__}
    for row in comparisons:
        pair = frames.pairs[row.pair]
        neutral, emotional = faces[pair.source], faces[pair.target]
        last = len(emotional.expression) - 1
        shown, other = (
            np.clip(frame + reach, 0, last) for frame in (row.target_frame, row.other_frame)
        )
        said = [pair.path[np.abs(pair.path[:, 1] - frame).argmin(), 0] for frame in shown]
        said[window_frames // 2] = row.source_frame
        wrong = emotional.expression[shown].copy()
        wrong[:, MOUTH] = emotional.expression[other][:, MOUTH]
        kept["clip"].append(np.array(pair.target))
        kept["frames"].append(shown)
        kept["source"].append(neutral.faces[said])
        kept["truth"].append(emotional.expression[shown])
        kept["wrong"].append(wrong)
        kept["clusters"].append(np.array([pair.actor, f"{pair.source} {pair.target}"]))
    return WrongMouths(**{name: np.stack(values) for name, values in kept.items()})


def follow_metric(
    mouths: WrongMouths,
    loss: FrameLoss,
    mover: FaceMover,
    *,
    steps: int = STEPS,
    rate: float = RATE,
    seed: int = 0,
) -> np.ndarray:
    """Move all face units by Adam under the loss alone, from the wrong mouth.

    The emotional pictures are moved by the units, those of the neutral clip are the source; random
    places of the loss are drawn from `seed`.

    Returns:
        (N, T, E) face units in [0, 1].
    """
    count, frames = mouths.wrong.shape[:2]
    clips = [mover.keys.index(key) for key in mouths.clip.repeat(frames)]
    places = list(zip(clips, mouths.frames.ravel().tolist(), strict=True))
    own = torch.from_numpy(mouths.truth).flatten(0, 1)
    units = torch.from_numpy(mouths.wrong).flatten(0, 1).clone().requires_grad_()
    source = images_from_frames(mouths.source.reshape(-1, *mouths.source.shape[2:]))
    optimiser = torch.optim.Adam([units], lr=rate)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(steps):
            optimiser.zero_grad(set_to_none=True)
            moved = mover.move(places, own, units).moved
            loss(*(images.unflatten(0, (count, frames)) for images in (moved, source))).backward()
            optimiser.step()
            with torch.no_grad():
                units.clamp_(0, 1)
    return units.detach().unflatten(0, (count, frames)).numpy()


def picture_regions(height: int, width: int) -> dict[str, np.ndarray]:
    """(H, W) bool masks of a map over an aligned picture: face, background, edge; none overlap."""
    rows, columns = ((np.arange(side) + 0.5) / side for side in (height, width))
    near = [np.minimum(places, 1 - places) for places in (rows, columns)]
    edge = np.minimum(near[0][:, None], near[1]) < max(EDGE, 2 / min(height, width))
    face = on_face(height, width).numpy() & ~edge
    return {"face": face, "background": ~face & ~edge, "edge": edge}


def where_it_looks(
    model: SpatialCoherence, generated: np.ndarray, source: np.ndarray, *, seed: int = 0
) -> pd.DataFrame:
    """Where a spatial metric weighs, and where its gradient falls: face, background or edge.

    Rows `quantity, level, face, background, edge`: the mean weight of the places of each level, and
    of the gradient (`level` NaN) the share of each region; the last row is the share of the area.

    Args:
        model: in evaluation mode.
        generated: (B, S, S, 3) uint8 RGB aligned faces.
        source: likewise, of the same spoken moments.
        seed: of the places that the loss draws.
    """
    rows: list[dict[str, object]] = []
    for level, maps in enumerate(feature_maps(model, images_from_frames(generated))):
        weights = weights_of_features(maps)
        means = {
            name: float(np.nanmean(weights[:, mask])) if mask.any() else np.nan
            for name, mask in picture_regions(*weights.shape[1:]).items()
        }
        rows.append({"quantity": "weight", "level": level, **means})
    gradient = gradient_maps(model, generated, source, seed=seed)
    masks = picture_regions(*gradient.shape[1:])
    shares = {name: float(gradient[:, mask].sum() / gradient.sum()) for name, mask in masks.items()}
    rows.append({"quantity": "share of the gradient", "level": np.nan, **shares})
    areas = {name: float(mask.mean()) for name, mask in masks.items()}
    rows.append({"quantity": "share of the area", "level": np.nan, **areas})
    return pd.DataFrame(rows)


RECOVERED = (
    "metric", "units", "before", "after", "ratio", "ci_low", "ci_high", "moments", "steps",
)  # fmt: skip


def recover_mouths(
    mouths: WrongMouths,
    losses: Mapping[str, FrameLoss],
    mover: FaceMover,
    settings: EvaluationSettings,
    *,
    steps: int = STEPS,
    rate: float = RATE,
) -> pd.DataFrame:
    """Distance of the face units from the truth, after following each loss, over before.

    Below 1 the metric pulls towards the truth, above 1 away from it. `rest_of_face` starts at the
    truth, so it has no ratio; its `after` is the emotion that the metric takes away.

    Rows have the columns `RECOVERED`; distances are mean absolute differences of the units, the
    interval is that of the ratio.
    """
    rows = []
    for name, loss in losses.items():
        moved = follow_metric(mouths, loss, mover, steps=steps, rate=rate)
        for units, columns in UNITS.items():
            off = [np.abs(found - mouths.truth)[..., columns] for found in (moved, mouths.wrong)]
            distances = np.stack([side.mean(axis=(1, 2)) for side in off], axis=1)
            after, before = distances.mean(axis=0)
            ratio = Interval(np.nan, np.nan, np.nan)
            if before > 0:
                ratio = cluster_bootstrap(
                    distances,
                    mouths.clusters,
                    statistic=_ratio,
                    resamples=settings.resamples,
                    confidence=settings.confidence,
                    seed=0,
                )
            ends = (ratio.value, ratio.low, ratio.high)
            rows.append((name, units, before, after, *ends, len(distances), steps))
    return pd.DataFrame(rows, columns=list(RECOVERED))


def _ratio(distances: np.ndarray) -> float:
    after, before = distances.sum(axis=0)
    return float(after / before) if before > 0 else np.nan


def moving_window(pair: ClipPair, start: int, frames: int) -> np.ndarray:
    """At most `frames` path entries (T, 2) from `start` on at which neither clip holds a frame."""
    window = pair.path[start : start + frames]
    return window[np.append(True, (np.diff(window, axis=0) > 0).all(axis=1))]


def changes_over_time(model: SpatialCoherence, faces: np.ndarray, level: int) -> np.ndarray:
    """How much the features of each place change from frame to frame.

    The backbone of the model, in evaluation mode, looks at faces (T, S, S, 3) uint8 RGB.

    Returns:
        (T - 1, H, W) lengths of the differences.
    """
    maps = feature_maps(model, images_from_frames(faces))[level]
    changes = adjacent_differences(maps.flatten(2)[None])[0].norm(dim=1)
    return changes.unflatten(1, maps.shape[2:]).numpy()


@torch.no_grad()
def frame_correlations(model: TemporalCoherence, faces: np.ndarray, level: int) -> np.ndarray:
    """Correlations (T, T) of the frames at the middle of the mouth, as the CM formulation has."""
    maps = feature_maps(model, images_from_frames(faces))[level]  # type: ignore[arg-type]
    rows, columns = mouth_region(maps.shape[2])
    place = maps[:, :, (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2]
    unit = functional.normalize(model.mlp.project(level, place), dim=1)
    return (unit @ unit.T).numpy()
