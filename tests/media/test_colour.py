"""Colour and shape of pictures survive reading and writing."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from spfem.media.colour import HLG, PLAIN, PQ, Colour, from_rgb
from spfem.media.probe import probe_video
from spfem.media.video import list_losses, read_video, stream_frames, write_video
from tests.media.clips import write_clip

FORMS = {
    "plain": PLAIN,
    "unspecified": Colour(2),
    "BT.709": Colour(1, 1, 1),
    "BT.709 full": Colour(1, 1, 1, True),
    "BT.601 full": Colour(6, 6, 6, True),
    "BT.2020": Colour(9, 9, 14),
}
RED = (200, 30, 30)
SHARES = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}


def natural(count=6, height=96, width=128, seed=0):
    """Soft colours with a little noise, as a camera gives, and a planted patch of red."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 30.0
    soft = np.stack([np.sin(rows + k) * np.cos(columns * (1 + k / 3)) for k in range(3)], axis=-1)
    frames = 120 + 60 * soft + random.normal(0, 2, (count, height, width, 3))
    frames[:, 16:48, 16:48] = RED
    return np.clip(frames, 0, 255).astype(np.uint8)


def standard_planes(image, matrix, full):
    """Brightness and two differences (3, H, W) of an image, by the formulas of H.273."""
    red, blue = SHARES.get(matrix, (0.299, 0.114))
    r, g, b = np.moveaxis(image / 255.0, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    pb, pr = 0.5 * (b - y) / (1 - blue), 0.5 * (r - y) / (1 - red)
    scale, black = ((255, 255), 0) if full else ((219, 224), 16)
    planes = np.stack([scale[0] * y + black, scale[1] * pb + 128, scale[1] * pr + 128])
    return np.clip(np.round(planes), 0, 255).astype(np.uint8)


def write_tagged(path, frames, colour, pix_fmt, quality):
    """A source of encoded frames that our own writer has no part in."""

    def prepare(stream):
        context = stream.codec_context
        context.colorspace, context.color_primaries = colour.matrix, colour.primaries
        context.color_trc, context.color_range = colour.transfer, 2 if colour.full_range else 1

    return write_clip(path, frames, pix_fmt=pix_fmt, prepare=prepare, options={"crf": quality})


@pytest.mark.parametrize("form", FORMS)
def test_colours_are_read_as_the_file_says(tmp_path, form):
    frames = natural(2)
    colour = FORMS[form]
    planes = [standard_planes(image, colour.matrix, colour.full_range) for image in frames]
    pictures = [av.VideoFrame.from_ndarray(one, format="yuv444p") for one in planes]
    path = write_tagged(tmp_path / "a.mp4", pictures, colour, "yuv444p", "0")
    found, wanted = probe_video(path).colour, FORMS[form]
    assert (found.matrix, found.full_range) == (wanted.matrix, wanted.full_range)
    read = read_video(path).frames.astype(float)
    assert np.abs(read[:, 24:40, 24:40] - RED).max() <= 3
    assert np.abs((read - frames).mean((0, 1, 2))).max() < 0.3


@pytest.mark.parametrize("form", FORMS)
def test_lossless_keeps_every_pixel(tmp_path, form):
    frames = natural(3)
    write_video(tmp_path / "a.mp4", frames, 30, colour=FORMS[form], lossless=True)
    np.testing.assert_array_equal(read_video(tmp_path / "a.mp4").frames, frames)
    found, wanted = probe_video(tmp_path / "a.mp4").colour, FORMS[form]
    assert (found.primaries, found.transfer) == (wanted.primaries, wanted.transfer)


@pytest.mark.parametrize("matrix", [1, 4, 5, 7, 9])
@pytest.mark.parametrize("full", [False, True])
def test_numbers_written_are_those_of_the_standard(matrix, full):
    image = np.tile(np.array([[[190, 60, 30]]], np.uint8), (4, 4, 1))
    planes = from_rgb(image, Colour(matrix, full_range=full)).to_ndarray()
    assert [planes[0, 0], planes[4, 0], planes[5, 0]] == standard_planes(image, matrix, full)[
        :, 0, 0
    ].tolist()


def pq_signal(nits):
    """The inverse of PQ's curve (SMPTE ST 2084)."""
    power = (nits / 1e4) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def write_hdr(path, level, transfer):
    """Grey of a 16-bit signal, 10 bits, BT.2020."""
    grey = np.full((48, 64, 3), round(65535 * level), np.uint16)
    form = {"dst_colorspace": Colorspace.BT2020, "dst_color_range": ColorRange.MPEG}
    plain = [av.VideoFrame.from_ndarray(grey, format="rgb48le") for _ in range(3)]
    frames = [frame.reformat(format="yuv420p10le", **form) for frame in plain]
    return write_tagged(path, frames, Colour(9, 9, transfer), "yuv420p10le", "4")


@pytest.mark.parametrize(
    ("transfer", "level", "nits"),
    [(PQ, pq_signal(100), 100), (PQ, pq_signal(26), 26), (HLG, 0.5, 50.7), (HLG, 0.36, 23)],
)
def test_high_dynamic_range_keeps_the_light_of_ordinary_tones(tmp_path, transfer, level, nits):
    path = write_hdr(tmp_path / "hdr.mp4", level, transfer)
    facts = probe_video(path)
    assert facts.colour.is_hdr
    assert "high dynamic range" in list_losses(facts)[0]
    wanted = 255 * (nits / 203) ** (1 / 2.4)
    shown = read_video(path).frames.astype(float)
    assert np.abs(shown - wanted).max() < 3
    result = tmp_path / "result.mp4"
    write_video(result, stream_frames(path), facts.fps, colour=facts.colour.as_written())
    assert probe_video(result).colour == Colour(1, 1, 1)
    assert np.abs(read_video(result).frames - shown).max() < 4


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("4/3", (48, 85)), ("8/9", (54, 64)), ("1/1", (48, 64)), ("16/15", (48, 68))],
)
def test_pixels_that_are_not_square_are_made_square(tmp_path, aspect, size):
    frames = np.full((3, 48, 64, 3), 40, np.uint8)
    frames[:, 12:36, 16:48] = 200  # half of the height, half of the width
    path = write_clip(tmp_path / "a.mp4", frames, options={"x264-params": f"sar={aspect}"})
    facts = probe_video(path)
    assert facts.pixel_aspect == Fraction(aspect)
    assert (facts.height, facts.width) == size
    shown = read_video(path).frames[1, ..., 0] > 120
    assert shown.shape == size
    assert shown.any(1).sum() == pytest.approx(size[0] / 2, abs=1)
    assert shown.any(0).sum() == pytest.approx(size[1] / 2, abs=1)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_turned_and_mirrored_as_players_do(tmp_path, degrees, mirrored):
    frames = np.full((3, 48, 64, 3), 30, np.uint8)
    frames[:, :24, :32] = 220  # upper left
    frames[:, :24, 32:] = 120  # upper right
    path = write_clip(
        tmp_path / "a.mp4",
        frames,
        prepare=lambda stream: stream.set_display_rotation(degrees, hflip=mirrored),
    )
    upright = np.rot90(frames[0], degrees // 90)  # counter-clockwise
    upright = upright[:, ::-1] if mirrored else upright
    shown = read_video(path).frames[1]
    assert shown.shape == upright.shape
    assert np.abs(shown.astype(int) - upright).mean() < 4
    facts = probe_video(path)
    assert (facts.height, facts.width) == shown.shape[:2]
