"""Copies of videos that do not say where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from spfem.media.files import open_media, write_media
from spfem.media.mux import copied_packets
from spfem.media.orientation import UPRIGHT
from spfem.media.probe import probe_video, video_stream
from spfem.media.video import read_video, stream_frames, write_video

SHOWN = ("h264", "vp9", "av1", "libdav1d")  # decoders of what browsers show in an mp4 file


def copy_blinded(source: Path, target: Path) -> None:
    """Copy pictures and sound, without the metadata, which names the method.

    Pictures are copied bit by bit where browsers show them in an mp4 file, else encoded anew.

    Raises:
        InputError: if the file cannot be read.
    """
    facts = probe_video(source)
    with open_media(source) as old:
        stream = video_stream(old, source)
        known = "mp4" in old.format.name and stream.codec_context.name in SHOWN
        if known and facts.orientation == UPRIGHT:
            _copy_streams(old, stream, target, source)
            return
    write_video(
        target,
        stream_frames(source),
        facts.fps,
        audio_from=source,
        colour=facts.colour.as_written(),
    )


def _copy_streams(old: InputContainer, stream: VideoStream, target: Path, source: Path) -> None:
    with write_media(target) as new:
        video = new.add_stream_from_template(stream)
        video.metadata.clear()
        unit = stream.time_base or Fraction(1)
        shift = round(probe_video(source).start / unit)
        sound = copied_packets(new, source)
        waiting = next(sound, None)
        for packet in old.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            seconds = (packet.dts - shift) * unit
            packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
            packet.stream = video
            while waiting is not None and waiting[0] <= seconds:
                new.mux(waiting[1])
                waiting = next(sound, None)
            new.mux(packet)
        while waiting is not None:
            new.mux(waiting[1])
            waiting = next(sound, None)


def spoil(source: Path, target: Path, blocks: int) -> None:
    """Copy a video in coarse blocks with its sound: nobody can take it for the better one.

    Args:
        source: any video.
        target: mp4 file.
        blocks: over the width of a frame.
    """
    write_video(
        target,
        _coarse(read_video(source, sample_rate=None).frames, blocks),
        probe_video(source).fps,
        audio_from=source,
    )


def _coarse(frames: np.ndarray, blocks: int) -> Iterator[np.ndarray]:
    height, width = frames.shape[1:3]
    size = (blocks, max(1, round(blocks * height / width)))
    for frame in frames:
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        yield cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
