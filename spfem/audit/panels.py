"""One panel of a published clip: its track, its sound, and the frames that count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.audit.sound import loudness
from spfem.audit.steadiness import flicker, not_held, sharpness
from spfem.audit.timing import Curve
from spfem.corpus.video import read_video
from spfem.errors import FaceNotFoundError
from spfem.evaluation.identity import identity_embeddings
from spfem.evaluation.mouth import mouth_opening
from spfem.face.track import track_clip
from spfem.face.track_file import FaceTrack
from spfem.settings import FaceSettings


@dataclass(frozen=True)
class Panel:
    """What is known of one video.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        track: of them.
        usable: (T,) bool, frames that show a face and are no padding.
        level: (T,) decibels of its sound; None without sound.
    """

    frames: np.ndarray
    track: FaceTrack
    usable: np.ndarray
    level: np.ndarray | None

    @property
    def opening(self) -> Curve:
        """Opening of the lips."""
        return Curve(mouth_opening(self.track.landmarks), self.usable, self.track.fps)

    @property
    def flicker(self) -> float:
        """Of the skin, see `steadiness.flicker`."""
        return flicker(self.track.faces, self.track.masks, self.usable)

    @property
    def sharpness(self) -> float:
        """Of the face, see `steadiness.sharpness`."""
        return sharpness(self.track.faces, self.track.masks, self.usable)

    def embeddings(self, frames: np.ndarray) -> np.ndarray:
        """Identity descriptors (N, 128) of frames (N,)."""
        return identity_embeddings(self.frames[frames], self.track.landmarks[frames])


def open_panel(path: Path, face_size: int) -> Panel:
    """Read and track one panel.

    Raises:
        InputError: if it cannot be read, or shows no face.
    """
    video = read_video(path)
    track = track_clip(
        video.frames, FaceSettings(face_size=face_size), fps=float(video.fps), name=str(path)
    )
    usable = track.found & not_held(video.frames)
    if not usable.any():
        raise FaceNotFoundError(f"{path} shows a face only while it stands still; give a video")
    level = None
    if video.audio is not None and video.sample_rate is not None and len(video.audio):
        level = loudness(video.audio, video.sample_rate, track.fps, len(track))
    return Panel(video.frames, track, usable, level)
