"""Renderers of a workspace: the base, and one for each target actor and method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np

from spfem.chain import ConditionSource, Wish, edit_expression
from spfem.corpus.clips import Clip
from spfem.corpus.protocol import learning_clips
from spfem.face.conditions import ConditionPainter
from spfem.face.person import PersonStore
from spfem.face.texture import face_texture
from spfem.face.track_file import FaceTrack
from spfem.head import load_head_model
from spfem.manipulator import Manipulator, load_manipulator
from spfem.methods import find_method
from spfem.renderer.clips import RendererClip
from spfem.renderer.stage import MadeRenderer, make_renderer
from spfem.settings import EMOTIONS
from spfem.stages.data import make_corpus, make_persons
from spfem.stages.manipulators import make_manipulator
from spfem.stages.progress import show_progress
from spfem.stages.renderer_supervision import ANCHORED, make_renderer_metrics
from spfem.workspace import Workspace

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
    faces: PersonStore,
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
