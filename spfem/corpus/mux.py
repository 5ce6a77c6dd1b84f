"""Audio packets for a video that is being written: encoded from samples or copied bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

from spfem.corpus.audio import add_audio_stream, audio_frame, check_samples
from spfem.corpus.media import in_seconds, open_media
from spfem.errors import ArtifactError

TimedPacket = tuple[Fraction, av.Packet]
BLOCK_SECONDS = 0.5


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
    place beside the pictures. Without an audio stream nothing is yielded.

    Raises:
        InputError: if `path` cannot be read.
        ArtifactError: if mp4 cannot hold the audio format.
    """
    with open_media(path) as source:
        if not source.streams.audio:
            return
        old = source.streams.audio[0]
        start = Fraction(0)
        if source.streams.video:
            video = source.streams.video[0]
            start = in_seconds(video.start_time, video.time_base)
        name = old.codec_context.name
        if name not in container.supported_codecs:
            raise ArtifactError(f"the {name} sound of {path} cannot be copied into mp4; convert it")
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
