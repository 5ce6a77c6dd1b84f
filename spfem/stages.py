"""The street in one place: each stage of a workspace, made when it is first asked for.

Every function makes what it needs (through the functions above it), reuses what is there, and
returns what the stage made. Notebooks call these, so that any notebook can be run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.artifacts import file_digest
from spfem.chain import ConditionSource, Wish, edit_expression
from spfem.corpus.audio import read_audio
from spfem.corpus.clips import Clip, Corpus, open_corpus
from spfem.correlation import SpatialCoherence
from spfem.correlation.crossmodal.bank import AudioBank
from spfem.correlation.crossmodal.bank_stage import measure_banks
from spfem.correlation.crossmodal.learn import Signals, learn_joint, learn_single
from spfem.correlation.crossmodal.model import CrossModalCoherence, Visual
from spfem.correlation.crossmodal.samples import ClipSignals, shrink_faces
from spfem.correlation.learn import learn_spatial
from spfem.correlation.learn_temporal import learn_temporal
from spfem.correlation.temporal import TemporalCoherence
from spfem.correlation.temporal_training import formulated, metric_class
from spfem.errors import SettingsError
from spfem.evaluation.protocol import learning_clips
from spfem.face.conditions import ConditionPainter
from spfem.face.stage import FaceStore, extract_faces
from spfem.face.texture import face_texture
from spfem.face_units import FACE_UNIT_NAMES
from spfem.head import load_head_model
from spfem.manipulator import ExpressionSpace, learn_manipulator, load_manipulator
from spfem.pairing.index import PairIndex, pair_corpus
from spfem.renderer.clips import RendererClip
from spfem.renderer.stage import MadeRenderer, make_renderer
from spfem.settings import EMOTIONS, CrossModalSettings
from spfem.supervision import supervise_expressions
from spfem.workspace import Workspace

METHODS = ("ned", "ned+asccl")
"""Methods that are trained; the tables add `copy` and `truth`."""

EXPRESSION_SPACE = ExpressionSpace(FACE_UNIT_NAMES, (0.0, 1.0))
TEXTURE_CLIPS = 7  # of a person, whose frames make the mean texture
KEPT_CLIPS = 64  # of drawn conditions, about 5 MB each at demo scale
DIRECT_WEIGHT = 1.0  # of sound against vision where the cross-modal metric is extended
ANCHORED = False  # edits of the results take the generator's output as it is, as the papers do


def is_supervised(method: str) -> bool:
    """Whether the method learns with the spatial metric.

    Raises:
        SettingsError: if the method is unknown.
    """
    if method not in METHODS:
        raise SettingsError(f"method {method!r} is unknown; choose one of {', '.join(METHODS)}")
    return method == "ned+asccl"


def make_corpus(workspace: Workspace) -> Corpus:
    """The corpus: built on this machine for `synthetic`, opened from disk otherwise."""
    if workspace.corpus == "synthetic":
        from spfem.corpus.synthetic.build import build_synthetic_corpus

        return build_synthetic_corpus(workspace.corpus_root, workspace.scale.corpus)
    return open_corpus(workspace.corpus_root)


def make_faces(workspace: Workspace) -> FaceStore:
    """Tracked, fitted and aligned faces of every clip."""
    corpus = make_corpus(workspace)
    return extract_faces(corpus, workspace.stage_folder("faces"), workspace.scale.face)


def make_pairs(workspace: Workspace) -> PairIndex:
    """Aligned pairs of the same sentence in neutral and in another emotion."""
    corpus = make_corpus(workspace)
    return pair_corpus(corpus, workspace.stage_folder("pairs"), workspace.scale.pairing)


def make_spatial_metric(workspace: Workspace, seed: int = 0, *, speech: bool = False) -> Path:
    """Checkpoint of the spatial metric, learned on the `train` actors.

    With `speech` the published metric learns on with negatives from other moments too.
    """
    corpus, scale = make_corpus(workspace), workspace.scale
    name = "spatial_speech" if speech else "spatial"
    return learn_spatial(
        make_faces(workspace),
        make_pairs(workspace),
        corpus.roles,
        workspace.stage_folder(name, f"seed{seed}"),
        scale.spatial_speech if speech else scale.spatial,
        seed=seed,
        device=workspace.device,
        first=make_spatial_metric(workspace, seed) if speech else None,
        progress=_progress(f"{name.replace('_', ' ')} metric"),
    )


def load_spatial_metric(
    workspace: Workspace, seed: int = 0, *, speech: bool = False
) -> SpatialCoherence:
    """The learned metric, frozen for supervision, on the workspace's device."""
    metric = SpatialCoherence.load(make_spatial_metric(workspace, seed, speech=speech))
    return metric.to(workspace.device).supervise()


def make_temporal_metric(workspace: Workspace, name: str, seed: int = 0) -> Path:
    """Checkpoint of one of `TEMPORAL_METRICS`, learned on the `train` actors."""
    corpus = make_corpus(workspace)
    return learn_temporal(
        name,
        make_faces(workspace),
        make_pairs(workspace),
        corpus.roles,
        workspace.stage_folder(name, f"seed{seed}"),
        formulated(name, workspace.scale.temporal),
        seed=seed,
        device=workspace.device,
        progress=_progress(f"metric {name}"),
    )


def load_temporal_metric(workspace: Workspace, name: str, seed: int = 0) -> TemporalCoherence:
    """A learned metric on windows, frozen for supervision, on the workspace's device."""
    metric = metric_class(name).load(make_temporal_metric(workspace, name, seed))
    return metric.to(workspace.device).supervise()


def cross_modal_settings(workspace: Workspace, *, direct: bool = False) -> CrossModalSettings:
    """Settings of the cross-modal metric at the corpus's frame rate; `direct`: our extension."""
    settings = replace(workspace.scale.cross_modal, fps=make_corpus(workspace).fps)
    return replace(settings, direct_weight=DIRECT_WEIGHT) if direct else settings


def clip_signals(workspace: Workspace, image_size: int) -> Signals:
    """What the cross-modal metric reads: sound, expressions and faces of a clip by its key."""
    faces = make_faces(workspace)
    clips = {clip.key: clip for clip in make_corpus(workspace).clips}

    def signals(key: str, modalities: tuple[str, ...]) -> ClipSignals:
        track = faces[key]
        sound = read_audio(clips[key].audio, workspace.scale.cross_modal.sample_rate)
        return ClipSignals(
            audio=sound if "audio" in modalities else None,
            expression=track.expression if "expression" in modalities else None,
            image=shrink_faces(track.faces, image_size) if "image" in modalities else None,
            found=track.found,
        )

    return signals


def make_cross_modal_encoder(workspace: Workspace, modality: str, seed: int = 0) -> Path:
    """Stage A: encoder of `audio`, `expression` or `image`, learned on the `train` actors."""
    corpus, settings = make_corpus(workspace), cross_modal_settings(workspace)
    return learn_single(
        modality,
        clip_signals(workspace, settings.single_image_size),
        make_pairs(workspace),
        corpus.roles,
        workspace.stage_folder("cross_modal", modality, "alone", f"seed{seed}"),
        settings,
        inputs={"corpus": corpus.digest, "faces": make_faces(workspace).digest},
        seed=seed,
        device=workspace.device,
        progress=_progress(f"{modality} alone"),
    )


def make_cross_modal_metric(
    workspace: Workspace, visual: Visual, seed: int = 0, *, direct: bool = False
) -> Path:
    """Stage B: checkpoint of the metric of sound and `expression` or `image`.

    With `direct` sound and vision are also compared directly, which the paper does not.
    """
    corpus, settings = make_corpus(workspace), cross_modal_settings(workspace, direct=direct)
    encoders: Mapping[str, Path] = {
        name: make_cross_modal_encoder(workspace, name, seed) for name in ("audio", visual)
    }
    return learn_joint(
        visual,
        encoders,
        clip_signals(workspace, settings.image_size),
        make_pairs(workspace),
        corpus.roles,
        workspace.stage_folder(
            "cross_modal", visual, "direct" if direct else "joint", f"seed{seed}"
        ),
        settings,
        inputs={"corpus": corpus.digest, "faces": make_faces(workspace).digest},
        seed=seed,
        device=workspace.device,
        progress=_progress(f"audio and {visual}"),
    )


def load_cross_modal_metric(
    workspace: Workspace, visual: Visual, seed: int = 0
) -> CrossModalCoherence:
    """The learned metric, frozen for supervision, on the workspace's device."""
    metric = CrossModalCoherence.load(make_cross_modal_metric(workspace, visual, seed))
    return metric.to(workspace.device).supervise()


def make_audio_banks(
    workspace: Workspace, visual: Visual = "expression", seed: int = 0
) -> dict[str, AudioBank]:
    """By actor, which windows of the clips that the manipulator learns from sound alike."""
    corpus = make_corpus(workspace)
    clips: dict[str, tuple[str, ...]] = {}
    for clip in manipulator_clips(corpus):
        clips[clip.actor] = (*clips.get(clip.actor, ()), clip.key)
    return measure_banks(
        make_cross_modal_metric(workspace, visual, seed),
        clip_signals(workspace, workspace.scale.cross_modal.image_size),
        clips,
        workspace.stage_folder("cross_modal", visual, "banks", f"seed{seed}"),
        workspace.scale.manipulator.window_frames,
        inputs={"corpus": corpus.digest, "faces": make_faces(workspace).digest},
        device=workspace.device,
    )


def manipulator_clips(corpus: Corpus) -> tuple[Clip, ...]:
    """Clips to learn from: of the `train` actors, and what targets do not hold back."""
    targets = sorted(actor for actor, role in corpus.roles.items() if role == "target")
    learning = [clip for actor in targets for clip in learning_clips(corpus, actor)]
    return (*corpus.select(role="train"), *learning)


def make_manipulator(workspace: Workspace, method: str, seed: int = 0) -> Path:
    """Checkpoint of the expression manipulator of a method."""
    faces = make_faces(workspace)
    clips = manipulator_clips(make_corpus(workspace))
    supervision = None
    if is_supervised(method):
        supervision = supervise_expressions(
            make_spatial_metric(workspace, seed),
            load_head_model(),
            {clip.key: faces[clip.key] for clip in clips},
            device=workspace.device,
        )
    return learn_manipulator(
        {clip.key: faces[clip.key] for clip in clips},
        {clip.key: clip.label for clip in clips},
        workspace.stage_folder("manipulator", method, f"seed{seed}"),
        workspace.scale.manipulator,
        space=EXPRESSION_SPACE,
        inputs={"faces": faces.digest},
        seed=seed,
        device=workspace.device,
        supervision=supervision,
        progress=_progress(f"manipulator {method}"),
    )


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

    None where the renderer's settings want no texture.
    """
    if not workspace.scale.renderer.use_texture:
        return None
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    target = corpus.roles[actor] == "target"
    clips = learning_clips(corpus, actor) if target else corpus.select(actor=actor)
    step = max(1, len(clips) // TEXTURE_CLIPS)
    return face_texture(painter, [faces[clip.key] for clip in clips[::step]])


def make_base_renderer(workspace: Workspace, seed: int = 0) -> MadeRenderer:
    """The renderer that knows faces in general: learned on the `train` actors."""
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    settings = workspace.scale.renderer
    everything = corpus.select(role="train")
    clips = everything[:: -(-len(everything) // settings.base_clips)]
    painter = ConditionPainter(load_head_model(), settings.image_size)

    @lru_cache
    def texture(actor: str) -> np.ndarray | None:
        return person_texture(workspace, painter, actor)

    def make(index: int) -> RendererClip:
        clip = clips[index]
        return ConditionSource(painter, faces[clip.key], texture(clip.actor)).clip()

    return make_renderer(
        workspace.stage_folder("renderer", "base", f"seed{seed}"),
        lambda: _Conditions(make, len(clips)),
        settings,
        inputs={"faces": faces.digest},
        seed=seed,
        device=workspace.device,
        progress=_progress("base renderer"),
    )


def make_actor_renderer(
    workspace: Workspace, actor: str, method: str, seed: int = 0
) -> MadeRenderer:
    """The base renderer adapted to a target actor, for a method.

    With supervision the metric compares what the renderer makes of expressions moved to random
    emotions by the method's own manipulator with the real frames of the same moments.
    """
    corpus, faces = make_corpus(workspace), make_faces(workspace)
    base = make_base_renderer(workspace, seed)
    settings = workspace.scale.renderer
    clips = learning_clips(corpus, actor)
    supervised = is_supervised(method)
    manipulator = metric = None
    inputs = {"faces": faces.digest, "actor": actor}
    if supervised:
        path = make_manipulator(workspace, method, seed)
        manipulator = load_manipulator(path)
        metric = load_spatial_metric(workspace, seed)
        inputs |= {
            "manipulator": file_digest(path),
            "metric": file_digest(make_spatial_metric(workspace, seed)),
        }
    painter = ConditionPainter(load_head_model(), settings.image_size)

    def load_clips() -> Sequence[RendererClip]:
        texture = person_texture(workspace, painter, actor)

        def make(index: int) -> RendererClip:
            track = faces[clips[index].key]
            source = ConditionSource(painter, track, texture)
            if manipulator is None:
                return source.clip()
            wish = Wish(EMOTIONS[(clips[index].label + 1 + index) % len(EMOTIONS)])
            moved = edit_expression(
                manipulator, track.expression, wish, anchored=ANCHORED, seed=seed
            )
            return source.clip(moved)

        return _Conditions(make, len(clips))

    return make_renderer(
        workspace.stage_folder("renderer", method, f"seed{seed}", actor),
        load_clips,
        settings,
        inputs=inputs,
        seed=seed,
        base=base,
        face_loss=metric,
        device=workspace.device,
        progress=_progress(f"renderer {method} {actor}"),
    )


def _progress(name: str) -> Callable[[Iterable[int]], Iterable[int]]:
    return lambda steps: tqdm(steps, desc=name, mininterval=5)
