"""Audio packets for a video that is being written: encoded from samples, or a file's own.

Packets are copied bit by bit where mp4 can hold their format, else encoded anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from spfem.corpus.audio import add_audio_stream, audio_frame, check_samples
from spfem.corpus.media import in_seconds, open_media

TimedPacket = tuple[Fraction, av.Packet]
BLOCK_SECONDS = 0.5
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # hertz


def encoded_packets(
    container: OutputContainer, samples: np.ndarray, sample_rate: int
) -> Iterator[TimedPacket]:
    """Encode samples (A,) as AAC; yield (seconds, packet), the stream is added at the first."""
    samples = check_samples(samples)
    stream = add_audio_stream(container, sample_rate)
    block = round(BLOCK_SECONDS * sample_rate)
    for position in range(0, len(samples), block):
        frame = audio_frame(samples[position : position + block], position, sample_rate)
        for packet in stream.encode(frame):
            yield Fraction(position, sample_rate), packet
    for packet in stream.encode(None):
        yield Fraction(len(samples), sample_rate), packet


def copied_packets(container: OutputContainer, path: Path) -> Iterator[TimedPacket]:
    """Copy the first audio stream of `path` unchanged; yield (seconds, packet).

    Time zero of the new file is the first video frame of `path`, so that the sound keeps its
    place beside the pictures. Without an audio stream nothing is yielded. Formats that mp4 cannot
    hold (such as the mu-law of old cameras) become AAC of the same rate and channels.

    Raises:
        InputError: if `path` cannot be read.
    """
    with open_media(path) as source:
        if not source.streams.audio:
            return
        old = source.streams.audio[0]
        start = Fraction(0)
        if source.streams.video:
            video = source.streams.video[0]
            start = in_seconds(video.start_time, video.time_base)
        if old.codec_context.name not in container.supported_codecs:
            yield from _transcoded_packets(container, source, old, start)
            return
        new = container.add_stream_from_template(old)
        shift = round(start / old.time_base) if old.time_base else 0
        for packet in source.demux(old):
            if packet.dts is None:  # the empty packet at the end
                continue
            packet.dts -= shift
            if packet.pts is not None:
                packet.pts -= shift
            packet.stream = new
            yield in_seconds(packet.dts, old.time_base), packet


def _transcoded_packets(
    container: OutputContainer, source: InputContainer, old: AudioStream, start: Fraction
) -> Iterator[TimedPacket]:
    """Decode a stream and encode it as AAC, block by block."""
    rate = min((rate for rate in AAC_RATES if rate >= old.rate), default=AAC_RATES[-1])
    new = container.add_stream("aac", rate=rate, layout=old.layout)
    resampler = av.AudioResampler(format="fltp", layout=old.layout, rate=rate)
    position: int | None = None
    for frame in chain(source.decode(old), [None]):
        if frame is not None and position is None:
            position = round((in_seconds(frame.pts, frame.time_base) - start) * rate)
        for block in resampler.resample(frame):
            assert position is not None
            block.pts, block.time_base = position, Fraction(1, rate)
            for packet in new.encode(block):
                yield Fraction(position, rate), packet
            position += block.samples
    for packet in new.encode(None):
        yield Fraction(position or 0, rate), packet
