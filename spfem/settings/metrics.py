"""Defaults of the correlation metrics: spatial, temporal and cross-modal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from spfem.errors import SettingsError


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
