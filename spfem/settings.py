"""Every default of spfem, once, as frozen dataclasses.

A `Scale` gathers the settings of all stages: `smoke` (does it run), `demo` (minutes on two CPU
cores), `full` (the embedded corpus with three seeds) and `paper` (paper-size networks).
Only the standard library is imported here, so that any stage may read its defaults cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spfem.errors import SettingsError

EMOTIONS: tuple[str, ...] = (
    "neutral",
    "angry",
    "disgusted",
    "fear",
    "happy",
    "sad",
    "surprised",
)
"""Emotion names; the index is the label (order of NED and SCMCL)."""


@dataclass(frozen=True)
class CorpusSettings:
    """The embedded corpus (`spfem.corpus.synthetic`)."""

    seed: int = 0
    fps: int = 25
    frame_size: int = 128  # pixels, square frames
    supersampling: int = 2  # rays per pixel side
    sample_rate: int = 16000  # hertz
    metric_actors: int = 8  # learn the metrics; the last one is held out
    target_actors: int = 4  # are edited; never seen by the metrics
    shared_sentences: int = 3  # said in every emotion
    own_sentences: int = 2  # per emotion, target actors only
    processes: int = 2


@dataclass(frozen=True)
class FaceSettings:
    """Tracking, fit, condition images, alignment."""

    face_size: int = 96  # pixels, side of aligned faces and condition images
    fit_iterations: int = 6
    identity_regularisation: float = 1.0
    expression_regularisation: float = 1.0
    smoothness: float = 1.0  # temporal, on pose
    processes: int = 2


@dataclass(frozen=True)
class PairingSettings:
    """Audio alignment of the same sentence in two emotions (SCMCL A1)."""

    sample_rate: int = 16000  # hertz
    cepstra: int = 13
    window_seconds: float = 0.025
    maximum_cost: float | None = None  # normalised DTW cost above which a pair is dropped


@dataclass(frozen=True)
class SpatialSettings:
    """The spatial coherent-correlation metric (ASCCL)."""

    image_size: int = 224  # pixels
    widths: tuple[int, ...] = (64, 128, 256, 512)  # channels of the four levels
    blocks: tuple[int, ...] = (3, 4, 14, 3)
    centres: tuple[int, ...] = (32, 16, 8, 4)  # sampled centres a level, 8 neighbours each
    temperature: float = 0.07  # tau
    scale: float = 0.3  # factor on the sum over levels
    adaptive: bool = True  # disparity-aware weights
    compat: str = "paper"  # or "upstream": the released arithmetic
    learning_rate: float = 1e-3
    batch_size: int = 8
    steps: int = 100_000


@dataclass(frozen=True)
class ManipulatorSettings:
    """Expression manipulator (NED)."""

    window_frames: int = 10
    style_size: int = 16
    latent_size: int = 4
    width: int = 512  # of the generator; the other networks scale with it
    batch_size: int = 64
    steps: int = 20_000
    learning_rate: float = 1e-4
    cycle_weight: float = 1.0
    style_weight: float = 1.0
    mouth_weight: float = 1.0
    metric_weight: float = 0.1  # of the correlation loss on head renders


@dataclass(frozen=True)
class RendererSettings:
    """Neural renderer (NED)."""

    image_size: int = 256  # pixels
    width: int = 64
    blocks: int = 9
    base_steps: int = 20_000  # actor-independent training
    adapt_steps: int = 5_000  # on one actor
    batch_size: int = 1
    learning_rate: float = 2e-4
    feature_weight: float = 10.0
    metric_weight: float = 1.0


@dataclass(frozen=True)
class EvaluationSettings:
    """Protocol and intervals of the result tables."""

    resamples: int = 1000  # of the bootstrap
    confidence: float = 0.95
    identity_frames: int = 3  # per clip, for CSIM


@dataclass(frozen=True)
class Scale:
    """The settings of one run of the whole street."""

    name: str
    seeds: tuple[int, ...] = (0,)
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    face: FaceSettings = field(default_factory=FaceSettings)
    pairing: PairingSettings = field(default_factory=PairingSettings)
    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    manipulator: ManipulatorSettings = field(default_factory=ManipulatorSettings)
    renderer: RendererSettings = field(default_factory=RendererSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)


def _demo() -> Scale:
    return Scale(
        name="demo",
        spatial=SpatialSettings(
            image_size=96, widths=(16, 32, 64, 128), blocks=(1, 1, 2, 1), steps=1200
        ),
        manipulator=ManipulatorSettings(width=128, steps=600, learning_rate=5e-4),
        renderer=RendererSettings(
            image_size=96, width=16, blocks=4, base_steps=800, adapt_steps=150, batch_size=4
        ),
    )


def _smoke() -> Scale:
    demo = _demo()
    return replace(
        demo,
        name="smoke",
        corpus=replace(
            demo.corpus, metric_actors=3, target_actors=2, shared_sentences=1, own_sentences=1
        ),
        spatial=replace(demo.spatial, image_size=64, widths=(8, 16, 32, 64), steps=30),
        manipulator=replace(demo.manipulator, width=64, steps=20),
        renderer=replace(demo.renderer, width=8, blocks=2, base_steps=20, adapt_steps=10),
        evaluation=replace(demo.evaluation, resamples=200, identity_frames=1),
    )


def _full() -> Scale:
    return replace(_demo(), name="full", seeds=(0, 1, 2))


def _paper() -> Scale:
    return Scale(
        name="paper",
        corpus=CorpusSettings(frame_size=256, own_sentences=8),
        face=FaceSettings(face_size=256),
    )


_SCALES = {"smoke": _smoke, "demo": _demo, "full": _full, "paper": _paper}
SCALES: tuple[str, ...] = tuple(_SCALES)


def load_scale(name: str) -> Scale:
    """Return the settings of the scale `name`.

    Raises:
        SettingsError: if `name` is not one of `SCALES`.
    """
    if name not in _SCALES:
        raise SettingsError(f"scale {name!r} is unknown; choose one of {', '.join(SCALES)}")
    return _SCALES[name]()
