"""Defaults of the networks that make an edit: manipulator and renderer."""

from __future__ import annotations

from dataclasses import dataclass


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
