"""Colour of video frames: which matrix, range and curve their numbers mean, to RGB and back.

High dynamic range to ordinary range: PQ and HLG of BT.2020 or BT.709, by display light.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, Interpolation

PQ, HLG = 16, 18  # transfers, ITU-T H.273
WHITE_NITS = 203.0  # of a white page in HDR, ITU-R BT.2408
HLG_PEAK_NITS, HLG_GAMMA = 1000.0, 1.2  # of the nominal display, ITU-R BT.2100
KNEE = 0.8  # of white: darker tones keep their light, brighter ones share what is left
DISPLAY_GAMMA = 2.4  # ITU-R BT.1886
BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""ITU-R BT.2087."""
# Without these, swscale truncates: every read is 1.0 to 1.6 grey levels too dark.
READING = (
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
UNSPECIFIED, RGB, BT709, BT601, BT2020 = 2, 0, 1, 6, 9  # matrices, ITU-T H.273
LIMITED, FULL = 1, 2  # ranges, as FFmpeg counts
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""Those of H.273; all others, unspecified too, are read as BT.601, as FFmpeg's tools do."""
LUMA = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 6: (0.299, 0.114), 7: (0.212, 0.087)} | dict.fromkeys(
    (9, 10), (0.2627, 0.0593)
)  # shares of red and blue


def pq_nits(signal: np.ndarray) -> np.ndarray:
    """Light in nits of PQ values in [0, 1], any shape (SMPTE ST 2084)."""
    root = signal ** (1 / 78.84375)
    return 1e4 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
        1 / 0.1593017578125
    )


def hlg_nits(signal: np.ndarray) -> np.ndarray:
    """Light in nits of HLG values (..., 3) in [0, 1] on a display of 1000 nits (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum((scene * BT2020_LUMA).sum(-1, keepdims=True), 1e-6)
    return HLG_PEAK_NITS * scene * luma ** (HLG_GAMMA - 1)


def tone_map(pixels: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Ordinary RGB of a picture in high dynamic range.

    Light up to 0.8 of white (203 nits) stays as it is; what is brighter is bent below white by
    the brightest component, which keeps hues. Colours outside BT.709 are clipped.

    Args:
        pixels: (H, W, 3) uint16, full range.
        transfer: `PQ` or `HLG`.
        primaries: of the pixels, ITU-T H.273; 1 for BT.709, all others are taken for BT.2020.

    Returns:
        (H, W, 3) uint8 for a display of gamma 2.4.
    """
    signal = pixels.astype(np.float32) / 65535
    light = (pq_nits(signal) if transfer == PQ else hlg_nits(signal)) / WHITE_NITS
    if primaries != 1:
        light = light @ BT2020_TO_BT709.T
    peak = np.maximum(light.max(-1, keepdims=True), 1e-6)
    over = np.maximum(peak - KNEE, 0) / (1 - KNEE)
    bent = np.where(peak > KNEE, KNEE + (1 - KNEE) * over / (1 + over), peak)
    shown = np.clip(light * (bent / peak), 0, 1) ** (1 / DISPLAY_GAMMA)
    return np.round(255 * shown).astype(np.uint8)


@dataclass(frozen=True)
class Colour:
    """What the numbers of a video mean; codes of ITU-T H.273 (2 is unspecified)."""

    matrix: int = BT601  # between RGB and brightness with two differences of colour
    primaries: int = UNSPECIFIED  # of the RGB
    transfer: int = UNSPECIFIED  # curve
    full_range: bool = False  # whether 8-bit brightness goes from 0 to 255, else from 16 to 235
    bits: int = 8  # of a component

    @property
    def is_hdr(self) -> bool:
        """Whether the curve is PQ or HLG."""
        return self.transfer in (PQ, HLG)

    def as_written(self) -> Colour:
        """What a result made of such a clip is tagged with: the same, in 8 bits without HDR."""
        if self.is_hdr or self.matrix == RGB:
            return Colour(BT709, BT709, BT709)
        return Colour(self.matrix, self.primaries, self.transfer, self.full_range)


PLAIN = Colour()


def colour_of(frame: av.VideoFrame) -> Colour:
    """The colour of a decoded frame."""
    component = frame.format.components[0]
    full = int(frame.color_range) == FULL or frame.format.name.startswith("yuvj")
    matrix = RGB if frame.format.is_rgb else int(frame.colorspace)
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    return Colour(matrix, primaries, transfer, full, component.bits)


def to_rgb(frame: av.VideoFrame, colour: Colour, pixel_aspect: Fraction) -> np.ndarray:
    """The pixels (H, W, 3) uint8 RGB of a frame, as stored but square.

    The longer side of a pixel is sampled, so that no line is lost; `pixel_aspect` is its width by
    height. HDR is tone-mapped. `colour` is the clip's: a frame may have lost its tags.
    """
    width, height = square_size(frame.width, frame.height, pixel_aspect)
    pixels = frame.to_ndarray(
        width=width,
        height=height,
        format="rgb48le" if colour.is_hdr else "rgb24",
        src_colorspace=MATRICES.get(colour.matrix, Colorspace.ITU601),
        src_color_range=ColorRange.JPEG if colour.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=READING,
        threads=1,
    )
    return tone_map(pixels, colour.transfer, colour.primaries) if colour.is_hdr else pixels


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Width and height with square pixels.

    Example:
        >>> square_size(720, 576, Fraction(16, 15)), square_size(720, 480, Fraction(8, 9))
        ((768, 576), (720, 540))
    """
    if pixel_aspect >= 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def from_rgb(image: np.ndarray, colour: Colour) -> av.VideoFrame:
    """A frame to encode, 4:2:0 with 8 bits, of an image (H, W, 3) uint8 RGB with even sides."""
    if colour == PLAIN:  # so that the embedded corpus keeps its bytes; loses 0.06 levels at most
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        return frame.reformat(format="yuv420p", threads=1)
    # By hand, since swscale cuts half a level off the chroma of full range.
    red, blue = LUMA.get(colour.matrix, LUMA[BT601])
    luma = np.array([red, 1 - red - blue, blue])
    differences = [([0, 0, 1] - luma) / (2 - 2 * blue), ([1, 0, 0] - luma) / (2 - 2 * red)]
    bright_gain, chroma_gain, black = (1, 1, 0) if colour.full_range else (219 / 255, 224 / 255, 16)
    pixels = image.astype(np.float32)
    bright = cv2.transform(pixels, bright_gain * luma[None])
    chroma = cv2.transform(pixels, chroma_gain * np.stack(differences))
    # As MPEG places chroma: between two rows, on the left of two columns.
    rows = (chroma[::2] + chroma[1::2]) / 2
    left = np.concatenate([rows[:, :1], rows[:, 1:-1:2]], axis=1)
    chroma = (left + 2 * rows[:, ::2] + rows[:, 1::2]) / 4
    planes = [bright.ravel() + black, chroma[..., 0].ravel() + 128, chroma[..., 1].ravel() + 128]
    values = np.clip(np.round(np.concatenate(planes)), 0, 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(values.reshape(-1, image.shape[1]), format="yuv420p")


def tag(context: VideoCodecContext, colour: Colour) -> None:
    """Say in an encoder's stream what its numbers mean."""
    context.colorspace = colour.matrix
    context.color_primaries = colour.primaries
    context.color_trc = colour.transfer
    context.color_range = FULL if colour.full_range else LIMITED
