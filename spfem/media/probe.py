"""What a video file is: found once, and carried to all that read it and to what is made of it.

Its frame rate comes from its time stamps, the only clock that every format has: headers of
browsers' recordings give no rate or a wrong one, and stamps in milliseconds jitter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.stream import VideoStream

from spfem.errors import InputError
from spfem.media.colour import PLAIN, Colour, colour_of, square_size
from spfem.media.container import (
    PICTURES_FPS,
    SoundTrack,
    in_seconds,
    open_media,
    picture_paths,
    sound_tracks,
    stream_pictures,
)

_MIRROR = np.array([[-1, 0], [0, 1]])
_TURN = np.array([[0, -1], [1, 0]])  # a quarter counter-clockwise, of row vectors (x, y), y down


@dataclass(frozen=True)
class Orientation:
    """Mirrored left to right first, then turned counter-clockwise by quarters."""

    turns: int = 0
    mirrored: bool = False

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """The picture (H, W, ...) as it is to be seen."""
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(np.rot90(picture, self.turns))


UPRIGHT = Orientation()


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What a decoded frame's display matrix says; other angles are rounded to a quarter turn."""
    for data in cast("Iterable[SideData]", frame.side_data):
        if data.type.name == "DISPLAYMATRIX":
            said = np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]].reshape(2, 2).astype(float)
            start = {False: np.eye(2), True: _MIRROR}
            agreement = {
                Orientation(turns, mirrored): (
                    (start[mirrored] @ np.linalg.matrix_power(_TURN, turns) * said).sum()
                )
                for mirrored in (False, True)
                for turns in range(4)
            }
            return max(agreement, key=agreement.__getitem__)
    return UPRIGHT


STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in (
        "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "90", "100",
        "120000/1001", "120", "12", "12.5", "15", "10", "8", "5", "200", "240",
    )
)  # fmt: skip
REGULAR = (Fraction(1, 2), Fraction(3, 2))  # of the median step: neither doubled nor a hole
HEADER_AGREES = 0.005  # share by which a header may differ from the stamps and still be right
COUNTED_SHARE = 0.3  # of the steps that are one frame of the header's rate
EXACT = 1e-4  # share by which rounding may move a rate; 30 and 29.97 are ten times as far apart
FASTEST = 1000  # frames per second; more is a clock in milliseconds, not a rate
HOLE = 0.75  # of a frame later than the next slot: a frame is missing, and not merely late


def frame_rate(stamps: Sequence[Fraction], header: Fraction | None = None) -> Fraction | None:
    """The rate that the stamps of a clip's frames mean.

    It is that of the median step. Where all steps are equal this is exact. Else the steps near
    the median are averaged, and the header's rate, or a standard one that the jitter allows, is
    taken. A header that many steps obey to the letter is right where frames were dropped.

    Args:
        stamps: seconds at which frames are shown, ascending.
        header: what the file says, if it does.

    Returns:
        Frames per second; None where neither stamps nor header tell.

    Example:
        >>> frame_rate([Fraction(t, 1000) for t in (0, 33, 67, 100, 133, 167, 200)])
        Fraction(30, 1)
    """
    steps = [after - before for before, after in pairwise(stamps)]
    steps = [step for step in steps if step > 0]
    said = _snap(header) if header and 0 < header <= FASTEST else None
    if not steps:
        return said
    counted = [step for step in steps if said and abs(step * said - 1) <= HEADER_AGREES]
    if said and len(counted) >= COUNTED_SHARE * len(steps):
        return said  # a counter of frames, of which some were dropped
    middle = median(steps)
    regular = [step for step in steps if REGULAR[0] * middle <= step <= REGULAR[1] * middle]
    span = sum(regular, Fraction(0))
    found = len(regular) / span
    if found > FASTEST:
        return said
    if min(regular) == max(regular):
        return _snap(found)
    if said and abs(said / found - 1) <= HEADER_AGREES:
        return said
    jitter = max(abs(step - middle) for step in regular)
    unsure = max(EXACT, 2 * float(jitter / span))
    near = [rate for rate in STANDARD_RATES if abs(rate / found - 1) <= unsure]
    if near:  # cameras of browsers count whole frames a second
        return min(near, key=lambda rate: (rate.denominator > 1, abs(rate / found - 1)))
    return found.limit_denominator(1001)


def _snap(rate: Fraction) -> Fraction:
    """The standard rate that a rate means which is rounded, else the rate."""
    nearest = min(STANDARD_RATES, key=lambda one: abs(one / rate - 1))
    return nearest if abs(nearest / rate - 1) <= EXACT else rate


def frame_slots(times: Iterable[Fraction], fps: Fraction) -> Iterator[int]:
    """For each frame the first slot of a constant rate in which it is shown.

    The first frame's time is slot 0. A frame is shown in the slot after the one before it, however
    its stamp jitters; only a hole of about a whole frame leaves slots to the frame before, and a
    frame a whole slot early takes the place of the one before. So no frame comes or goes by
    jitter, and none is shown a whole frame off its time.

    Args:
        times: seconds, ascending.
        fps: of the slots.

    Example:
        >>> list(frame_slots([Fraction(t, 100) for t in (0, 5, 9, 16, 30)], Fraction(20)))
        [0, 1, 2, 3, 6]
    """
    start, slot = Fraction(0), -1
    for time in times:
        if slot < 0:
            start, slot = time, 0
        else:
            late = (time - start) * fps - (slot + 1)
            if late > HOLE:
                slot += 1 + round(late)
            elif late > -1:
                slot += 1
        yield slot


NOTHING_DECODED = "holds no video frame that can be decoded; convert it to mp4"


@dataclass(frozen=True)
class VideoFacts:
    """What a video is; sizes in pixels as it is to be seen: upright, with square pixels."""

    width: int
    height: int
    fps: Fraction  # frames per second, from the stamps
    # that the file has, as far as packets tell; held ones of dropped frames included
    frames: int | None
    seconds: float | None  # from the first frame shown to the end of the last
    # seconds of the file's clock at which the first frame is shown. Everything in the package that
    # has a time counts from there.
    start: Fraction = Fraction(0)
    pixel_aspect: Fraction = Fraction(1)  # width by height of a stored pixel
    orientation: Orientation = UPRIGHT  # of the stored picture
    colour: Colour = PLAIN  # of the stored picture
    sounds: tuple[SoundTrack, ...] = ()  # all sound tracks, in the order of the file
    others: tuple[str, ...] = ()  # kinds of other tracks, such as `subtitle`

    @property
    def sound(self) -> SoundTrack | None:
        """The track that is listened to: the first that can be decoded."""
        return next((track for track in self.sounds if track.decodable), None)

    @property
    def has_audio(self) -> bool:
        """Whether some sound track can be decoded."""
        return self.sound is not None


def probe_video(path: Path | str) -> VideoFacts:
    """Look at header, stamps and first frame of a video, or at a folder of numbered pictures.

    Raises:
        InputError: if the file is missing, empty, damaged or holds no video.
    """
    path = Path(path)
    if path.is_dir():
        height, width = next(stream_pictures(path)).shape[:2]
        paths = picture_paths(path)
        count = int(paths[-1].stem) - int(paths[0].stem) + 1  # missing numbers included
        return VideoFacts(width, height, Fraction(PICTURES_FPS), count, count / PICTURES_FPS)
    with open_media(path) as container:
        stream = video_stream(container, path)
        header = stream.average_rate or stream.guessed_rate
        stamps, tracks = _steady_stamps(container, stream), sound_tracks(container)
        promised = promised_frames(stream)
        first, invented = first_frame(container, stream, path)
        begun = in_seconds(first.pts, stream.time_base)
        start = begun - invented
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        aspect = aspect if aspect > 0 else Fraction(1)
        others = tuple(
            other.type for other in container.streams if other.type not in ("video", "audio")
        )
    exact = stamps is not None
    if stamps is None or any(track.seconds is None for track in tracks):
        scanned, lengths = scan_packets(path)
        stamps = scanned if stamps is None else stamps
        tracks = [
            replace(track, seconds=lengths.get(track.index)) if track.seconds is None else track
            for track in tracks
        ]
    stamps = [stamp for stamp in stamps if stamp >= begun] or [begun]
    fps = frame_rate(stamps, header)
    if fps is None:
        raise InputError(f"{path} does not say its frame rate; convert it to mp4")
    slots = round((stamps[-1] - begun) * fps) + 1
    frames = promised if exact else max(slots, len(stamps))
    orientation = orientation_of(first)
    size = square_size(first.width, first.height, aspect)
    width, height = size[::-1] if orientation.turns % 2 else size
    return VideoFacts(
        width=width,
        height=height,
        fps=fps,
        frames=frames,
        seconds=float(frames / fps),
        start=start,
        pixel_aspect=aspect,
        orientation=orientation,
        colour=colour_of(first),
        sounds=tuple(tracks),
        others=others,
    )


def moving_streams(container: InputContainer) -> list[VideoStream]:
    """Video streams of an open file without cover pictures."""
    streams = container.streams.video
    return [stream for stream in streams if Disposition.attached_pic not in stream.disposition]


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video of an open file; a cover picture of a sound file is none.

    Raises:
        InputError: if there is none, or no decoder for it.
    """
    streams = moving_streams(container)
    if not streams:
        raise InputError(f"{path} has no video track; give a video file")
    stream = streams[0]
    if stream.codec_context is None:
        raise InputError(f"{path}: its video has no decoder here; convert it to H.264 mp4")
    stream.thread_type = "SLICE"  # frame threads add latency and memory, not speed, on two cores
    return stream


def first_frame(
    container: InputContainer, stream: VideoStream, path: Path
) -> tuple[av.VideoFrame, Fraction]:
    """The first frame that can be decoded; what comes before a key frame cannot.

    Returns:
        The frame, and the seconds by which its stamp is later than when it is shown: AVI has no
        stamps of pictures, and those that FFmpeg invents are late by the decoder's delay.

    Raises:
        InputError: if there is none.
    """
    key: int | None = None
    for packet in container.demux(stream):
        if packet.is_keyframe and packet.dts is not None:
            key = packet.dts
        try:
            frames = packet.decode() if packet.size or packet.dts is None else []
        except av.error.InvalidDataError:
            continue
        if frames:
            late = 0
            if container.format.name == "avi" and key is not None:
                late = max(0, (frames[0].pts or 0) - key)
            return frames[0], in_seconds(late, stream.time_base)
    raise InputError(f"{path} {NOTHING_DECODED}")


def promised_frames(stream: VideoStream) -> int:
    """Frames that the header promises; 0 if it does not say. Edit lists may hide some."""
    if not stream.frames or not stream.duration or not stream.average_rate:
        return stream.frames
    shown = round(in_seconds(stream.duration, stream.time_base) * stream.average_rate)
    return min(stream.frames, shown)


def _steady_stamps(container: InputContainer, stream: VideoStream) -> list[Fraction] | None:
    """Stamps from the index of an mp4 file, where all steps are equal; else None."""
    count = stream.frames
    if "mp4" not in container.format.name or not count or not stream.duration:
        return None
    ticks = sorted(entry.timestamp for entry in stream.index_entries)
    steps = {after - before for before, after in pairwise(ticks)}
    if len(ticks) != count or len(steps) > 1 or stream.time_base is None:
        return None
    start = stream.start_time or 0
    step = steps.pop() if steps else 0
    return [in_seconds(start + step * place, stream.time_base) for place in range(count)]


def scan_packets(path: Path) -> tuple[list[Fraction], dict[int, float]]:
    """Stamps of all video packets, ascending, and the length of each sound track in seconds.

    Nothing is decoded. The list ends where a damaged file ends.
    """
    stamps: list[Fraction] = []
    edges: dict[int, list[Fraction]] = {}
    with open_media(path) as container:
        video = video_stream(container, path)
        wanted = [video, *container.streams.audio]
        for packet in container.demux(wanted):
            ticks = packet.dts if packet.pts is None else packet.pts
            if ticks is None or packet.is_discard:
                continue
            time = in_seconds(ticks, packet.time_base)
            if packet.stream_index == video.index:
                stamps.append(time)
            else:
                end = time + in_seconds(packet.duration, packet.time_base)
                known = edges.setdefault(packet.stream_index, [time, end])
                known[:] = [min(known[0], time), max(known[1], end)]
    lengths = {index: float(last - first) for index, (first, last) in edges.items()}
    return sorted(stamps), lengths
