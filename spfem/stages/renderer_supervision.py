"""What supervises the renderer of a method: its metrics, its retrieved pairs, and their digests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.artifacts import digest, file_digest
from spfem.chain import ConditionSource, Wish, edit_expression
from spfem.correlation.crossmodal.bank import AudioBank
from spfem.face.track_file import FaceTrack
from spfem.manipulator import load_manipulator
from spfem.methods import Method
from spfem.renderer.pairs import PairSupervision
from spfem.renderer.supervision import FaceTerm, RendererSupervision
from spfem.stages.data import make_persons
from spfem.stages.metrics import (
    load_cross_modal_metric,
    load_spatial_metric,
    load_temporal_metric,
    make_audio_banks,
    make_cross_modal_metric,
    make_metric,
)
from spfem.supervision.renderer_distances import hold_distances
from spfem.supervision.renderer_faces import spatial_term, window_term
from spfem.supervision.renderer_pairs import collect_pairs, draw_pairs
from spfem.workspace import Workspace

ANCHORED = False  # edits of the results take the generator's output as it is, as the papers do


ShowTrack = Callable[[FaceTrack], ConditionSource]
"""What draws the conditions of a track with the actor's own texture."""


@dataclass(frozen=True)
class RendererMetrics:
    """The metrics that supervise an actor's renderer, made but not loaded.

    Attributes:
        inputs: digests of metrics, manipulator, audio bank and weights; empty for NED alone.
        load: gives the supervision.
    """

    inputs: dict[str, str]
    load: Callable[[ShowTrack], RendererSupervision]


def make_renderer_metrics(
    workspace: Workspace, method: Method, actor: str, manipulator: Path, seed: int = 0
) -> RendererMetrics:
    """Make the metrics of a supervised method, and the audio bank of the actor where it is needed.

    The pictures of retrieved pairs are held to the distances of the metric of sound and images,
    so the pairs come from its own audio bank: each metric has its own scale of distances.

    Args:
        workspace: where.
        method: which metrics.
        actor: target actor of the renderer.
        manipulator: checkpoint of the method's manipulator.
        seed: of the metrics and of the pairs.
    """
    settings = workspace.scale.supervision
    names = (("spatial",) if method.spatial else ()) + method.temporal
    inputs = {name: file_digest(make_metric(workspace, name, seed)) for name in names}
    inputs["manipulator"] = file_digest(manipulator)
    weights = {"every": float(settings.renderer_every)}
    if method.spatial:
        weights["spatial"] = settings.renderer_spatial
    if method.temporal:
        weights["temporal"] = settings.renderer_temporal
    bank = None
    if method.paired:
        bank = make_audio_banks(workspace, "image", seed)[actor]
        inputs["cross_modal_image"] = file_digest(make_cross_modal_metric(workspace, "image", seed))
        inputs["bank"] = bank.digest
        weights["paired"] = settings.renderer_paired
        weights["consistency"] = settings.renderer_consistency
        weights["pairs"] = float(settings.renderer_pairs)
    inputs["supervision"] = digest(weights)

    def load(show: ShowTrack) -> RendererSupervision:
        pairs = None if bank is None else _load_pairs(workspace, bank, manipulator, show, seed)
        return RendererSupervision(
            _load_faces(workspace, method, seed), pairs, settings.renderer_every
        )

    return RendererMetrics(inputs, load)


def _load_faces(workspace: Workspace, method: Method, seed: int) -> tuple[FaceTerm, ...]:
    settings, terms = workspace.scale.supervision, []
    if method.spatial:
        frames = workspace.scale.renderer.chunk_frames
        metric = load_spatial_metric(workspace, seed)
        terms.append(spatial_term(metric, settings.renderer_spatial, frames))
    for name in method.temporal:
        windows = load_temporal_metric(workspace, name, seed)
        terms.append(window_term(name, windows, settings.renderer_temporal))
    return tuple(terms)


def _load_pairs(
    workspace: Workspace, bank: AudioBank, manipulator: Path, show: ShowTrack, seed: int
) -> PairSupervision:
    settings, device = workspace.scale.supervision, workspace.device
    metric = load_cross_modal_metric(workspace, "image", seed)
    moves = load_manipulator(manipulator)

    def edit(source: FaceTrack, target: FaceTrack) -> np.ndarray:
        wish = Wish(references=(target.expression,))
        return edit_expression(moves, source.expression, wish, anchored=ANCHORED, seed=seed)

    pairs = collect_pairs(
        bank,
        draw_pairs(bank, settings.renderer_pairs, seed),
        make_persons(workspace),
        edit,
        show,
        workspace.scale.renderer,
        frames=metric.settings.frames,
        jaw_columns=tuple(n for n, name in enumerate(moves.space.names) if name.startswith("jaw")),
    )
    return PairSupervision(
        pairs,
        settings.renderer_paired,
        settings.renderer_consistency,
        hold_distances(metric, pairs, device),
    )
