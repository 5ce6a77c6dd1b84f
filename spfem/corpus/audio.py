"""Audio tracks: mono float samples in, AAC out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from spfem.corpus.media import in_seconds, open_media, write_media
from spfem.errors import InputError, ShapeError

AUDIO_BITRATE = 96_000  # bits per second


def decode_audio(
    container: InputContainer, sample_rate: int | None, start_seconds: Fraction = Fraction(0)
) -> tuple[np.ndarray, int] | None:
    """Decode the first audio stream of an open file as mono samples.

    Channels are averaged (FFmpeg's own down-mix would amplify them). The first sample belongs to
    `start_seconds` of the file's clock: earlier samples are dropped, a late start is filled with
    silence, so that sample 0 sounds with the first video frame.

    Returns:
        float32 (A,) in [-1, 1] and the sample rate in hertz; None without an audio stream or
        without a decodable sample in it.
    """
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    rate = sample_rate or stream.rate
    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
    blocks: list[np.ndarray] = []
    first: Fraction | None = None
    for frame in container.decode(stream):
        if first is None:
            first = in_seconds(frame.pts, frame.time_base)
        blocks += [block.to_ndarray().mean(0) for block in resampler.resample(frame)]
    if first is None:
        return None
    blocks += [block.to_ndarray().mean(0) for block in resampler.resample(None)]
    samples = np.concatenate(blocks).astype(np.float32, copy=False)
    late = round((first - start_seconds) * rate)
    samples = np.pad(samples, (late, 0)) if late > 0 else samples[-late:]
    return np.clip(samples, -1.0, 1.0), rate


def read_audio(path: Path | str, sample_rate: int = 16000) -> np.ndarray:
    """Read the audio of an audio or video file as mono float32 (A,) in [-1, 1].

    Raises:
        InputError: if the file is missing, empty, damaged or has no audio.
    """
    path = Path(path)
    with open_media(path) as container:
        decoded = decode_audio(container, sample_rate)
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
