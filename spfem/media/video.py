"""Video clips read and written: RGB frames at a constant rate, sound in sync.

Also what a result can keep of its source, which is said and tried before work begins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from itertools import chain, tee
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from spfem.errors import ArtifactError, InputError, ShapeError
from spfem.media.audio import (
    TimedPacket,
    copied_packets,
    encoded_packets,
    is_copied,
    sound_beside,
)
from spfem.media.colour import PLAIN, RGB, Colour, from_rgb, tag, to_rgb
from spfem.media.container import damaged, in_seconds, open_media, stream_pictures, write_media
from spfem.media.probe import (
    NOTHING_DECODED,
    VideoFacts,
    frame_slots,
    probe_video,
    promised_frames,
    video_stream,
)

# x264 with look-ahead gives other bytes in about one of 300 runs, so it is off.
ENCODER = {
    "preset": "veryfast",
    "crf": "18",
    "threads": "1",
    "bf": "0",
    "x264-params": "mbtree=0:rc-lookahead=0",
}
LOSSLESS_ENCODER = ENCODER | {"crf": "0"}
MISSING_FRAMES = 2  # a file may promise so many frames more than it holds
SAMPLE_RATE = 16000  # of sound that is read, in hertz
LONGEST_HOLE_SECONDS = 120  # between two frames; more is a broken clock
LEAST_FREE_SHARE = 0.5  # of the source's size, that must be free where the result goes
LEAST_FREE_BYTES = 1 << 20


@dataclass(frozen=True)
class Video:
    """A whole clip in memory."""

    frames: np.ndarray  # uint8 (T, H, W, 3) RGB, upright, square pixels, at a constant rate
    fps: Fraction  # frames per second
    # float32 (A,) mono in [-1, 1]; sample 0 sounds with frame 0; None without sound
    audio: np.ndarray | None
    sample_rate: int | None  # of `audio` in hertz; None without sound
    path: Path  # the file


def stream_frames(path: Path | str) -> Iterator[np.ndarray]:
    """Yield the frames of a video one by one, uint8 (H, W, 3) RGB, at a constant rate.

    They are upright and unmirrored, with square pixels, in the colours that the file says; high
    dynamic range is tone-mapped. Dropped frames are held, as players do. A folder of numbered
    pictures counts as a video, see `spfem.media.container`.

    Raises:
        InputError: if the file is missing, empty, damaged, truncated or holds no video, or its
            picture size changes.
    """
    path = Path(path)
    if path.is_dir():
        yield from stream_pictures(path)
        return
    facts = probe_video(path)
    for frame in _at_constant_rate(_timed_frames(path, facts), facts.fps):
        pixels = to_rgb(frame, facts.colour, facts.pixel_aspect)
        yield facts.orientation.upright(pixels)


def _timed_frames(path: Path, facts: VideoFacts) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Decoded frames with the seconds at which they are shown; the file's end is looked at."""
    with open_media(path) as container:
        stream = video_stream(container, path)
        count, time, size = 0, facts.start, (0, 0)
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise damaged(path, f"a packet is cut off after {count} frames")
            if not packet.size and packet.dts is not None:
                continue  # a dropped frame, which would end the decoder
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                if count:
                    raise
                continue  # before the first key frame
            for frame in frames:
                time_before, size_before = time, size
                size = frame.width, frame.height
                if frame.pts is None:
                    time = facts.start + count / facts.fps
                else:
                    time = in_seconds(frame.pts, stream.time_base)
                if count and size != size_before:
                    raise InputError(
                        f"{path}: the picture changes from {size_before[0]} x {size_before[1]} to "
                        f"{size[0]} x {size[1]} at frame {count}; cut it there, or convert it to "
                        "one size"
                    )
                if count and time - time_before > LONGEST_HOLE_SECONDS:
                    hole = float(time - time_before)
                    raise damaged(path, f"{hole:.0f} s without a frame after frame {count - 1}")
                yield time, frame
                count += 1
        if not count:
            raise InputError(f"{path} {NOTHING_DECODED}")
        # A dropped frame of an AVI file counts in its header and has no picture: it is held.
        shown = max(count, round((time - facts.start) * facts.fps) + 1)
        promised = promised_frames(stream)
        if shown + MISSING_FRAMES < promised:
            raise damaged(path, f"{count} of {promised} frames can be decoded")


def _at_constant_rate(
    timed: Iterable[tuple[Fraction, av.VideoFrame]], fps: Fraction
) -> Iterator[av.VideoFrame]:
    """Show each frame until the next begins, so that a variable frame rate stays in sync."""
    first, second = tee(timed)
    slots = frame_slots((time for time, _ in first), fps)
    held: av.VideoFrame | None = None
    shown = 0
    for slot, (_, frame) in zip(slots, second, strict=True):
        while held is not None and shown < slot:
            yield held
            shown += 1
        held = frame
    if held is not None:
        yield held


def read_video(path: Path | str) -> Video:
    """Read a whole clip with its sound at 16000 hertz.

    Raises:
        InputError: if the file is missing, empty, damaged, truncated or holds no video.
    """
    path = Path(path)
    frames = np.stack(list(stream_frames(path)))
    facts = probe_video(path)
    audio = sound_beside(path, facts, SAMPLE_RATE)
    return Video(frames, facts.fps, audio, None if audio is None else SAMPLE_RATE, path)


def write_video(
    path: Path | str,
    frames: Iterable[np.ndarray],
    fps: Fraction | int,
    *,
    audio: np.ndarray | None = None,
    sample_rate: int | None = None,
    audio_from: Path | str | None = None,
    comment: str | None = None,
    colour: Colour = PLAIN,
    lossless: bool = False,
) -> None:
    """Write an H.264 mp4 file, whole or not at all.

    Args:
        path: where to write.
        frames: uint8 (H, W, 3) RGB each; odd sizes are padded by one edge row or column.
        fps: frames per second.
        audio: float (A,) mono in [-1, 1], encoded as AAC; needs `sample_rate`.
        sample_rate: of `audio`, in hertz.
        audio_from: copy all sound tracks of this file instead, packet by packet, as they lie to
            its video; a file without sound gives a video without sound.
        comment: text for the file's metadata.
        colour: what the file's numbers are to mean; default: BT.601, limited range.
        lossless: keep every pixel of the frames; larger files, which not every player shows.

    Raises:
        ShapeError: if there is no frame, or frames or audio have a wrong shape or type.
        InputError: if `audio_from` cannot be read.
        ArtifactError: if the file cannot be encoded or written.
    """
    if audio is not None and (sample_rate is None or audio_from is not None):
        raise ShapeError("audio needs sample_rate, and excludes audio_from")
    iterator = (_even_frame(np.asarray(frame)) for frame in frames)
    first = next(iterator, None)
    if first is None:
        raise ShapeError(f"there is no frame to write to {path}")
    with write_media(Path(path), comment) as container:

        def sound() -> Iterator[TimedPacket]:
            if audio is not None and sample_rate is not None:
                yield from encoded_packets(container, audio, sample_rate)
            elif audio_from is not None:
                yield from copied_packets(container, Path(audio_from))

        _encode(container, chain([first], iterator), Fraction(fps), sound(), colour, lossless)


def _even_frame(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) uint8 padded to even sides, as H.264 needs, by an edge row or column."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ShapeError(f"a frame must be uint8 (H, W, 3), found {frame.dtype} {frame.shape}")
    height, width = frame.shape[:2]
    padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded)


def _encode(
    container: OutputContainer,
    frames: Iterator[np.ndarray],
    fps: Fraction,
    sound: Iterator[TimedPacket],
    colour: Colour = PLAIN,
    lossless: bool = False,
) -> None:
    """Encode frames of even sides, and put the packets of sound between them by their time."""
    first = next(frames)
    codec, options = ("libx264rgb", LOSSLESS_ENCODER) if lossless else ("libx264", ENCODER)
    stream = cast("VideoStream", container.add_stream(codec, rate=fps, options=options))
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = "rgb24" if lossless else "yuv420p"
    stream.codec_context.time_base = 1 / fps
    rgb = Colour(RGB, colour.primaries, colour.transfer, full_range=True)
    tag(stream.codec_context, rgb if lossless else colour)
    waiting = next(sound, None)  # so that its streams, too, are added before the first packet
    for index, image in enumerate(chain([first], frames)):
        if image.shape != first.shape:
            raise ShapeError(f"frame {index} is {image.shape}, the first is {first.shape}")
        if lossless:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        else:
            frame = from_rgb(image, colour)
        frame.pts, frame.time_base = index, 1 / fps
        container.mux(stream.encode(frame))
        while waiting is not None and waiting[0] * fps <= index:
            container.mux(waiting[1])
            waiting = next(sound, None)
    container.mux(stream.encode(None))
    for _, packet in chain([waiting] if waiting else [], sound):
        container.mux(packet)


def check_result(source: Path, facts: VideoFacts, out: Path) -> tuple[str, ...]:
    """Try all that a result with the sound of `source` needs, but its pictures.

    Sound is taken over into memory as it will be into the file `out`, and that place is written
    to, so that what cannot be written fails now and not after hours of work. `facts` are those of
    `source`. Returns what the result will lack, see `list_losses`.

    Raises:
        InputError: if its sound cannot be written.
        ArtifactError: if the place cannot be written to, or has no space.
    """
    folder = out.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise ArtifactError(f"{out} is a folder; give the name of a new mp4 file")
        trial = folder / f".{out.stem[:100]}.{os.getpid()}.part"
        trial.write_bytes(b"")
        trial.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ArtifactError(
            f"{out} cannot be written ({error.strerror}); choose another place"
        ) from None
    needed = max(LEAST_FREE_BYTES, round(LEAST_FREE_SHARE * source.stat().st_size))
    if free < needed:
        raise ArtifactError(
            f"{folder} has {free / 1e6:.0f} MB left, and the result needs about "
            f"{needed / 1e6:.0f} MB; free some space"
        )
    if facts.sounds and not facts.has_audio:
        raise InputError(
            f"{source}: no sound track has a decoder here "
            f"({'; '.join(track.title for track in facts.sounds)}); convert its sound to AAC"
        )
    if facts.has_audio:
        try:
            with av.open(BytesIO(), "w", format="mp4") as container:
                picture = np.zeros((32, 32, 3), np.uint8)
                _encode(container, iter([picture]), Fraction(25), copied_packets(container, source))
        except (av.FFmpegError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{source}: its sound cannot be written into an mp4 file ({reason}); convert its "
                "sound to AAC"
            ) from None
    return list_losses(facts)


def list_losses(facts: VideoFacts) -> tuple[str, ...]:
    """What an mp4 file made of such a video lacks, each in a few words."""
    losses = []
    if facts.colour.is_hdr:
        losses.append("high dynamic range (tone-mapped to BT.709)")
    elif facts.colour.bits > 8:
        losses.append(f"{facts.colour.bits} bits a colour (8 are written)")
    if facts.colour.matrix == RGB:
        losses.append("RGB (4:2:0 in BT.709 is written)")
    for number, track in enumerate(facts.sounds, 1):
        if not track.decodable:
            losses.append(f"sound track {number} ({track.title}: no decoder)")
        elif not is_copied(track):
            losses.append(f"the encoding of sound track {number} ({track.title}; AAC is written)")
    losses += [f"a track of {kind}" for kind in sorted(set(facts.others) - {"unknown"})]
    return tuple(losses)
