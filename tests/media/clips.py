"""Made-up clips of a flash and a click, in any format or faulty; how far the two are apart."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

from spfem.media.video import read_video

RATE = 16000


def flash_frames(count, flash, height=48, width=64):
    """Grey frames (count, H, W, 3), one of them bright."""
    frames = np.full((count, height, width, 3), 40, np.uint8)
    frames[flash] = 220
    return frames


def clicks(seconds, at, rate=RATE, channels=1):
    """Silence (channels, A) with short tones from the moments `at` on."""
    samples = np.zeros((channels, round(seconds * rate)), np.float32)
    for moment in at:
        start = round(moment * rate)
        length = min(rate // 20, samples.shape[1] - start)
        samples[:, start : start + length] = 0.8 * np.sin(np.arange(length) * 0.9)
    return samples


def add_sound(container, codec, rate, channels, **options):
    layout = {1: "mono", 2: "stereo"}[channels]
    return container.add_stream(codec, rate=rate, layout=layout, options=options)


def encode_sound(container, stream, samples, rate, start=0.0):
    """Mux samples (C, A), of which the first sounds at `start` seconds of the file's clock."""
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate)
    for at in range(0, samples.shape[1], 1024):
        block = np.ascontiguousarray(samples[:, at : at + 1024])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate = rate
        frame.pts, frame.time_base = at + round(start * rate), Fraction(1, rate)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def write_clip(
    path,
    frames,
    *,
    stamps: Sequence[int] | None = None,
    time_base=Fraction(1, 30),
    codec="libx264",
    pix_fmt="yuv420p",
    sounds=(),
    sound_codec="aac",
    rate=RATE,
    sound_start=0.0,
    options=None,
    muxer=None,
    prepare=None,
):
    """A file of frames at stamps with sound tracks (C, A); returns its path."""
    stamps = range(len(frames)) if stamps is None else stamps
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=30, options={"bf": "0"} | (options or {}))
        first = frames[0]
        known = isinstance(first, av.VideoFrame)
        stream.height, stream.width = (first.height, first.width) if known else first.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = time_base
        if prepare is not None:
            prepare(stream)
        tracks = [add_sound(container, sound_codec, rate, len(samples)) for samples in sounds]
        for track in tracks:
            track.bit_rate = 96_000
        for stamp, image in zip(stamps, frames, strict=True):
            frame = (
                image
                if isinstance(image, av.VideoFrame)
                else av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            )
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track, samples in zip(tracks, sounds, strict=True):
            encode_sound(container, track, samples, rate, sound_start)
    return path


def remux(source, target, keep):
    """Copy the packets of a file for which `keep(stream type, seconds)` is true."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is None or not keep(
                packet.stream.type, float(packet.dts * packet.time_base)
            ):
                continue
            packet.stream = streams[packet.stream_index]
            new.mux(packet)
    return target


def change_codec(path, target, parts, kind):
    """Copy a clip with the packets of one stream from several encoders, one after the other.

    Args:
        path: of a clip that has both streams.
        target: Matroska or AVI file.
        parts: lists of packets, in their order, that replace those of the stream.
        kind: of the stream, `video` or `audio`.
    """
    with av.open(str(path)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        spare = iter([packet for part in parts for packet in part])
        for packet in old.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == kind:
                other = next(spare, None)
                if other is None:
                    continue
                other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
                packet, index = other, packet.stream_index
                packet.stream = streams[index]
            else:
                packet.stream = streams[packet.stream_index]
            new.mux(packet)
    return target


def flash_seconds(video):
    """When the bright frame of a clip is shown."""
    return float(np.argmax(video.frames.mean((1, 2, 3))) / video.fps)


def click_seconds(samples, rate=RATE, after=0.0):
    """When the first tone after a moment begins."""
    late = round(after * rate)
    return float((late + np.argmax(np.abs(samples[late:]) > 0.25)) / rate)


def offset_milliseconds(path):
    """How much later than the flash the click comes."""
    video = read_video(path)
    return 1000 * (click_seconds(video.audio) - flash_seconds(video))


def moving_frames(count=12, height=48, width=64):
    rows, columns = np.mgrid[:height, :width]
    frames = np.zeros((count, height, width, 3), np.uint8)
    for index in range(count):
        frames[index, ..., 0] = 255 * columns // width
        frames[index, ..., 1] = 255 * rows // height
        frames[index, ..., 2] = 10 * index
    return frames


def jittering(count, seed=0):
    random = np.random.default_rng(seed)
    jitter = random.uniform(-9, 9, count)
    return [max(0, round(1000 * index / 30 + shift)) for index, shift in enumerate(jitter)]


def audio_bytes(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0])]


def sound_packets(rate):
    """MP3 of a second."""
    encoder = av.CodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "fltp"
    encoder.time_base = Fraction(1, rate)
    packets = []
    for at in range(0, rate, 1152):
        block = clicks(1.0, [0.3], rate)[:, at : at + 1152]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = rate, at
        packets += encoder.encode(frame)
    return packets


def picture_packets(height):
    """Motion JPEG of fifteen frames."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width, encoder.pix_fmt = height, 64, "yuvj420p"
    encoder.time_base = Fraction(1, 30)
    packets = []
    for index, image in enumerate(flash_frames(15, 3, height=height)):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
        frame.pts = index
        packets += encoder.encode(frame)
    return packets


def changing_pictures(folder):
    """A clip whose pictures grow in the middle."""
    whole = write_clip(
        folder / "whole.mkv",
        flash_frames(30, 3),
        codec="mjpeg",
        pix_fmt="yuvj420p",
        sounds=[clicks(1.0, [0.1])],
    )
    parts = [picture_packets(48), picture_packets(96)]
    return change_codec(whole, folder / "growing.mkv", parts, "video")


def changing_sound(folder):
    """A clip whose sound changes its rate in the middle."""
    whole = write_clip(
        folder / "whole.mkv",
        flash_frames(60, 3),
        sounds=[clicks(2.0, [0.1])],
        sound_codec="libmp3lame",
    )
    parts = [sound_packets(16000)[:20], sound_packets(24000)]
    return change_codec(whole, folder / "changing.mkv", parts, "audio")
