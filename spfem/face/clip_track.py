"""The track of an own video of any length: one person, followed and fitted in pieces, no pictures.

It is what an edit remembers of every frame of a clip. Tracker, fit and alignment are those of
`spfem.face.track`, to which come the follower of one person, the reader and bridged gaps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from spfem.errors import FaceNotFoundError
from spfem.face.conditions import ConditionPainter
from spfem.face.fit import FittedHead, HeadTrack, fit_head
from spfem.face.person import PersonFollower, bridge_gaps, show_one_person
from spfem.face.track import FaceTrack, StoredTrack, add_faces, fit_and_align
from spfem.face.tracker import (
    FASTEST_RATE,
    LARGE_SIDE,
    TrackedFace,
    open_face_finder,
    track_landmarks,
)
from spfem.files import show_frames
from spfem.head.model import HeadModel, load_head_model
from spfem.media.probe import VideoFacts, probe_video
from spfem.media.video import stream_frames
from spfem.settings import FaceSettings


@dataclass(frozen=True)
class ClipTrack(HeadTrack, StoredTrack):
    """Track and fitted codes of one clip of T frames; see `HeadTrack`.

    Attributes:
        face_size: S, side of the aligned square, pixels.
        shown: (T,) bool, frames to edit: those found, and short gaps in which the face is still
            there.
    """

    _missing = "is no track of a clip", "remove its folder and edit again"
    face_size: int
    shown: np.ndarray

    def at_face_size(self, face_size: int) -> ClipTrack:
        """The same track with an aligned square of another side; alignment is in proportion."""
        factor = np.float32(face_size / self.face_size)
        return replace(self, face_size=face_size, align=self.align * factor)

    def part(
        self, painter: ConditionPainter, frames: np.ndarray, faces: np.ndarray | None = None
    ) -> FaceTrack:
        """Face track of some frames (N,), masks drawn by a painter of the track's face size.

        `faces` (N, S, S, 3) are aligned; None where nobody looks at them.
        """
        if faces is None:
            faces = np.zeros((len(frames), self.face_size, self.face_size, 3), np.uint8)
        part = self.take_frames(frames)
        return add_faces(replace(part, found=part.shown), faces, painter)


class MadeTrack(NamedTuple):
    """A track with the digest of the stage folder it lies in."""

    track: ClipTrack
    digest: str


FitClip = Callable[[HeadModel, TrackedFace, FaceSettings], tuple[FittedHead, np.ndarray]]
"""From what was tracked of a clip to its codes and alignment (T, 2, 3)."""

PIECE_FRAMES = 512  # fitted at once; about 100 KB a frame
MARGIN_FRAMES = 32  # more on either side, where the smoothing over time still reaches


def fit_clip(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    *,
    piece_frames: int = PIECE_FRAMES,
) -> tuple[FittedHead, np.ndarray]:
    """Codes of a clip and its alignment (T, 2, 3), frame pixels to aligned pixels.

    Clips of up to a piece and its margins are fitted whole, as in the face stage. In longer ones
    the identity comes from as many evenly spread frames, and the rest is fitted piece by piece
    with that identity held; pieces overlap, and what lies in the margins is thrown away.
    """
    frames, most = len(tracked.found), piece_frames + 2 * MARGIN_FRAMES
    if frames <= most:
        return fit_and_align(head, tracked, settings)
    seen = np.flatnonzero(tracked.found)
    spread = seen[np.unique(np.linspace(0, len(seen) - 1, most).round().astype(int))]
    apart = replace(settings, smoothness=0.0, expression_smoothness=0.0)  # no neighbours in time
    identity = fit_head(head, tracked.take_frames(spread), apart).identity
    names = [field.name for field in fields(FittedHead) if field.name != "identity"]
    pieces = []
    for start in range(0, frames, piece_frames):
        first = max(start - MARGIN_FRAMES, 0)
        last = min(start + piece_frames + MARGIN_FRAMES, frames)
        part = tracked.take_frames(np.arange(first, last))
        fitted, align = fit_and_align(head, part, settings, identity)
        kept = slice(start - first, min(start + piece_frames, frames) - first)
        pieces.append([*(getattr(fitted, name)[kept] for name in names), align[kept]])
    *codes, align = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return FittedHead(identity, *codes), align


def track_video(
    path: Path,
    settings: FaceSettings,
    fit: FitClip,
    *,
    face: int | None = None,
) -> ClipTrack:
    """Track one person through a video of any length, size and frame rate.

    Frames larger than 1280 pixels are shrunk for the tracker; landmarks are in pixels of the full
    frame. If no face is seen in them so, faces are searched for in parts at full size. Other
    faces are painted over before the tracker sees a frame.

    Args:
        path: the video.
        settings: of the face stage.
        fit: gives codes and alignment, such as `fit_clip`.
        face: number of the face from left to right in the first frame with faces, from 1; None
            for the largest there.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if the video cannot be read, or there is no such face.
    """
    facts = probe_video(path)
    try:
        tracked, lost = _follow(path, facts, settings, face, None)
    except FaceNotFoundError:
        area = find_small_faces(path, facts, settings.landmarker_file)
        if area is None:
            raise
        tracked, lost = _follow(path, facts, settings, face, area)
    if lost:
        print(
            f"{path}: {len(lost)} of {len(tracked.found)} frames may show somebody else and stay "
            f"as they are, the first is frame {lost[0]}",
            file=sys.stderr,
        )
    fitted, align = fit(load_head_model(), tracked, settings)
    shown = bridge_gaps(tracked.found, align, settings.face_size, stream_frames(path), lost)
    shared = {**vars(tracked), **vars(fitted), "align": align}
    return ClipTrack(**shared, fps=float(facts.fps), face_size=settings.face_size, shown=shown)


def _follow(
    path: Path,
    facts: VideoFacts,
    settings: FaceSettings,
    face: int | None,
    area: tuple[slice, slice] | None,
) -> tuple[TrackedFace, list[int]]:
    """What the tracker sees of the person, in frame pixels, and the frames in which it is lost.

    `area` is the part of the frame (rows, columns) that is looked at; None for all.
    """
    rate = min(float(facts.fps), FASTEST_RATE)
    follower = PersonFollower(face, str(path))
    frames = show_frames(stream_frames(path), "tracking the face", facts.frames)
    looked_at = frames if area is None else (frame[area] for frame in frames)

    def seen() -> Iterator[np.ndarray]:
        with open_face_finder(rate, settings.landmarker_file) as find_faces:
            yield from show_one_person(map(shrink_frame, looked_at), find_faces, follower)

    small = track_landmarks(seen(), rate, name=str(path), task_file=settings.landmarker_file)
    size = facts.height, facts.width
    rows, columns = area or (slice(0, size[0]), slice(0, size[1]))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    scale = np.array([width / small.frame_size[1], height / small.frame_size[0]], np.float32)
    landmarks = small.landmarks * scale[[0, 1, 0]]
    landmarks += np.array([columns.start, rows.start, 0], np.float32)
    return replace(small, landmarks=landmarks, frame_size=size), follower.lost


def shrink_frame(frame: np.ndarray) -> np.ndarray:
    """The frame (H, W, 3), or a copy of at most 1280 pixels a side, averaged."""
    height, width = frame.shape[:2]
    share = LARGE_SIDE / max(height, width)
    if share >= 1:
        return frame
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


LOOKS = 5  # frames of a clip that are searched for small faces
FIRST_FRAMES = 250  # among which they are spread
TILE = 640  # pixels; the detector finds faces from a tenth of it
ROOM = 1.5  # face sizes around all that was found, for a person who moves


def find_small_faces(
    path: Path, facts: VideoFacts, task_file: str | None
) -> tuple[slice, slice] | None:
    """The part of the frame (rows, columns) with the faces of a clip, found in tiles at full size.

    None if there is no face in the tiles either, or frames are no larger than what is searched
    whole.
    """
    if max(facts.height, facts.width) <= LARGE_SIDE:
        return None
    step = max(1, min(facts.frames or 1, FIRST_FRAMES) // LOOKS)
    lows, highs = [], []
    with open_face_finder(None, task_file) as find_faces:
        for frame in islice(stream_frames(path), 0, step * LOOKS, step):
            for top in tile_starts(frame.shape[0]):
                for left in tile_starts(frame.shape[1]):
                    for face in find_faces(frame[top : top + TILE, left : left + TILE]):
                        lows.append(face[:, :2].min(0) + np.array([left, top]))
                        highs.append(face[:, :2].max(0) + np.array([left, top]))
    if not lows:
        return None
    room = ROOM * float(np.subtract(highs, lows).max())
    low = np.maximum(np.min(lows, axis=0) - room, 0).astype(int)
    high = np.ceil(np.max(highs, axis=0) + room)
    high = np.minimum(high, [facts.width, facts.height]).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def tile_starts(length: int) -> list[int]:
    """Where tiles begin that cover a side, overlapping by half at least.

    Example:
        >>> tile_starts(1000)
        [0, 180, 360]
    """
    if length <= TILE:
        return [0]
    count = -(-2 * (length - TILE) // TILE) + 1
    return [round(place) for place in np.linspace(0, length - TILE, count)]
