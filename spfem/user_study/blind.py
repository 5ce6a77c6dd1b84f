"""Copies of videos that do not say where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from spfem.artifacts import writing
from spfem.media.files import open_media
from spfem.media.probe import probe_video
from spfem.media.video import read_video, write_video


def copy_blinded(source: Path, target: Path) -> None:
    """Copy pictures and sound bit by bit, without the metadata, which names the method.

    Raises:
        InputError: if the file cannot be read.
    """
    with writing(target) as aside, open_media(source) as old, av.open(str(aside), "w") as new:
        streams = {}
        for kind in (old.streams.video[:1], old.streams.audio[:1]):
            for stream in kind:
                streams[stream.index] = new.add_stream_from_template(stream)
                streams[stream.index].metadata.clear()
        for packet in old.demux([old.streams[index] for index in streams]):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


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
