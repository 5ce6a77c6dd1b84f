"""Made-up clips of a flash and a click, in any format or faulty; how far the two are apart."""

from __future__ import annotations

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


def moving_frames(count=12, height=48, width=64):
    """Frames (count, H, W, 3) of red across, green down and blue in time."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = 255 * np.arange(width) // width
    frames[..., 1] = 255 * np.arange(height)[:, None] // height
    frames[..., 2] = 10 * np.arange(count)[:, None, None]
    return frames


def clicks(seconds, at, rate=RATE, channels=1):
    """Silence (channels, A) with short tones from the moments `at` on."""
    samples = np.zeros((channels, round(seconds * rate)), np.float32)
    for moment in at:
        start = round(moment * rate)
        length = min(rate // 20, samples.shape[1] - start)
        samples[:, start : start + length] = 0.8 * np.sin(np.arange(length) * 0.9)
    return samples


def jittering(count, seed=0):
    """Stamps in milliseconds of 30 frames a second that jitter by 9 ms."""
    jitter = np.random.default_rng(seed).uniform(-9, 9, count)
    return [max(0, round(1000 * index / 30 + shift)) for index, shift in enumerate(jitter)]


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
    stamps=None,
    time_base=Fraction(1, 30),
    codec="libx264",
    pix_fmt="yuv420p",
    sounds=(),
    sound_codec="aac",
    rate=RATE,
    sound_start=0.0,
    languages=(),
    options=None,
    muxer=None,
    prepare=None,
):
    """A file of frames at stamps with sound tracks (C, A); returns its path."""
    frames = [
        frame
        if isinstance(frame, av.VideoFrame)
        else av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        for frame in frames
    ]
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=30, options={"bf": "0"} | (options or {}))
        stream.height, stream.width, stream.pix_fmt = frames[0].height, frames[0].width, pix_fmt
        stream.time_base = stream.codec_context.time_base = time_base
        if prepare is not None:
            prepare(stream)
        tracks = []
        for samples in sounds:
            layout = {1: "mono", 2: "stereo"}[len(samples)]
            tracks.append(container.add_stream(sound_codec, rate=rate, layout=layout))
            tracks[-1].bit_rate = 96_000
        for track, language in zip(tracks, languages, strict=False):
            track.metadata["language"] = language
        for stamp, frame in zip(stamps or range(len(frames)), frames, strict=True):
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track, samples in zip(tracks, sounds, strict=True):
            encode_sound(container, track, samples, rate, sound_start)
    return path


def write_browser_clip(path, count, **options):
    """A WebM file as browsers record: stamps in milliseconds that jitter, no rate, no length."""
    return write_clip(
        path,
        flash_frames(count, count - 9),
        stamps=jittering(count),
        time_base=Fraction(1, 1000),
        codec="libvpx",
        options={"deadline": "realtime", "auto-alt-ref": "0"},
        muxer={"live": "1"},
        **options,
    )


def remux(source, target, keep):
    """Copy the packets of a file for which `keep(stream type, seconds)` is true."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            at = None if packet.dts is None else float(packet.dts * packet.time_base)
            if at is not None and keep(packet.stream.type, at):
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    return target


def _change_codec(path, target, spare, kind):
    """Copy a clip with the packets of its stream `kind` replaced by `spare`, in their order."""
    spare = iter(spare)
    with av.open(str(path)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            one = next(spare, None) if packet.stream.type == kind and packet.size else packet
            if packet.dts is None or one is None:
                continue
            one.pts, one.dts, one.time_base = packet.pts, packet.dts, packet.time_base
            one.stream = streams[packet.stream_index]
            new.mux(one)
    return target


def changing_sound(folder):
    """A clip whose sound, MP3, changes its rate in the middle."""
    packets = []
    for rate, count in ((16000, 20), (24000, None)):
        encoder = av.CodecContext.create("libmp3lame", "w")
        encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "fltp"
        encoder.time_base = Fraction(1, rate)
        own = []
        for at in range(0, rate, 1152):
            block = np.ascontiguousarray(clicks(1.0, [0.3], rate)[:, at : at + 1152])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, at
            own += encoder.encode(frame)
        packets += own[:count]
    sound, frames = clicks(2.0, [0.1]), flash_frames(60, 3)
    whole = write_clip(folder / "whole.mkv", frames, sounds=[sound], sound_codec="libmp3lame")
    return _change_codec(whole, folder / "changing.mkv", packets, "audio")


def changing_pictures(folder):
    """A clip whose pictures, motion JPEG, grow in the middle."""
    packets = []
    for height in (48, 96):
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.height, encoder.width, encoder.pix_fmt = height, 64, "yuvj420p"
        encoder.time_base = Fraction(1, 30)
        for index, image in enumerate(flash_frames(15, 3, height=height)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
            frame.pts = index
            packets += encoder.encode(frame)
    form = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "sounds": [clicks(1.0, [0.1])]}
    whole = write_clip(folder / "whole.mkv", flash_frames(30, 3), **form)
    return _change_codec(whole, folder / "growing.mkv", packets, "video")


def audio_bytes(path):
    """The packets of a file's first sound track."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0])]


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
