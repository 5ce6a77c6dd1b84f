"""How well a clip was tracked: frames with a face, how closely the head fits, how much it shakes.

None of these needs a truth, so they can be taken of any recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.evaluation.mouth import STABLE
from spfem.face.landmark_sets import interocular_distance
from spfem.face.track_file import FaceTrack

STILL_SHARE = 0.25  # of the frames, those that move least, count as still moments
FEWEST_STILL = 3  # frames; with fewer, jitter is not a number
SECOND_DIFFERENCE_GAIN = 1.5  # variance of x[t] - (x[t-1] + x[t+1]) / 2 for noise of variance 1


@dataclass(frozen=True)
class TrackQuality:
    """Quality of one track.

    Attributes:
        frames: of the clip.
        found: share of frames in which the tracker saw a face.
        longest_gap: frames without a face in a row, at most.
        error_median: reprojection error of the fit, median over found frames, in percent of the
            distance between the eyes.
        error_90: its 90th percentile.
        landmark_jitter: of the tracked landmarks in still moments, percent of the distance
            between the eyes; see `jitter`.
        pose_jitter: of the fitted rotation in still moments, degrees.
    """

    frames: int
    found: float
    longest_gap: int
    error_median: float
    error_90: float
    landmark_jitter: float
    pose_jitter: float


def jitter(curves: np.ndarray, found: np.ndarray) -> float:
    """Size of frame-to-frame noise while hardly anything moves.

    Still moments are the quarter of frames whose neighbours differ least (x[t+1] against x[t-1]).
    There, the distance of x[t] from the mean of its neighbours is taken; for independent noise
    its variance is 1.5 times that of the noise, which is divided out. Whether a frame is still
    and how far it stands off are uncorrelated for such noise, so choosing does not shrink it.

    Args:
        curves: (T, P, C) P points with C coordinates over T frames.
        found: (T,) bool, frames that were seen; only runs of three seen frames count.

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


def track_quality(track: FaceTrack) -> TrackQuality:
    """Quality of a track; numbers that no frame allows are NaN."""
    found = track.found
    eyes = np.maximum(interocular_distance(track.landmarks), 1e-6)
    error = 100 * track.reprojection_error[found] / eyes[found]
    # One size a clip: the noise of the frame's own eye distance is no shaking of points.
    size = float(np.median(eyes[found])) if found.any() else 1.0
    points = 100 * track.landmarks[:, STABLE, :2].astype(np.float64) / size
    return TrackQuality(
        frames=len(found),
        found=float(found.mean()) if len(found) else float("nan"),
        longest_gap=longest_run(~found),
        error_median=float(np.median(error)) if len(error) else float("nan"),
        error_90=float(np.percentile(error, 90)) if len(error) else float("nan"),
        landmark_jitter=jitter(points, found),
        pose_jitter=jitter(np.degrees(track.rotation.astype(np.float64))[:, None], found),
    )


def longest_run(marked: np.ndarray) -> int:
    """Length of the longest run of true entries (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
