"""Neural renderers of a workspace: the one that knows faces in general, and those of an actor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import learning_clips
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.retrieval import AudioBank
from spfem.correlation.stccl import TemporalCoherence
from spfem.edit.chain import ConditionSource, Wish, edit_expression
from spfem.edit.move import one_thread_each
from spfem.face.conditions import ConditionPainter
from spfem.face.track import FaceTrack
from spfem.files import digest, file_digest
from spfem.head.model import load_head_model
from spfem.manipulator.networks import load_manipulator
from spfem.methods import Method, find_method
from spfem.renderer.learn import FaceTerm, RendererSupervision
from spfem.renderer.losses import PairSupervision
from spfem.run.conditions import LearnedClips, make_conditions, make_moved_conditions
from spfem.run.data import make_corpus, make_persons
from spfem.run.edit_models import RENDERER_NAME, MadeRenderer, make_renderer
from spfem.run.manipulators import ANCHORED, make_manipulator
from spfem.run.metrics import (
    load_cross_modal_metric,
    load_picture_loss,
    make_audio_banks,
    make_cross_modal_metric,
    picture_loss_digest,
)
from spfem.run.workspace import Workspace, gains_by_sharing, work_off
from spfem.scales import BASE_SEED
from spfem.supervision.renderer import (
    collect_pairs,
    draw_pairs,
    hold_distances,
    identity_term,
    renderer_weights,
    spatial_term,
    window_term,
)
from spfem.training import show_progress

ShowTrack = Callable[[FaceTrack], ConditionSource]
"""What draws the conditions of a track."""


def make_renderer_metrics(
    workspace: Workspace, method: Method, actor: str, manipulator: Path, seed: int = 0
) -> tuple[dict[str, str], Callable[[ShowTrack], RendererSupervision]]:
    """Make what supervises the renderer of an actor: its digests, and what loads it.

    The pictures of retrieved pairs are held to the distances of the metric of sound and images,
    so the pairs come from its own audio bank: each metric has its own scale of distances.
    """
    settings, metric_seed = workspace.scale.supervision, workspace.scale.metric_seed(seed)
    inputs = {name: picture_loss_digest(workspace, name, metric_seed) for name in method.pictures}
    weights = renderer_weights(settings, method) | {"every": float(settings.renderer_every)}
    if method.released_form:
        inputs["form"] = "released"
    bank = None
    if method.paired:
        bank = make_audio_banks(workspace, "image", metric_seed)[actor]
        metric = make_cross_modal_metric(workspace, "image", metric_seed)
        inputs |= {
            "cross_modal_image": file_digest(metric),
            "bank": bank.digest,
            "manipulator": file_digest(manipulator),
        }
        weights["pairs"] = float(settings.renderer_pairs)
    inputs["supervision"] = digest(weights)

    def load(show: ShowTrack) -> RendererSupervision:
        faces = [
            _load_term(workspace, name, weights[name], metric_seed) for name in method.pictures
        ]
        pairs = None if bank is None else _load_pairs(workspace, bank, manipulator, show, seed)
        return RendererSupervision(
            tuple(faces), pairs, settings.renderer_every, method.released_form
        )

    return inputs, load


def _load_term(workspace: Workspace, name: str, weight: float, seed: int) -> FaceTerm:
    """One of `PICTURE_LOSSES`, frozen."""
    model, frames = load_picture_loss(workspace, name, seed), workspace.scale.renderer.chunk_frames
    if isinstance(model, TemporalCoherence):
        return window_term(name, model, weight)
    if isinstance(model, SpatialCoherence):
        return replace(spatial_term(model, weight, frames), name=name)
    return identity_term(model, weight, frames)


def _load_pairs(
    workspace: Workspace, bank: AudioBank, manipulator: Path, show: ShowTrack, seed: int
) -> PairSupervision:
    settings, device = workspace.scale.supervision, workspace.device
    metric = load_cross_modal_metric(workspace, "image", workspace.scale.metric_seed(seed))
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


def base_clips(workspace: Workspace) -> Sequence[Clip]:
    """Clips of all `train` actors, spread evenly."""
    everything = make_corpus(workspace).select(role="train")
    return everything[:: -(-len(everything) // workspace.scale.renderer.base_clips)]


def make_base_renderer(workspace: Workspace, seed: int = 0) -> MadeRenderer:
    """The renderer that knows faces in general: learned on the `train` actors."""
    drawn = make_conditions(workspace, "base", base_clips(workspace))
    faces = make_persons(workspace)
    return make_renderer(
        workspace.stage_folder("renderer", "base", f"seed{seed}"),
        partial(LearnedClips, faces, drawn),
        workspace.scale.renderer,
        inputs={"faces": faces.digest, "conditions": drawn.digest},
        seed=seed,
        device=workspace.device,
        progress=show_progress("base renderer"),
    )


RendererOf = tuple[str, str, int]
"""Actor, method and seed."""


def make_actor_renderers(
    workspace: Workspace, wanted: Sequence[RendererOf]
) -> dict[RendererOf, MadeRenderer]:
    """What `make_actor_renderer` gives of several, those that are missing adapted side by side.

    What they are adapted with is made before, since a stage has one maker at a time.
    """
    missing = [key for key in wanted if not (_folder(workspace, *key) / RENDERER_NAME).exists()]
    if gains_by_sharing(workspace, missing):
        for key in missing:
            _prepare(workspace, *key)
        work_off(workspace, _adapt, [(workspace, key) for key in missing], "renderers")
    return {key: make_actor_renderer(workspace, *key) for key in wanted}


def _adapt(job: tuple[Workspace, RendererOf]) -> None:
    workspace, key = job
    make_actor_renderer(workspace, *key)


def make_actor_renderer(
    workspace: Workspace, actor: str, method: str, seed: int = 0
) -> MadeRenderer:
    """The base renderer adapted to a target actor, for a method.

    Metrics of pictures compare what the renderer makes of expressions moved to another emotion, by
    the method's own manipulator, with the real frames of the same moments; in the released form
    they compare its reconstruction with the very frame that it reconstructs. With retrieved pairs
    the renderer also learns real frames of the wished emotion.
    """
    ready = _prepare(workspace, actor, method, seed)
    with one_thread_each():  # so that the number of renderers at a time changes no byte
        return make_renderer(
            _folder(workspace, actor, method, seed),
            ready.load_clips,
            workspace.scale.renderer,
            inputs=ready.inputs,
            seed=seed,
            base=ready.base,
            load_supervision=ready.load_supervision,
            device=workspace.device,
            progress=show_progress(f"renderer {method} {actor}"),
        )


def _folder(workspace: Workspace, actor: str, method: str, seed: int) -> Path:
    return workspace.stage_folder("renderer", method, f"seed{seed}", actor)


class _Ready(NamedTuple):
    """What the renderer of an actor is adapted from and with, made but not loaded."""

    base: MadeRenderer
    inputs: dict[str, str]
    load_clips: Callable[[], LearnedClips]
    load_supervision: Callable[[], RendererSupervision] | None


def _prepare(workspace: Workspace, actor: str, method: str, seed: int) -> _Ready:
    base, wanted = make_base_renderer(workspace, BASE_SEED), find_method(method)
    clips = learning_clips(make_corpus(workspace), actor)
    faces, own = make_persons(workspace), make_conditions(workspace, actor, clips)
    inputs = {"faces": faces.digest, "actor": actor, "conditions": own.digest}
    moved = load = None
    if wanted.supervised:
        path = make_manipulator(workspace, wanted.manipulator, seed)
        supervised_by, supervise = make_renderer_metrics(workspace, wanted, actor, path, seed)
        painter = ConditionPainter(load_head_model(), workspace.scale.renderer.image_size)
        inputs, load = inputs | supervised_by, partial(supervise, partial(ConditionSource, painter))
    if wanted.pictures and not wanted.released_form:  # pairs have conditions of their own
        moved = make_moved_conditions(workspace, actor, wanted.manipulator, seed)
        inputs["moved"] = moved.digest
    return _Ready(base, inputs, partial(LearnedClips, faces, own, moved), load)
