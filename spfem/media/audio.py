"""Sound: mono float samples in, on the clock of the first shown frame; packets of mp4 out.

Packets are encoded from samples, or are a file's own: copied bit by bit where mp4 can hold their
format, else encoded anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from heapq import merge
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from spfem.errors import InputError, ShapeError
from spfem.media.container import (
    SoundTrack,
    audio_stream,
    in_seconds,
    open_media,
    sound_tracks,
    write_media,
)
from spfem.media.probe import VideoFacts, moving_streams, probe_video

TimedPacket = tuple[Fraction, av.Packet]
AUDIO_BITRATE = 96_000  # bits per second
BLOCK_SECONDS = 0.5
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # hertz
COPIED = ("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus", "flac")
"""Decoders of what players expect in an mp4 file."""
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1(wide)"}
JITTER_SECONDS = Fraction(1, 50)  # by which stamps may differ from the samples counted so far
FREE_CLOCK = 512  # FFmpeg's flag of formats whose stamps start anywhere
LONGEST_HOLE_SECONDS = 600  # between two blocks of sound; more is a broken clock


def frame_channels(frame: av.AudioFrame) -> np.ndarray:
    """Samples (C, n) float32 in [-1, 1] of a decoded frame, whatever its layout and format."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        return (samples / 2.0 ** (8 * samples.dtype.itemsize - 1)).astype(np.float32)
    return samples.astype(np.float32, copy=False)


def placed_blocks(
    frames: Iterable[av.AudioFrame], start_seconds: Fraction, path: Path
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks (C, n) float32 with the place of their first sample; holes are filled with silence.

    Place 0 is `start_seconds` of the file's clock; the first block may begin before or after it.
    Stamps that jitter by up to 20 ms move nothing. An overlap is cut off.

    Raises:
        InputError: if the rate or number of channels changes, or the clock is broken.
    """
    kind: tuple[int, int] | None = None
    place = 0
    for frame in frames:
        block = frame_channels(frame)
        found = frame.sample_rate, len(block)
        seconds = in_seconds(frame.pts, frame.time_base) - start_seconds
        wanted = round(seconds * frame.sample_rate)
        if kind is None:
            kind, place = found, wanted
        elif found != kind:
            raise InputError(
                f"{path}: the sound changes from {kind[0]} Hz with {kind[1]} channels to "
                f"{found[0]} Hz with {found[1]} at {float(seconds):.2f} s; cut it there, or "
                "convert it"
            )
        apart = 0 if frame.pts is None else wanted - place
        if apart > LONGEST_HOLE_SECONDS * frame.sample_rate:
            raise InputError(f"{path}: its sound has a hole of {apart / frame.sample_rate:.0f} s")
        if apart > JITTER_SECONDS * frame.sample_rate:
            yield place, np.zeros((len(block), apart), np.float32)
            place += apart
        elif -apart > JITTER_SECONDS * frame.sample_rate:
            block = block[:, -apart:]
        if block.shape[1]:
            yield place, block
            place += block.shape[1]


def decoded_frames(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    """Decoded frames; what cannot be decoded before the first one is passed over."""
    begun = False
    for packet in container.demux(stream):
        if not packet.size and packet.dts is not None:
            continue
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            if begun:
                raise
            continue
        for frame in frames:
            begun = True
            yield frame


def _mono(
    container: InputContainer,
    track: SoundTrack,
    start: Fraction,
    sample_rate: int,
    path: Path,
) -> np.ndarray | None:
    """Mono samples (A,) of the stream from `start`; None without a sample.

    Channels are averaged (FFmpeg's own down-mix would amplify them). Sound before `start` is
    dropped, a late start is silence.
    """
    stream = audio_stream(container, track)
    rate, place = stream.rate, 0
    blocks: list[np.ndarray] = []
    for at, block in placed_blocks(decoded_frames(container, stream), start, path):
        place = place if blocks else at
        blocks.append(block.mean(0))
    if not blocks:
        return None
    samples = np.concatenate(blocks).astype(np.float32, copy=False)
    samples = np.pad(samples, (place, 0)) if place > 0 else samples[-place:]
    if sample_rate != rate and len(samples):
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
        whole = _frame(samples[None], 0, rate)
        parts = [*resampler.resample(whole), *resampler.resample(None)]
        samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    return np.clip(samples, -1.0, 1.0)


def sound_beside(path: Path, facts: VideoFacts, sample_rate: int) -> np.ndarray | None:
    """Sound of a video: float32 (A,) mono, sample 0 sounds with the first frame.

    None if there is no track that can be decoded, or no sample in it.

    Raises:
        InputError: if the sound is damaged, or changes its kind.
    """
    if facts.sound is None:
        return None
    with open_media(path) as container:
        return _mono(container, facts.sound, facts.start, sample_rate, path)


def read_audio(path: Path | str, sample_rate: int = 16000) -> np.ndarray:
    """Read the audio of an audio or video file as mono float32 (A,) in [-1, 1].

    Of a video, sample 0 sounds with the first shown frame. Of a sound file it is the file's time
    0, or the first sample in formats whose clock starts anywhere.

    Raises:
        InputError: if the file is missing, empty, damaged or has no audio.
    """
    path = Path(path)
    with open_media(path) as container:
        tracks = [track for track in sound_tracks(container) if track.decodable]
        video, decoded = moving_streams(container), None
        if tracks and not video:
            start = Fraction(0)
            if int(container.format.flags) & FREE_CLOCK:
                stream = audio_stream(container, tracks[0])
                start = in_seconds(stream.start_time, stream.time_base)
            decoded = _mono(container, tracks[0], start, sample_rate, path)
    if tracks and video:
        decoded = sound_beside(path, probe_video(path), sample_rate)
    if decoded is None or not decoded.size:
        raise InputError(f"{path} has no audio track; give a file with sound")
    return decoded


def encoded_packets(
    container: OutputContainer, samples: np.ndarray, sample_rate: int
) -> Iterator[TimedPacket]:
    """Encode samples (A,) in [-1, 1] as AAC; yield (seconds, packet).

    The stream is added to the container when the first packet is asked for.

    Raises:
        ShapeError: if `samples` is no non-empty float array (A,) of finite numbers.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or not samples.size or not np.issubdtype(samples.dtype, np.floating):
        raise ShapeError(
            f"audio must be a non-empty float array (A,), found {samples.dtype} {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ShapeError("audio holds values that are not finite")
    samples = np.clip(samples, -1.0, 1.0).astype(np.float32)
    stream = container.add_stream("aac", rate=sample_rate, layout="mono")
    stream.bit_rate = AUDIO_BITRATE
    block = round(BLOCK_SECONDS * sample_rate)
    for position in range(0, len(samples), block):
        frame = _frame(samples[None, position : position + block], position, sample_rate)
        for packet in stream.encode(frame):
            yield Fraction(position, sample_rate), packet
    for packet in stream.encode(None):
        yield Fraction(len(samples), sample_rate), packet


def _frame(
    samples: np.ndarray, position: int | None, rate: int, layout: str = "mono"
) -> av.AudioFrame:
    """Samples (C, n) as a frame that starts at sample `position`, or after the one before it."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
    return frame


def write_audio(path: Path | str, samples: np.ndarray, sample_rate: int) -> None:
    """Write mono samples (A,) in [-1, 1] as an AAC .m4a file.

    Raises:
        ShapeError: if `samples` is not a non-empty float array (A,).
        ArtifactError: if the file cannot be written.
    """
    with write_media(Path(path)) as container:
        for _, packet in encoded_packets(container, samples, sample_rate):
            container.mux(packet)


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
        new.metadata.update({"language": track.language} if track.language else {})
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
    new.metadata.update({"language": track.language} if track.language else {})
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    position: int | None = None
    with open_media(path) as source:
        frames = decoded_frames(source, audio_stream(source, track))
        for place, block in chain(placed_blocks(frames, start, path), [(0, None)]):
            if position is None:
                position = round(Fraction(place, track.rate) * rate)
            if block is not None and layout == "mono":  # AAC has no places for so many channels
                block = block.mean(0, keepdims=True)
            given = None if block is None else _frame(block, None, track.rate, layout)
            for part in resampler.resample(given):
                part.pts, part.time_base = position, Fraction(1, rate)
                position += part.samples
                for packet in new.encode(part):
                    yield Fraction(part.pts, rate), packet
    for packet in new.encode(None):
        yield Fraction(position or 0, rate), packet
