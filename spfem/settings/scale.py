"""Defaults of the evaluation, and all settings of one run."""

from __future__ import annotations

from dataclasses import dataclass, field

from spfem.settings.ablations import AblationSettings
from spfem.settings.data import CorpusSettings, FaceSettings, PairingSettings
from spfem.settings.lip_sync import LipSyncSettings
from spfem.settings.metrics import CrossModalSettings, SpatialSettings, TemporalSettings
from spfem.settings.networks import ManipulatorSettings, RendererSettings
from spfem.settings.supervision import SupervisionSettings


@dataclass(frozen=True)
class EvaluationSettings:
    """Protocol and intervals of the result tables."""

    resamples: int = 1000  # of the bootstrap
    frechet_resamples: int = 200  # at most, of Fréchet distances, which cost more
    confidence: float = 0.95
    identity_frames: int = 4  # per clip, for CSIM and the Fréchet distance of identity features
    arcface_file: str | None = None  # ONNX; default: dlib's descriptor
    sources_per_actor: int = 1  # neutral clips that are edited, per target actor
    comparisons: int = 240  # matched moments of a split, on which similarity is measured
    compared_pairs: int = 36  # clip pairs of a split that they are spread over, at most
    defect_steps: int = 20_000  # of learning with and without each released defect
    retrieval_context: int = 5  # frames on each side of a moment; about the manipulator's window


@dataclass(frozen=True)
class MovedPixelSettings:
    """Which edits show what moving the source's own pixels costs."""

    actors: int = 2  # target actors, spread over their order
    sources: int = 2  # neutral clips an actor, at most as many as are held back
    emotions: int = 6  # wished ones, the first of `EMOTIONS` after neutral


@dataclass(frozen=True)
class Scale:
    """The settings of one run of the whole street."""

    name: str
    seeds: tuple[int, ...] = (0,)
    methods: tuple[str, ...] = ("ned", "ned+asccl")  # names of `spfem.methods.METHODS`
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    face: FaceSettings = field(default_factory=FaceSettings)
    pairing: PairingSettings = field(default_factory=PairingSettings)
    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    spatial_speech: SpatialSettings = field(  # goes on from the learned `spatial`
        default_factory=lambda: SpatialSettings(speech_weight=6.0)
    )
    temporal: TemporalSettings = field(default_factory=TemporalSettings)
    cross_modal: CrossModalSettings = field(default_factory=CrossModalSettings)
    manipulator: ManipulatorSettings = field(default_factory=ManipulatorSettings)
    renderer: RendererSettings = field(default_factory=RendererSettings)
    supervision: SupervisionSettings = field(default_factory=SupervisionSettings)
    lip_sync: LipSyncSettings = field(default_factory=LipSyncSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    moved_pixels: MovedPixelSettings = field(default_factory=MovedPixelSettings)
    ablations: AblationSettings = field(default_factory=AblationSettings)
