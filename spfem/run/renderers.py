"""Renderers of a workspace: the base, and one for each target actor and method.

What supervises the renderer of a method: its metrics, its retrieved pairs, and their digests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import learning_clips
from spfem.correlation.retrieval import AudioBank
from spfem.edit.adapt import MadeRenderer, make_renderer
from spfem.edit.chain import ConditionSource, Wish, edit_expression
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from spfem.face.track import FaceTrack
from spfem.files import digest, file_digest
from spfem.head.model import load_head_model
from spfem.manipulator.networks import Manipulator, load_manipulator
from spfem.methods import Method, find_method
from spfem.renderer.data import RendererClip
from spfem.renderer.learn import FaceTerm, PairSupervision, RendererSupervision
from spfem.run.data import make_corpus, make_persons
from spfem.run.faces import FaceStore
from spfem.run.learned import (
    load_cross_modal_metric,
    load_spatial_metric,
    load_temporal_metric,
    make_audio_banks,
    make_cross_modal_metric,
    make_manipulator,
    make_metric,
)
from spfem.run.workspace import Workspace
from spfem.settings import EMOTIONS
from spfem.supervision.renderer import (
    collect_pairs,
    draw_pairs,
    hold_distances,
    spatial_term,
    window_term,
)
from spfem.training import show_progress

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


TEXTURE_CLIPS = 7  # of a person, whose frames make the mean texture
KEPT_CLIPS = 64  # of drawn conditions, about 5 MB each at demo scale


class _Conditions(Sequence[RendererClip]):
    """Renderer clips that are drawn when asked for, the latest kept."""

    def __init__(self, make: Callable[[int], RendererClip], count: int):
        self._make = lru_cache(maxsize=KEPT_CLIPS)(make)
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._make(index)


def person_texture(
    workspace: Workspace, painter: ConditionPainter, actor: str
) -> np.ndarray | None:
    """Mean face texture of an actor over some clips that may be learned from.

    Its form is as in `face_texture`; None where the renderer's settings want no texture.
    """
    if not workspace.scale.renderer.use_texture:
        return None
    corpus, faces = make_corpus(workspace), make_persons(workspace)
    target = corpus.roles[actor] == "target"
    clips = learning_clips(corpus, actor) if target else corpus.select(actor=actor)
    step = max(1, len(clips) // TEXTURE_CLIPS)
    return face_texture(painter, [faces[clip.key] for clip in clips[::step]])


def make_base_renderer(workspace: Workspace, seed: int = 0) -> MadeRenderer:
    """The renderer that knows faces in general: learned on the `train` actors."""
    return make_renderer(
        workspace.stage_folder("renderer", "base", f"seed{seed}"),
        partial(_base_clips, workspace),
        workspace.scale.renderer,
        inputs={"faces": make_persons(workspace).digest},
        seed=seed,
        device=workspace.device,
        progress=show_progress("base renderer"),
    )


def _base_clips(workspace: Workspace) -> Sequence[RendererClip]:
    """Clips of all `train` actors, spread evenly."""
    corpus, faces = make_corpus(workspace), make_persons(workspace)
    everything = corpus.select(role="train")
    clips = everything[:: -(-len(everything) // workspace.scale.renderer.base_clips)]
    show = _open_show(workspace)

    def make(index: int) -> RendererClip:
        clip = clips[index]
        return show(clip.actor, faces[clip.key]).clip()

    return _Conditions(make, len(clips))


def _open_show(workspace: Workspace) -> Callable[[str, FaceTrack], ConditionSource]:
    """What draws the conditions of a track with the texture of an actor."""
    painter = ConditionPainter(load_head_model(), workspace.scale.renderer.image_size)

    @lru_cache
    def texture(actor: str) -> np.ndarray | None:
        return person_texture(workspace, painter, actor)

    def show(actor: str, track: FaceTrack) -> ConditionSource:
        return ConditionSource(painter, track, texture(actor))

    return show


def make_actor_renderer(
    workspace: Workspace, actor: str, method: str, seed: int = 0
) -> MadeRenderer:
    """The base renderer adapted to a target actor, for a method.

    With supervision by pictures the metrics compare what the renderer makes of expressions moved
    to another emotion by the method's own manipulator with the real frames of the same moments;
    with retrieved pairs the renderer also learns real frames of the wished emotion.
    """
    base, wanted = make_base_renderer(workspace, seed), find_method(method)
    inputs = {"faces": make_persons(workspace).digest, "actor": actor}
    manipulator = metrics = None
    if wanted.supervised:
        path = make_manipulator(workspace, method, seed)
        metrics = make_renderer_metrics(workspace, wanted, actor, path, seed)
        inputs |= metrics.inputs
        # Pairs have conditions of their own.
        manipulator = load_manipulator(path) if wanted.spatial or wanted.temporal else None
    show = partial(_open_show(workspace), actor)
    clips = learning_clips(make_corpus(workspace), actor)
    move = None if manipulator is None else partial(_moved_codes, manipulator, seed)
    return make_renderer(
        workspace.stage_folder("renderer", method, f"seed{seed}", actor),
        partial(_actor_clips, clips, make_persons(workspace), show, move),
        workspace.scale.renderer,
        inputs=inputs,
        seed=seed,
        base=base,
        load_supervision=None if metrics is None else partial(metrics.load, show),
        device=workspace.device,
        progress=show_progress(f"renderer {method} {actor}"),
    )


def _actor_clips(
    clips: Sequence[Clip],
    faces: FaceStore,
    show: Callable[[FaceTrack], ConditionSource],
    move: Callable[[Clip, FaceTrack, int], np.ndarray] | None,
) -> Sequence[RendererClip]:
    """Clips of one actor, where wanted beside conditions of moved expressions."""

    def make(index: int) -> RendererClip:
        clip, track = clips[index], faces[clips[index].key]
        return show(track).clip(None if move is None else move(clip, track, index))

    return _Conditions(make, len(clips))


def _moved_codes(
    manipulator: Manipulator, seed: int, clip: Clip, track: FaceTrack, index: int
) -> np.ndarray:
    """Codes (T, E) of a clip, moved to another emotion."""
    other = (clip.label + 1 + index % (len(EMOTIONS) - 1)) % len(EMOTIONS)
    wish = Wish(EMOTIONS[other])
    return edit_expression(manipulator, track.expression, wish, anchored=ANCHORED, seed=seed)
