"""Read and write video clips: RGB frames, frame rate and sound in sync."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from spfem.corpus.audio import decode_audio
from spfem.corpus.encoding import ENCODER, even_frame
from spfem.corpus.media import damaged, in_seconds, open_media, write_media
from spfem.corpus.mux import TimedPacket, copied_packets, encoded_packets
from spfem.corpus.pictures import PICTURES_FPS, count_pictures, stream_pictures
from spfem.errors import InputError, ShapeError

TimedFrame = tuple[Fraction, av.VideoFrame]  # seconds, frame
MISSING_FRAMES = 2  # a file may promise so many frames more than it holds


@dataclass(frozen=True)
class Video:
    """A whole clip in memory.

    Attributes:
        frames: uint8 (T, H, W, 3) RGB, upright, at a constant rate.
        fps: frames per second.
        audio: float32 (A,) mono in [-1, 1]; sample 0 sounds with frame 0; None without sound.
        sample_rate: of `audio` in hertz; None without sound.
        path: the file.
    """

    frames: np.ndarray
    fps: Fraction
    audio: np.ndarray | None
    sample_rate: int | None
    path: Path


@dataclass(frozen=True)
class VideoFacts:
    """What the header of a video file says; sizes in pixels after rotation."""

    width: int
    height: int
    fps: Fraction
    frames: int | None
    has_audio: bool
    seconds: float | None


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise InputError(f"{path} has no video track; give a video file")
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # frame threads add latency and memory, not speed, on two cores
    return stream


def _frame_rate(stream: VideoStream, path: Path) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    if not rate:
        raise InputError(f"{path} does not say its frame rate; convert it to mp4")
    return Fraction(rate)


def _promised_frames(stream: VideoStream) -> int:
    """Frames that the header promises; 0 if it does not say. Edit lists may hide some."""
    if not stream.frames or not stream.duration or not stream.average_rate:
        return stream.frames
    shown = round(in_seconds(stream.duration, stream.time_base) * stream.average_rate)
    return min(stream.frames, shown)


def _upright(frame: av.VideoFrame) -> np.ndarray:
    image = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as numpy counts
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _timed_frames(
    container: InputContainer, path: Path
) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Decoded frames with their times in seconds; complains about a truncated file at the end."""
    stream = _video_stream(container, path)
    count = 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise damaged(path, f"a packet is cut off after {count} frames")
        for frame in packet.decode():
            if frame.pts is None:
                yield Fraction(count) / _frame_rate(stream, path), frame
            else:
                yield in_seconds(frame.pts, stream.time_base), frame
            count += 1
    if not count:
        raise InputError(f"{path} holds no video frame that can be decoded; convert it to mp4")
    promised = _promised_frames(stream)
    if count + MISSING_FRAMES < promised:
        raise damaged(path, f"{count} of {promised} frames can be decoded")


def _at_constant_rate(timed: Iterable[TimedFrame], fps: Fraction) -> Iterator[av.VideoFrame]:
    """Show each frame until the next begins, so that a variable frame rate stays in sync."""
    held: av.VideoFrame | None = None
    start = Fraction(0)
    shown = 0
    for time, frame in timed:
        if held is None:
            start = time
        else:
            slot = round((time - start) * fps)
            while shown < slot:
                yield held
                shown += 1
        held = frame
    if held is not None:
        yield held


def stream_frames(path: Path | str) -> Iterator[np.ndarray]:
    """Yield the frames of a video one by one, uint8 (H, W, 3) RGB, upright, at a constant rate.

    A folder of numbered pictures counts as a video, see `spfem.corpus.pictures`.

    Raises:
        InputError: if the file is missing, empty, damaged, truncated or holds no video.
    """
    path = Path(path)
    if path.is_dir():
        yield from stream_pictures(path)
        return
    with open_media(path) as container:
        fps = _frame_rate(_video_stream(container, path), path)
        for frame in _at_constant_rate(_timed_frames(container, path), fps):
            yield _upright(frame)


def probe_video(path: Path | str) -> VideoFacts:
    """Read the header and the first frame of a video, or look at a folder of numbered pictures.

    Raises:
        InputError: if the file is missing, empty, damaged or holds no video.
    """
    path = Path(path)
    if path.is_dir():
        height, width = next(stream_pictures(path)).shape[:2]
        count = count_pictures(path)
        rate = Fraction(PICTURES_FPS)
        return VideoFacts(width, height, rate, count, False, count / PICTURES_FPS)
    with open_media(path) as container:
        stream = _video_stream(container, path)
        fps = _frame_rate(stream, path)
        frames = _promised_frames(stream) or None
        seconds = float(in_seconds(stream.duration, stream.time_base)) or None
        has_audio = bool(container.streams.audio)
        first = next(container.decode(stream), None)
        if first is None:
            raise InputError(f"{path} holds no video frame that can be decoded; convert it to mp4")
        height, width = _upright(first).shape[:2]
    return VideoFacts(width, height, fps, frames, has_audio, seconds)


def read_video(path: Path | str, *, sample_rate: int | None = 16000) -> Video:
    """Read a whole clip with its sound.

    Args:
        path: video file in any format that FFmpeg knows.
        sample_rate: wanted rate of the sound in hertz; None keeps the file's own.

    Raises:
        InputError: if the file is missing, empty, damaged, truncated or holds no video.
    """
    path = Path(path)
    frames = np.stack(list(stream_frames(path)))
    if path.is_dir():
        return Video(frames, Fraction(PICTURES_FPS), None, None, path)
    with open_media(path) as container:
        stream = _video_stream(container, path)
        fps = _frame_rate(stream, path)
        start = in_seconds(stream.start_time, stream.time_base)
        decoded = decode_audio(container, sample_rate, start)
    audio, rate = decoded if decoded is not None else (None, None)
    return Video(frames, fps, audio, rate, path)


def write_video(
    path: Path | str,
    frames: Iterable[np.ndarray],
    fps: Fraction | int,
    *,
    audio: np.ndarray | None = None,
    sample_rate: int | None = None,
    audio_from: Path | str | None = None,
    comment: str | None = None,
) -> None:
    """Write an H.264 mp4 file, whole or not at all.

    Args:
        path: where to write.
        frames: uint8 (H, W, 3) RGB each; odd sizes are padded by one edge row or column.
        fps: frames per second.
        audio: float (A,) mono in [-1, 1], encoded as AAC; needs `sample_rate`.
        sample_rate: of `audio`, in hertz.
        audio_from: copy the audio packets of this file unchanged instead, as they lie to its
            video; a file without sound gives a video without sound.
        comment: text for the file's metadata.

    Raises:
        ShapeError: if there is no frame, or frames or audio have a wrong shape or type.
        InputError: if `audio_from` cannot be read.
        ArtifactError: if the file cannot be encoded or written.
    """
    if audio is not None and (sample_rate is None or audio_from is not None):
        raise ShapeError("audio needs sample_rate, and excludes audio_from")
    iterator = (even_frame(np.asarray(frame)) for frame in frames)
    first = next(iterator, None)
    if first is None:
        raise ShapeError(f"there is no frame to write to {path}")
    with write_media(Path(path), comment) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options=ENCODER)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / Fraction(fps)
        sound: Iterator[TimedPacket] = iter(())
        if audio is not None and sample_rate is not None:
            sound = encoded_packets(container, audio, sample_rate)
        elif audio_from is not None:
            sound = copied_packets(container, Path(audio_from))
        waiting = next(sound, None)
        for index, image in enumerate(chain([first], iterator)):
            if image.shape != first.shape:
                raise ShapeError(f"frame {index} is {image.shape}, the first is {first.shape}")
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index
            frame.time_base = 1 / Fraction(fps)
            container.mux(stream.encode(frame))
            while waiting is not None and waiting[0] * Fraction(fps) <= index:
                container.mux(waiting[1])
                waiting = next(sound, None)
        container.mux(stream.encode(None))
        while waiting is not None:
            container.mux(waiting[1])
            waiting = next(sound, None)
