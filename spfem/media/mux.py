"""Audio packets for a video that is being written: encoded from samples, or a file's own.

Packets are copied bit by bit where mp4 can hold their format, else encoded anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from heapq import merge
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.stream import Stream

from spfem.media.audio import (
    add_audio_stream,
    audio_frame,
    check_samples,
    decoded_frames,
    placed_blocks,
)
from spfem.media.container import SoundTrack, audio_stream, in_seconds, open_media
from spfem.media.probe import probe_video

TimedPacket = tuple[Fraction, av.Packet]
BLOCK_SECONDS = 0.5
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # hertz
COPIED = ("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus", "flac")
"""Decoders of what players expect in an mp4 file."""
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1(wide)"}


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


def is_copied(track: SoundTrack) -> bool:
    """Whether the packets of a sound track go into an mp4 file unchanged."""
    return track.decodable and track.codec in COPIED


def copied_packets(container: OutputContainer, path: Path) -> Iterator[TimedPacket]:
    """Take over the sound tracks of a video; yield (seconds, packet) in the order of time.

    Time zero of the new file is the first frame of `path` that is shown, so that the sound keeps
    its place beside the pictures. Formats that mp4 cannot hold (such as PCM) become AAC of the
    same rate and channels; tracks without a decoder are left out. Holes stay.

    Raises:
        InputError: if `path` cannot be read, or a track that is encoded anew changes its kind.
    """
    facts = probe_video(path)
    tracks = [
        (_copied if is_copied(track) else _transcoded)(container, path, track, facts.start)
        for track in facts.sounds
        if track.decodable
    ]
    # Takes a packet of each before it gives the first, so that every stream is added by then.
    yield from merge(*tracks, key=lambda timed: timed[0])


def _copied(
    container: OutputContainer, path: Path, track: SoundTrack, start: Fraction
) -> Iterator[TimedPacket]:
    with open_media(path) as source:
        old = audio_stream(source, track)
        new = container.add_stream_from_template(old)
        _name_language(new, track)
        shift = round(start / old.time_base) if old.time_base else 0
        last: int | None = None
        for packet in source.demux(old):
            if packet.dts is None or not packet.size:  # the empty packet at the end
                continue
            packet.dts -= shift
            if packet.pts is not None:
                packet.pts -= shift
            if last is not None and packet.dts <= last:  # a clock that goes back, as after a cut
                continue
            last = packet.dts
            packet.stream = new
            yield in_seconds(last, old.time_base), packet


def _transcoded(
    container: OutputContainer, path: Path, track: SoundTrack, start: Fraction
) -> Iterator[TimedPacket]:
    """Decode a stream and encode it as AAC, block by block."""
    rate = min((rate for rate in AAC_RATES if rate >= track.rate), default=AAC_RATES[-1])
    layout = LAYOUTS.get(track.channels, "mono")
    new = container.add_stream("aac", rate=rate, layout=layout)
    _name_language(new, track)
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    position: int | None = None
    with open_media(path) as source:
        frames = decoded_frames(source, audio_stream(source, track))
        for place, block in chain(placed_blocks(frames, start, path), [(0, None)]):
            if position is None:
                position = round(Fraction(place, track.rate) * rate)
            given = None if block is None else _frame(block, layout, track.rate)
            for part in resampler.resample(given):
                part.pts, part.time_base = position, Fraction(1, rate)
                position += part.samples
                for packet in new.encode(part):
                    yield Fraction(part.pts, rate), packet
    for packet in new.encode(None):
        yield Fraction(position or 0, rate), packet


def _frame(block: np.ndarray, layout: str, rate: int) -> av.AudioFrame:
    """A frame of channels (C, n); more channels than AAC has places for become one."""
    mixed = block.mean(0, keepdims=True) if layout == "mono" else block
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mixed), format="fltp", layout=layout)
    frame.sample_rate = rate
    return frame


def _name_language(stream: Stream, track: SoundTrack) -> None:
    if track.language:
        stream.metadata["language"] = track.language
