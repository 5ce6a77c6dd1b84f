"""Sound: mono float samples in, on the clock of the first shown frame; AAC out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
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

AUDIO_BITRATE = 96_000  # bits per second
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
    sample_rate: int | None,
    path: Path,
) -> tuple[np.ndarray, int] | None:
    """Mono samples (A,) of the stream from `start`, and their rate; None without a sample.

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
    wanted = sample_rate or rate
    if wanted != rate and len(samples):
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=wanted)
        whole = audio_frame(samples, 0, rate)
        parts = [*resampler.resample(whole), *resampler.resample(None)]
        samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    return np.clip(samples, -1.0, 1.0), wanted


def sound_beside(
    path: Path, facts: VideoFacts, sample_rate: int | None
) -> tuple[np.ndarray, int] | None:
    """Sound of a video: float32 (A,) mono, sample 0 sounds with the first frame; and its rate.

    Args:
        path: the video.
        facts: of it.
        sample_rate: in hertz; None keeps the file's own.

    Returns:
        None if it has no sound track that can be decoded, or no sample in it.

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
        video = bool(moving_streams(container))
        free_clock = bool(int(container.format.flags) & FREE_CLOCK)
        start = Fraction(0)
        if tracks and free_clock:
            stream = audio_stream(container, tracks[0])
            start = in_seconds(stream.start_time, stream.time_base)
        if tracks and not video:
            decoded = _mono(container, tracks[0], start, sample_rate, path)
        else:
            decoded = None
    if tracks and video:
        decoded = sound_beside(path, probe_video(path), sample_rate)
    if decoded is None or not decoded[0].size:
        raise InputError(f"{path} has no audio track; give a file with sound")
    return decoded[0]


def check_samples(samples: np.ndarray) -> np.ndarray:
    """Return `samples` as float32 (A,) clipped to [-1, 1].

    Raises:
        ShapeError: if `samples` is not one-dimensional, is empty or holds other than numbers.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or not samples.size or not np.issubdtype(samples.dtype, np.floating):
        raise ShapeError(
            f"audio must be a non-empty float array (A,), found {samples.dtype} {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ShapeError("audio holds values that are not finite")
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def add_audio_stream(container: OutputContainer, sample_rate: int) -> AudioStream:
    """Add a mono AAC stream to an open output file."""
    stream = container.add_stream("aac", rate=sample_rate, layout="mono")
    stream.bit_rate = AUDIO_BITRATE
    return stream


def audio_frame(samples: np.ndarray, position: int, sample_rate: int) -> av.AudioFrame:
    """Return `samples` (A,) as a frame that starts at sample `position`."""
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = sample_rate
    frame.pts = position
    frame.time_base = Fraction(1, sample_rate)
    return frame


def write_audio(path: Path | str, samples: np.ndarray, sample_rate: int) -> None:
    """Write mono samples (A,) in [-1, 1] as an AAC .m4a file.

    Raises:
        ShapeError: if `samples` is not a non-empty float array (A,).
        ArtifactError: if the file cannot be written.
    """
    samples = check_samples(samples)
    with write_media(Path(path)) as container:
        stream = add_audio_stream(container, sample_rate)
        container.mux(stream.encode(audio_frame(samples, 0, sample_rate)))
        container.mux(stream.encode(None))
