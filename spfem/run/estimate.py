"""What the face stage of a corpus will take, projected from a few clips tracked here and now."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from spfem.corpus.clips import Clip
from spfem.errors import CorpusError, InputError
from spfem.media.probe import probe_video
from spfem.processes import run_jobs
from spfem.settings import FaceSettings

TRACKED_CLIPS = 4
COUNTED_CLIPS = 40  # whose headers tell the length of a clip
WARM_FRAMES = 4

_warm: list[bool] = []  # filled once a process


def project_cost(
    clips: Sequence[Clip],
    settings: FaceSettings,
    *,
    video_hours: float | None = None,
    tracked: int = TRACKED_CLIPS,
) -> dict[str, float]:
    """Track a few clips, spread over the corpus, and project time and disk of all.

    `settings.processes` clips are tracked at a time; of `tracked` clips, broken ones are passed
    over. `video_hours` are those of a larger corpus of the same kind, by default of `clips`, from
    their number and the mean length of some.

    Returns:
        `clips`, `frames` and `video_hours` of all; measured `frames_per_second` of so many
        `processes` together and `bytes_per_frame`; projected `hours` and `gigabytes` (10^9 bytes).

    Raises:
        CorpusError: if none of the chosen clips can be tracked.
    """
    lengths = [facts for clip in _spread(clips, COUNTED_CLIPS) if (facts := _length(clip))]
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            (clip, Path(folder) / f"{number}.npz", settings)
            for number, clip in enumerate(_spread(clips, tracked))
        ]
        answers = [answer for _, answer in run_jobs(_measure, jobs, settings.processes)]
    measured = [answer for answer in answers if answer is not None]
    if not measured or not lengths:
        raise CorpusError(f"none of {len(jobs)} clips could be tracked to measure the rate")
    seconds, done, size = (float(sum(column)) for column in zip(*measured, strict=True))
    mean_frames, mean_seconds = np.mean(lengths, axis=0)
    hours = len(clips) * mean_seconds / 3600 if video_hours is None else video_hours
    processes = min(settings.processes, len(jobs))
    rate, frames = done / seconds * processes, round(hours * 3600 / mean_seconds * mean_frames)
    return {
        "clips": round(hours * 3600 / mean_seconds),
        "frames": frames,
        "video_hours": hours,
        "frames_per_second": rate,
        "processes": processes,
        "bytes_per_frame": size / done,
        "hours": frames / rate / 3600,
        "gigabytes": frames * size / done / 1e9,
    }


COST = """\
{clips} clips, {video_hours:.2f} hours of video, {frames} frames
measured: {frames_per_second:.1f} frames a second in {processes} processes, {bytes_per_frame:.0f} \
bytes a frame
projected: {hours:.2f} hours, {gigabytes:.1f} GB; a job an actor on several machines divides the \
hours"""
"""What the command prints."""


def _spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    places = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    return [clips[place] for place in places]


def _length(clip: Clip) -> tuple[float, float] | None:
    """Frames and seconds by the header, or None where that cannot be read."""
    try:
        facts = probe_video(clip.video)
    except InputError:
        return None
    return (float(facts.frames), facts.frames / float(facts.fps)) if facts.frames else None


def _measure(job: tuple[Clip, Path, FaceSettings]) -> tuple[float, int, int] | None:
    """Seconds, frames and bytes of one clip; None if it cannot be tracked."""
    from spfem.face.track import track_clip
    from spfem.media.video import stream_frames

    clip, path, settings = job
    try:
        if not _warm:  # load and compile what all clips share
            first = islice(stream_frames(clip.video), WARM_FRAMES)
            track_clip(np.stack(list(first)), settings)
            _warm.append(True)
        began = time.perf_counter()
        track = track_clip(clip.video, settings)
        track.save(path)
    except InputError:
        return None
    return time.perf_counter() - began, len(track), path.stat().st_size
