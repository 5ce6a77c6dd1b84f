"""How well clips were tracked: a table a clip, and videos to look at."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from spfem.errors import ArtifactError, AssetError, InputError, SpfemError
from spfem.evaluation.mouth import STABLE
from spfem.evaluation.tables import save_table
from spfem.face.landmarks import interocular_distance
from spfem.face.overlay import overlay
from spfem.face.track import FaceTrack, track_clip
from spfem.head.model import load_head_model
from spfem.media.container import VIDEO_SUFFIXES, is_ignored, suffix_of
from spfem.media.video import stream_frames, write_video
from spfem.processes import run_jobs
from spfem.settings import FaceSettings

STILL_SHARE = 0.25  # of the frames, those that move least, count as still moments
FEWEST_STILL = 3  # frames; with fewer, jitter is not a number
SECOND_DIFFERENCE_GAIN = 1.5  # variance of x[t] - (x[t-1] + x[t+1]) / 2 for noise of variance 1


def jitter(curves: np.ndarray, found: np.ndarray) -> float:
    """Size of frame-to-frame noise while hardly anything moves.

    Still moments are the quarter of frames whose neighbours differ least. There, the distance of
    x[t] from the mean of its neighbours is taken; for independent noise its variance is 1.5 times
    that of the noise, which is divided out, and does not depend on the choice of frames.

    Of `curves` (T, P, C) only runs of three `found` (T,) frames count.

    Returns:
        Root mean square over still frames and points of the distance in C coordinates, in the
        unit of the curves; NaN with fewer than three still frames.
    """
    before, now, after = curves[:-2], curves[1:-1], curves[2:]
    usable = found[:-2] & found[1:-1] & found[2:]
    motion = np.linalg.norm(after - before, axis=-1).mean(-1)
    count = int(np.ceil(STILL_SHARE * usable.sum()))
    if count < FEWEST_STILL:
        return float("nan")
    order = np.argsort(np.where(usable, motion, np.inf), kind="stable")[:count]
    off = now[order] - (before[order] + after[order]) / 2
    return float(np.sqrt((off**2).sum(-1).mean() / SECOND_DIFFERENCE_GAIN))


def track_quality(track: FaceTrack) -> dict[str, float]:
    """Quality of a track; numbers that no frame allows are NaN.

    Returns:
        `frames`; `found`, the share in which the tracker saw a face; `longest_gap`, frames in a row
        without one; in percent of the distance between the eyes `error_median` and `error_90` of
        the fit's reprojection over found frames, and `landmark_jitter` in still moments, see
        `jitter`; `pose_jitter`, of the fitted rotation there, in degrees.
    """
    found = track.found
    eyes = np.maximum(interocular_distance(track.landmarks), 1e-6)
    error = 100 * track.reprojection_error[found] / eyes[found]
    # One size a clip: the noise of the frame's own eye distance is no shaking of points.
    size = float(np.median(eyes[found])) if found.any() else 1.0
    points = 100 * track.landmarks[:, STABLE, :2].astype(np.float64) / size
    return {
        "frames": len(found),
        "found": float(found.mean()) if len(found) else float("nan"),
        "longest_gap": longest_run(~found),
        "error_median": float(np.median(error)) if len(error) else float("nan"),
        "error_90": float(np.percentile(error, 90)) if len(error) else float("nan"),
        "landmark_jitter": jitter(points, found),
        "pose_jitter": jitter(np.degrees(track.rotation.astype(np.float64))[:, None], found),
    }


def longest_run(marked: np.ndarray) -> int:
    """Length of the longest run of true entries (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


SMALLEST_HEIGHT = 480  # pixels; smaller frames are enlarged until their caption can be read
STRIP = 44  # pixels under the picture, for two lines
LETTERS = 0.42  # of the font's full size
INK, PAPER, ALARM = (25, 25, 25), (255, 255, 255), (200, 30, 30)
COMMENT = "tracked landmarks (green) and fitted mesh (white), drawn with spfem"


def overlay_frames(frames: Iterable[np.ndarray], track: FaceTrack) -> Iterator[np.ndarray]:
    """Yield a track's frames (H, W, 3) with landmarks (green), mesh (white), two lines of numbers.

    Frames without a face are shown bare and say so.
    """
    head, quality = load_head_model(), track_quality(track)
    enlargement = max(1, -(-SMALLEST_HEIGHT // track.frame_size[0]))
    errors = 100 * track.reprojection_error / interocular_distance(track.landmarks)
    whole = (
        f"face in {quality['found']:.1%}, error {quality['error_median']:.2f} %, "
        f"jitter {quality['landmark_jitter']:.2f} % of the eye distance"
    )
    for index, frame in enumerate(frames):
        if track.found[index]:
            marks = track.landmarks[index]
            picture = overlay(frame, head, track, index, landmarks=marks, enlargement=enlargement)
            line = f"frame {index}: error {errors[index]:.2f} %"
        else:
            picture = cv2.resize(frame, None, fx=enlargement, fy=enlargement)
            line = f"frame {index}: no face"
        strip = np.full((STRIP, picture.shape[1], 3), PAPER, np.uint8)
        _write(strip, line, 17, INK if track.found[index] else ALARM)
        _write(strip, whole, 36, INK)
        yield np.concatenate([picture, strip])


def _write(strip: np.ndarray, text: str, baseline: int, colour: tuple[int, int, int]) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    width = cv2.getTextSize(text, font, LETTERS, 1)[0][0]
    size = LETTERS * min(1.0, (strip.shape[1] - 12) / width)
    cv2.putText(strip, text, (6, baseline), font, size, colour, 1, cv2.LINE_AA)


AIMS = {"found": 0.99, "error_median": 3.0, "frames_per_second": 40.0}
"""What a good recording reaches: share of frames at least, percent at most, rate at least."""

COLUMNS = (
    "clip", "frames", "found", "longest_gap", "error_median", "error_90", "landmark_jitter",
    "pose_jitter", "frames_per_second", "cpu_ms_per_frame", "problem",
)  # fmt: skip


def find_videos(places: Iterable[Path]) -> list[Path]:
    """Video files among files and, at any depth, in folders, in a fixed order.

    Files that are named are taken whatever their suffix; folders are searched for videos that
    are not hidden, and linked folders are not entered.

    Raises:
        InputError: if a place does not exist, or no video is found.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if not place.exists():
            raise InputError(f"{place} does not exist; give clips or folders of clips")
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            hidden = any(map(is_ignored, path.relative_to(place).parts))
            is_clip = suffix_of(path.name) in VIDEO_SUFFIXES and not path.is_dir() and not hidden
            found += [path] if path == place or is_clip else []
    if not found:
        raise InputError("no video was found; give clips, or folders that hold some")
    return list(dict.fromkeys(found))


def track_row(name: str, track: FaceTrack) -> dict[str, Any]:
    """The row of a clip that is already tracked, without times."""
    return {"clip": name, **track_quality(track), "problem": ""}


def report_tracks(
    videos: Sequence[Path],
    settings: FaceSettings,
    *,
    overlays: Path | None = None,
    processes: int = 1,
) -> pd.DataFrame:
    """Track clips and describe each, with the rate of one process from the file to masks.

    Into the folder `overlays` goes a video a clip with landmarks and mesh drawn in.

    Returns:
        One row a clip with `COLUMNS`, in the order given; those that cannot be used have a
        `problem` and NaN. `cpu_ms_per_frame` is of all threads; other programs disturb it less
        than the wall time of `frames_per_second`.
    """
    names = clip_names(videos)
    jobs = list(zip(names, videos, strict=True))
    work = partial(_report_one, settings=settings, overlays=overlays)
    rows = {name: row for (name, _), row in run_jobs(work, jobs, processes)}
    return pd.DataFrame([rows[name] for name in names], columns=list(COLUMNS))


def clip_names(videos: Sequence[Path]) -> list[str]:
    """A name a file, unlike all others: its path below the folder they share, without suffix."""
    shared = Path(os.path.commonpath([path.resolve().parent for path in videos]))
    names: list[str] = []
    for path in videos:
        folders = path.resolve().parent.relative_to(shared).parts
        name = "-".join([*folders, path.stem])
        names.append(name if name not in names else f"{name}-{len(names)}")
    return names


def _report_one(
    job: tuple[str, Path], settings: FaceSettings, overlays: Path | None
) -> dict[str, Any]:
    name, path = job
    try:
        wall, processor = time.perf_counter(), time.process_time()
        track = track_clip(path, settings)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        row = track_row(name, track)
        row["frames_per_second"] = len(track) / wall
        row["cpu_ms_per_frame"] = 1000 * processor / len(track)
        if overlays is not None:
            shown = overlay_frames(stream_frames(path), track)
            rate = Fraction(track.fps).limit_denominator(1001)
            out = overlays / f"{name}.mp4"
            write_video(out, shown, rate, audio_from=path, comment=COMMENT)
    except (ArtifactError, AssetError):  # no fault of the clip
        raise
    except SpfemError as error:
        return {"clip": name, "problem": str(error)}
    except Exception as error:  # damaged files raise whatever their reader stumbles over
        reason = " ".join(str(error).split())
        return {"clip": name, "problem": f"{path} cannot be used ({reason})"}
    return row


def in_words(report: pd.DataFrame, processes: int) -> str:
    """Totals of `report_tracks` beside what a good recording reaches (`AIMS`).

    The rate is told for so many processes.
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


def report_clips(places: Sequence[Path], out: Path, *, videos: bool, processes: int) -> None:
    """Write `tracking.csv` and, if wished, a video a clip below `out`, and print the table."""
    found, overlays = find_videos(places), out if videos else None
    report = report_tracks(found, FaceSettings(), overlays=overlays, processes=processes)
    paths = save_table(report, out, "tracking")
    print(report.drop(columns="problem").round(2).to_string(index=False))
    for row in report[report.problem != ""].itertuples():
        print(f"{row.clip}: {row.problem}")
    print(in_words(report, processes))
    print(f"wrote {paths[0]}")
