"""Track some clips and tell how well it went, one row a clip; damaged ones are listed, too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spfem.errors import ArtifactError, AssetError, InputError, SpfemError
from spfem.face.track import track_clip
from spfem.face.track_file import FaceTrack
from spfem.media.names import VIDEO_SUFFIXES, is_ignored, suffix_of
from spfem.media.video import stream_frames
from spfem.processes import run_jobs
from spfem.settings import FaceSettings
from spfem.track_report.overlay_video import write_overlay
from spfem.track_report.quality import track_quality

AIMS = {"found": 0.99, "error_median": 3.0, "frames_per_second": 40.0}
"""What a good recording reaches: share of frames at least, percent at most, rate at least."""

COLUMNS = (
    "clip", "frames", "found", "longest_gap", "error_median", "error_90", "landmark_jitter",
    "pose_jitter", "frames_per_second", "cpu_ms_per_frame", "problem",
)  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """One clip to track; `overlay` is where to draw it, or None."""

    name: str
    path: Path
    settings: FaceSettings
    overlay: Path | None


def find_videos(places: Iterable[Path]) -> list[Path]:
    """Video files among files and, at any depth, in folders, in a fixed order.

    Files that are named are taken whatever their suffix; in folders, hidden files and those of
    other suffixes are passed over, and linked folders are not entered.

    Raises:
        InputError: if a place does not exist, or no video is found.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if not place.exists():
            raise InputError(f"{place} does not exist; give clips or folders of clips")
        if place.is_dir():
            found += sorted(path for path in place.rglob("*") if _is_clip(path, place))
        else:
            found.append(place)
    if not found:
        raise InputError("no video was found; give clips, or folders that hold some")
    return list(dict.fromkeys(found))


def _is_clip(path: Path, place: Path) -> bool:
    passed_over = any(is_ignored(part) for part in path.relative_to(place).parts)
    return suffix_of(path.name) in VIDEO_SUFFIXES and not passed_over and not path.is_dir()


def track_row(name: str, track: FaceTrack) -> dict[str, Any]:
    """The row of a clip that is already tracked, without times."""
    return {"clip": name, **asdict(track_quality(track)), "problem": ""}


def report_tracks(
    videos: Sequence[Path],
    settings: FaceSettings,
    *,
    overlays: Path | None = None,
    processes: int = 1,
) -> pd.DataFrame:
    """Track clips and describe each, with the rate of the whole face stage.

    Args:
        videos: files.
        settings: of the face stage.
        overlays: folder for a video a clip with landmarks and mesh drawn in; None for none.
        processes: clips at a time. Rates are those of one process.

    Returns:
        One row a clip with `COLUMNS`, in the order given. `frames_per_second` counts from the
        file to masks (decode, track, fit, align) in wall time and `cpu_ms_per_frame` in processor
        time of all threads, which other programs on the machine disturb less. Clips that cannot
        be used have a `problem` and NaN.
    """
    names = clip_names(videos)
    jobs = [
        _Job(name, path, settings, overlays / f"{name}.mp4" if overlays else None)
        for name, path in zip(names, videos, strict=True)
    ]
    rows = {job.name: row for job, row in run_jobs(_report_one, jobs, processes)}
    return pd.DataFrame([rows[name] for name in names], columns=list(COLUMNS))


def clip_names(videos: Sequence[Path]) -> list[str]:
    """A name a file, unlike all others: its path below the folder they share, without suffix."""
    shared = len(_shared_parts([path.resolve().parent for path in videos]))
    names: list[str] = []
    for path in videos:
        parts = path.resolve().parts[shared:]
        name = "-".join([*parts[:-1], path.stem])
        names.append(name if name not in names else f"{name}-{len(names)}")
    return names


def _shared_parts(folders: Sequence[Path]) -> list[str]:
    shared = []
    for level in zip(*(folder.parts for folder in folders), strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return shared


def _report_one(job: _Job) -> dict[str, Any]:
    try:
        wall, processor = time.perf_counter(), time.process_time()
        track = track_clip(job.path, job.settings)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        row = track_row(job.name, track)
        row["frames_per_second"] = len(track) / wall
        row["cpu_ms_per_frame"] = 1000 * processor / len(track)
        if job.overlay is not None:
            write_overlay(job.overlay, stream_frames(job.path), track, audio_from=job.path)
    except (ArtifactError, AssetError):  # no fault of the clip
        raise
    except SpfemError as error:
        return {"clip": job.name, "problem": str(error)}
    except Exception as error:  # damaged files raise whatever their reader stumbles over
        reason = " ".join(str(error).split())
        return {"clip": job.name, "problem": f"{job.path} cannot be used ({reason})"}
    return row


def in_words(report: pd.DataFrame, processes: int) -> str:
    """A paragraph: the totals beside what a good recording reaches (`AIMS`).

    Args:
        report: of `report_tracks`.
        processes: clips that are tracked at a time where it matters; the rate is multiplied.
    """
    good = report[report.problem == ""]
    if good.empty:
        return f"None of {len(report)} clips could be tracked."
    frames = good.frames.astype(float)
    found = float(np.average(good.found.astype(float), weights=frames))
    text = (
        f"{len(good)} of {len(report)} clips, {int(frames.sum())} frames: a face in {found:.2%} of "
        f"them (aim {AIMS['found']:.0%}); reprojection error, median over clips, "
        f"{good.error_median.median():.2f} % of the distance between the eyes, worst clip "
        f"{good.error_median.max():.2f} % (aim under {AIMS['error_median']:.0f} %); noise of "
        f"landmarks in still moments {good.landmark_jitter.median():.2f} %."
    )
    timed = good.dropna(subset=["frames_per_second"]) if "frames_per_second" in good else good[:0]
    if len(timed):
        rate = processes * timed.frames_per_second.median()  # the first clip loads and compiles
        text += (
            f" Rate, median over clips, {rate:.0f} frames a second with {processes} processes (aim "
            f"{AIMS['frames_per_second']:.0f}), {timed.cpu_ms_per_frame.median():.1f} ms of "
            "processor time a frame."
        )
    return text
