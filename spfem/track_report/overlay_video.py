"""A video of a track over its clip: landmarks, the outline of the fitted mesh, and the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from spfem.face.landmark_sets import interocular_distance
from spfem.face.overlay import overlay
from spfem.face.track_file import FaceTrack
from spfem.head import load_head_model
from spfem.media.video import write_video
from spfem.track_report.quality import track_quality

SMALLEST_HEIGHT = 480  # pixels; smaller frames are enlarged until their caption can be read
STRIP = 44  # pixels under the picture, for two lines
LETTERS = 0.42  # of the font's full size
INK, PAPER, ALARM = (25, 25, 25), (255, 255, 255), (200, 30, 30)
COMMENT = "tracked landmarks (green) and fitted mesh (white), drawn with spfem"


def overlay_frames(frames: Iterable[np.ndarray], track: FaceTrack) -> Iterator[np.ndarray]:
    """Yield the frames with landmarks (green), mesh (white) and two lines of numbers.

    Args:
        frames: (H, W, 3) uint8 RGB each, those of the track.
        track: of the clip. Frames without a face are shown bare and say so.
    """
    head, quality = load_head_model(), track_quality(track)
    enlargement = max(1, -(-SMALLEST_HEIGHT // track.frame_size[0]))
    errors = 100 * track.reprojection_error / interocular_distance(track.landmarks)
    whole = (
        f"face in {quality.found:.1%}, error {quality.error_median:.2f} %, "
        f"jitter {quality.landmark_jitter:.2f} % of the eye distance"
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


def write_overlay(
    path: Path, frames: Iterable[np.ndarray], track: FaceTrack, *, audio_from: Path
) -> None:
    """Write frames (H, W, 3) with their overlay and the sound of the clip, whole or not at all."""
    rate = Fraction(track.fps).limit_denominator(1001)
    write_video(path, overlay_frames(frames, track), rate, audio_from=audio_from, comment=COMMENT)
