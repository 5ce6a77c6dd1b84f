"""How correlation metrics supervise the renderer, and the weight of every loss of both networks.

ASCCL and STCCL compare its emotion-changed output with the source, as released its reconstruction
with its own ground truth; SCMCL gives it real frames of
another emotion that sound alike, and holds pictures as far apart as their sounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, interpolate

from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.images import images_from_frames
from spfem.correlation.paired import distance_consistency_loss
from spfem.correlation.retrieval import AudioBank, retrieve_all
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import TemporalCoherence
from spfem.errors import ShapeError
from spfem.face.align import mouth_centres
from spfem.face.identity_network import SIDE
from spfem.methods import METHODS, PUBLISHED, Method
from spfem.renderer.learn import FaceTerm
from spfem.renderer.losses import DistanceLoss, RetrievedPairs
from spfem.scales import Scale
from spfem.settings import (
    EMOTIONS,
    RendererSettings,
    SupervisionSettings,
)
from spfem.supervision.manipulator import manipulator_weights

if TYPE_CHECKING:
    import pandas as pd

    from spfem.edit.chain import ConditionSource
    from spfem.face.track import FaceTrack

EMBEDDED_AT_ONCE = 32  # references


def hold_distances(
    metric: CrossModalCoherence, pairs: RetrievedPairs, device: torch.device | str = "cpu"
) -> DistanceLoss:
    """The consistency loss of `pairs`: pictures as far from references as the sounds are apart.

    The metric of sound and images is frozen (`supervise`) and on `device`, where the pictures will
    be. References are embedded once.
    """
    embeddings = []
    with torch.no_grad():
        for start in range(0, len(pairs), EMBEDDED_AT_ONCE):
            part = pairs.references[start : start + EMBEDDED_AT_ONCE]
            images = images_from_frames(part.reshape(-1, *part.shape[2:]), device)
            embeddings.append(metric.embed_visual(images.unflatten(0, part.shape[:2])))
    reference = torch.cat(embeddings) if embeddings else torch.empty(0)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    distance, first_distance = on_device(pairs.distance), on_device(pairs.first_distance)
    source, target = on_device(pairs.source_label), on_device(pairs.target_label)

    def loss(pictures: Tensor, rows: Tensor) -> Tensor:
        return distance_consistency_loss(
            metric,
            pictures,
            None,
            distance[rows],
            torch.ones_like(rows, dtype=torch.bool),
            source[rows],
            target[rows],
            intermediate_distance=first_distance[rows],
            # Each row has one reference: its source, or its neutral window.
            source_embedding=reference[rows],
            intermediate_embedding=reference[rows],
        )

    return loss


def spatial_term(metric: SpatialCoherence, weight: float, frames: int) -> FaceTerm:
    """The frozen spatial metric on each of `frames` consecutive frames of a clip.

    The loss carries the metric's own scale beside `weight`. Source: ASCCL, A4: the output is the
    query, the source the key.
    """

    def loss(generated: Tensor, source: Tensor, random: torch.Generator) -> Tensor:
        compared = metric.compare(generated.flatten(0, 1), source.flatten(0, 1), generator=random)
        return metric.total(compared)

    return FaceTerm("spatial", weight, frames, loss)


def identity_term(features: nn.Module, weight: float, frames: int) -> FaceTerm:
    """Plain features of a frozen face recognition network: a control of the spatial metric.

    The loss is 1 less the cosine of the features of generated and source picture. Aligned faces
    are resized to what the network takes; they show a little more than the crops it learned on.

    Args:
        features: RGB pictures (B, 3, 150, 150) in [-1, 1] to (B, F).
        weight: of the loss.
        frames: consecutive frames of a clip.
    """

    def look(pictures: Tensor) -> Tensor:
        size = (SIDE, SIDE)
        return features(interpolate(pictures.flatten(0, 1), size, mode="bilinear", antialias=True))

    def loss(generated: Tensor, source: Tensor, random: torch.Generator) -> Tensor:
        with torch.no_grad():
            wanted = look(source)
        return (1 - cosine_similarity(look(generated), wanted)).mean()

    return FaceTerm("identity", weight, frames, loss)


def window_term(name: str, metric: TemporalCoherence, weight: float) -> FaceTerm:
    """A frozen metric on windows; steps at which the source holds its frame do not count.

    Source: STCCL. The loss carries the metric's own scale beside `weight`.
    """

    def loss(generated: Tensor, source: Tensor, random: torch.Generator) -> Tensor:
        held = held_steps(source)
        return metric.total(metric.compare(generated, source, held=held, generator=random))

    return FaceTerm(name, weight, metric.settings.window_frames, loss)


def held_steps(source: Tensor) -> Tensor:
    """(B, T - 1) bool, whether a frame of (B, T, 3, S, S) equals the one before it."""
    return (source[:, 1:] == source[:, :-1]).flatten(2).all(dim=2)


EditOfPair = Callable[["FaceTrack", "FaceTrack"], np.ndarray]
"""Expression (T, E) of the first track with the emotion of the second, by the manipulator."""


@dataclass(frozen=True)
class DrawnPairs:
    """N source windows of an audio bank, each with one window of another emotion.

    Attributes:
        source: (N,) number of the source window.
        target: (N,) number of the retrieved window.
        by_way_of: (N,) number of the neutral window between two emotions, -1 where none is.
        distance: (N,) float32 audio distance d of the pair (from the neutral window if there is).
        first_distance: (N,) float32 audio distance d' of source and neutral window, else 0.
    """

    source: np.ndarray
    target: np.ndarray
    by_way_of: np.ndarray
    distance: np.ndarray
    first_distance: np.ndarray


def draw_pairs(bank: AudioBank, count: int, seed: int) -> DrawnPairs:
    """Draw pairs of different emotions, at most `count` and as many as there are.

    A source window and a target emotion for which anything was retrieved are drawn without
    replacement, then one of the candidates. Source: SCMCL.
    """
    random = np.random.default_rng([seed, count])
    found: list[np.ndarray] = []
    labels = np.unique(bank.emotion)
    retrieved = {int(label): retrieve_all(bank, EMOTIONS[label]) for label in labels}
    for label, candidates in retrieved.items():
        windows = np.flatnonzero(candidates.found & (bank.emotion != label))
        found.append(np.stack([windows, np.full(len(windows), label)], axis=1))
    offers = np.concatenate(found) if found else np.empty((0, 2), int)
    drawn = offers[random.choice(len(offers), min(count, len(offers)), replace=False)]
    rows = []
    for window, label in drawn:
        candidates = retrieved[int(label)]
        column = random.integers((candidates.window[window] >= 0).sum())
        rows.append(
            (
                window,
                candidates.window[window, column],
                candidates.by_way_of[window, column],
                candidates.distance[window, column],
                candidates.first_distance[window, column],
            )
        )
    columns = list(zip(*rows, strict=True)) or [()] * 5
    whole = [np.array(column, np.int64) for column in columns[:3]]
    return DrawnPairs(*whole, *(np.array(column, np.float32) for column in columns[3:]))


def collect_pairs(
    bank: AudioBank,
    drawn: DrawnPairs,
    tracks: Mapping[str, FaceTrack],
    edit: EditOfPair,
    show: Callable[[FaceTrack], ConditionSource],
    settings: RendererSettings,
    *,
    frames: int,
    jaw_columns: tuple[int, ...],
) -> RetrievedPairs:
    """Draw the conditions of pairs and take their faces.

    The last `frames` of each window are taken. Conditions are those of the retrieved frames, with
    the expression that the manipulator makes of the source at the same place of its window. The
    jaw stays that of the retrieved frames: their real pictures are the target, and a renderer that
    is shown another opening than it shall draw learns not to trust the jaw.

    Source: SCMCL (jaw kept from the target). Departs from the released code, which gives the last
    expression to all frames and draws them unaligned in BGR.

    Args:
        bank: of the actor.
        drawn: pairs of windows.
        tracks: of the bank's clips by key.
        edit: moves the source clip to the emotion of the retrieved clip.
        show: draws the conditions of a track.
        settings: of the renderer.
        frames: T.
        jaw_columns: of the expression.

    Raises:
        ShapeError: if a window of the bank is shorter than the frames that are needed.
    """
    lead = settings.window_frames - 1
    if bank.window_frames < frames + lead:
        raise ShapeError(
            f"windows of the audio bank have {bank.window_frames} frames; retrieved pairs need "
            f"{frames + lead} (frames of the metric and those before them)"
        )
    edits: dict[tuple[str, str], np.ndarray] = {}
    conditions, faces, centres, references = [], [], [], []
    for source, target, between in zip(drawn.source, drawn.target, drawn.by_way_of, strict=True):
        own, own_rows = _last_frames(bank, source, frames + lead)
        other, other_rows = _last_frames(bank, target, frames + lead)
        if (own, other) not in edits:
            edits[own, other] = edit(tracks[own], tracks[other])
        expression = edits[own, other][own_rows].copy()
        track = tracks[other].take_frames(other_rows)
        expression[:, list(jaw_columns)] = track.expression[:, list(jaw_columns)]
        conditions.append(show(track).conditions(expression))
        faces.append(track.faces[lead:])
        centres.append(mouth_centres(track)[lead:])
        seen, seen_rows = _last_frames(bank, source if between < 0 else between, frames)
        references.append(tracks[seen].faces[seen_rows])
    side, channels = settings.image_size, settings.condition_channels
    return RetrievedPairs(
        _stack(conditions, (frames + lead, side, side, channels), np.uint8),
        _stack(faces, (frames, side, side, 3), np.uint8),
        _stack(centres, (frames, 2), np.float32),
        _stack(references, (frames, side, side, 3), np.uint8),
        drawn.distance,
        drawn.first_distance,
        bank.emotion[drawn.source].astype(np.int64),
        bank.emotion[drawn.target].astype(np.int64),
    )


def _last_frames(bank: AudioBank, window: int, count: int) -> tuple[str, np.ndarray]:
    """Key of a window's clip and its last `count` frames."""
    end = int(bank.first[window]) + bank.window_frames
    return bank.keys[bank.clip[window]], np.arange(end - count, end)


def _stack(parts: list[np.ndarray], shape: tuple[int, ...], kind: type) -> np.ndarray:
    return np.stack(parts).astype(kind) if parts else np.empty((0, *shape), kind)


def loss_weights(scale: Scale, methods: Iterable[Method] = METHODS.values()) -> pd.DataFrame:
    """Weights of a scale, one row a loss; names are those of the learning curves.

    The losses of the plain networks come first, the same in every method but `ned_published`; then
    what supervises. A metric's loss
    carries the metric's own scale in addition, and a weight of 0 switches a loss off.

    Returns:
        Columns `network`, `loss`, and one a method by its title; 0 where a method lacks a loss.
    """
    import pandas as pd  # not of the light install

    drawn, supervision = scale.renderer, scale.supervision
    weights: dict[tuple[str, str], dict[str, float]] = {}
    for method in methods:
        settings = scale.published_manipulator if method.name == PUBLISHED else scale.manipulator
        if settings is None:  # `ned` is as published
            continue
        of_networks = {
            "manipulator": {
                "adversarial": settings.adversarial_weight,
                "style": settings.style_weight,
                "cycle": settings.cycle_weight,
                "mouth": settings.mouth_weight,
                "aligned": settings.aligned_weight,
            }
            | manipulator_weights(supervision, method),
            "renderer": {
                "adversarial": drawn.adversarial_weight,
                "feature": drawn.feature_weight,
                "perceptual": drawn.perceptual_weight,
                "pixel": drawn.pixel_weight,
            }
            | (renderer_weights(supervision, method) if "ned" in method.bases else {}),
        }
        for network, losses in of_networks.items():
            for loss, weight in losses.items():
                weights.setdefault((network, loss), {})[method.title] = weight
    table = pd.DataFrame.from_dict(weights, orient="index").fillna(0.0)
    table.index = pd.MultiIndex.from_tuples(table.index, names=("network", "loss"))
    return table.reset_index().sort_values("network", kind="stable", ignore_index=True)


def renderer_weights(settings: SupervisionSettings, method: Method) -> dict[str, float]:
    """Weight of each loss that supervises a renderer, by name as in the learning curve."""
    of_pictures = {
        "spatial": settings.renderer_spatial,
        "spatial_untrained": settings.renderer_spatial,
        "identity": settings.renderer_identity,
    }
    weights = {name: of_pictures.get(name, settings.renderer_temporal) for name in method.pictures}
    if method.paired:
        weights["paired"] = settings.renderer_paired
        weights["consistency"] = settings.renderer_consistency
    return weights
