"""Neural renderers of a workspace: the one that knows faces in general, and those of an actor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import learning_clips
from spfem.correlation.retrieval import AudioBank
from spfem.edit.chain import ConditionSource, Wish, edit_expression
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from spfem.face.track import FaceTrack
from spfem.files import digest, file_digest
from spfem.head.model import load_head_model
from spfem.manipulator.networks import (
    Manipulator,
    load_manipulator,
)
from spfem.methods import Method, find_method
from spfem.renderer.data import RendererClip
from spfem.renderer.learn import FaceTerm, RendererSupervision
from spfem.renderer.losses import PairSupervision
from spfem.run.data import make_corpus, make_persons
from spfem.run.edit_models import MadeRenderer, make_renderer
from spfem.run.faces import FaceStore
from spfem.run.manipulators import ANCHORED, make_manipulator
from spfem.run.metrics import (
    load_cross_modal_metric,
    load_spatial_metric,
    load_temporal_metric,
    make_audio_banks,
    make_cross_modal_metric,
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

ShowTrack = Callable[[FaceTrack], ConditionSource]
"""What draws the conditions of a track with the actor's own texture."""


def make_renderer_metrics(
    workspace: Workspace, method: Method, actor: str, manipulator: Path, seed: int = 0
) -> tuple[dict[str, str], Callable[[ShowTrack], RendererSupervision]]:
    """Make what supervises the renderer of an actor: its digests, and what loads it.

    The pictures of retrieved pairs are held to the distances of the metric of sound and images,
    so the pairs come from its own audio bank: each metric has its own scale of distances.
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
        faces: list[FaceTerm] = []
        if method.spatial:
            metric = load_spatial_metric(workspace, seed)
            frames = workspace.scale.renderer.chunk_frames
            faces.append(spatial_term(metric, settings.renderer_spatial, frames))
        for name in method.temporal:
            windows = load_temporal_metric(workspace, name, seed)
            faces.append(window_term(name, windows, settings.renderer_temporal))
        pairs = None if bank is None else _load_pairs(workspace, bank, manipulator, show, seed)
        return RendererSupervision(tuple(faces), pairs, settings.renderer_every)

    return inputs, load


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
    manipulator = load = None
    if wanted.supervised:
        path = make_manipulator(workspace, method, seed)
        supervised_by, load = make_renderer_metrics(workspace, wanted, actor, path, seed)
        inputs |= supervised_by
        # Pairs have conditions of their own.
        manipulator = load_manipulator(path) if wanted.spatial or wanted.temporal else None
    show = partial(_open_show(workspace), actor)
    clips = learning_clips(make_corpus(workspace), actor)
    return make_renderer(
        workspace.stage_folder("renderer", method, f"seed{seed}", actor),
        partial(_actor_clips, clips, make_persons(workspace), show, manipulator, seed),
        workspace.scale.renderer,
        inputs=inputs,
        seed=seed,
        base=base,
        load_supervision=None if load is None else partial(load, show),
        device=workspace.device,
        progress=show_progress(f"renderer {method} {actor}"),
    )


def _actor_clips(
    clips: Sequence[Clip],
    faces: FaceStore,
    show: Callable[[FaceTrack], ConditionSource],
    manipulator: Manipulator | None,
    seed: int,
) -> Sequence[RendererClip]:
    """Clips of one actor; with a manipulator beside conditions of codes moved to other emotions."""

    def make(index: int) -> RendererClip:
        clip, track = clips[index], faces[clips[index].key]
        if manipulator is None:
            return show(track).clip()
        other = (clip.label + 1 + index % (len(EMOTIONS) - 1)) % len(EMOTIONS)
        wish = Wish(EMOTIONS[other])
        moved = edit_expression(manipulator, track.expression, wish, anchored=ANCHORED, seed=seed)
        return show(track).clip(moved)

    return _Conditions(make, len(clips))
