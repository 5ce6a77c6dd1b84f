"""Colour of video frames: which matrix, range and curve their numbers mean, to RGB and back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from spfem.media.hdr import TRANSFERS, tone_map

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


@dataclass(frozen=True)
class Colour:
    """What the numbers of a video mean; codes of ITU-T H.273 (2 is unspecified).

    Attributes:
        matrix: between RGB and brightness with two differences of colour.
        primaries: of the RGB.
        transfer: curve.
        full_range: whether 8-bit brightness goes from 0 to 255, else from 16 to 235.
        bits: of a component.
    """

    matrix: int = BT601
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False
    bits: int = 8

    @property
    def is_hdr(self) -> bool:
        """Whether the curve is PQ or HLG."""
        return self.transfer in TRANSFERS

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

    The longer side of a pixel is sampled, so that no line is lost. HDR is tone-mapped.

    Args:
        frame: decoded.
        colour: of the clip; a frame in the middle that lost its tags keeps the clip's.
        pixel_aspect: width by height of a pixel.
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
    chroma = _halved(cv2.transform(pixels, chroma_gain * np.stack(differences)))
    planes = [bright.ravel() + black, chroma[..., 0].ravel() + 128, chroma[..., 1].ravel() + 128]
    values = np.clip(np.round(np.concatenate(planes)), 0, 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(values.reshape(-1, image.shape[1]), format="yuv420p")


def _halved(chroma: np.ndarray) -> np.ndarray:
    """Chroma (H / 2, W / 2, 2) placed as MPEG does: between two rows, on the left of two columns.

    Args:
        chroma: (H, W, 2), even sides.
    """
    rows = (chroma[::2] + chroma[1::2]) / 2
    left = np.concatenate([rows[:, :1], rows[:, 1:-1:2]], axis=1)
    return (left + 2 * rows[:, ::2] + rows[:, 1::2]) / 4


def tag(context: VideoCodecContext, colour: Colour) -> None:
    """Say in an encoder's stream what its numbers mean."""
    context.colorspace = colour.matrix
    context.color_primaries = colour.primaries
    context.color_trc = colour.transfer
    context.color_range = FULL if colour.full_range else LIMITED
