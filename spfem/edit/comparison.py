"""The comparison video of an edit: source, reference and result side by side, with sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from spfem.edit.progress import show_frames
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames, write_video
from spfem.panels import side_by_side

LARGEST_HEIGHT = 480  # pixels of a panel


def in_step(frames: Iterable[np.ndarray], rate: Fraction, fps: Fraction) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) of a video of `rate`, as seen at `fps`; the last one is held for ever."""
    shown = 0
    last: np.ndarray | None = None
    for index, frame in enumerate(frames):
        while last is not None and Fraction(shown) / fps < Fraction(index) / rate:
            yield last
            shown += 1
        last = frame
    while last is not None:
        yield last


def write_comparison(
    path: Path, source: Path, result: Path, *, reference: Path | None = None, comment: str = ""
) -> None:
    """Write source, reference (if there is one) and result side by side, labelled, in sync.

    Frame t shows frame t of source and result; the reference runs at its own speed from its start
    and is held when it ends. The sound is the result's, packet by packet.

    Raises:
        InputError: if a video cannot be read.
        ArtifactError: if the file cannot be written.
    """
    facts = probe_video(result)
    videos: dict[str, Iterable[np.ndarray]] = {"source": stream_frames(source)}
    if reference is not None:
        rate = probe_video(reference).fps
        videos["reference"] = in_step(stream_frames(reference), rate, facts.fps)
    videos["result"] = stream_frames(result)
    height = min(facts.height, LARGEST_HEIGHT)
    together = zip(*videos.values(), strict=False)  # the reference has no end
    joined = (side_by_side(panels, list(videos), height=height) for panels in together)
    write_video(
        path,
        show_frames(joined, "writing the comparison", facts.frames),
        facts.fps,
        audio_from=result if facts.has_audio else None,
        comment=comment,
    )
