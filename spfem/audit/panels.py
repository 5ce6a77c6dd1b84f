"""One panel of a published clip: its track, its sound, and the frames that count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem.audit.sound import lips_against_sound, loudness
from spfem.audit.steadiness import flicker, not_held, sharpness, upper_face
from spfem.audit.timing import Curve
from spfem.errors import FaceNotFoundError
from spfem.evaluation.identity import identity_embeddings
from spfem.evaluation.mouth import mouth_opening
from spfem.face.track import track_clip
from spfem.face.track_file import FaceTrack
from spfem.media.video import read_video
from spfem.settings import FaceSettings

NOSE_TIP = 1


@dataclass(frozen=True)
class Panel:
    """What is known of one video.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        track: of them.
        usable: (T,) bool, frames that show a face and are no padding.
        audio: (A,) samples; None without sound.
        sample_rate: of them, in hertz.
    """

    frames: np.ndarray
    track: FaceTrack
    usable: np.ndarray
    audio: np.ndarray | None
    sample_rate: int

    @property
    def opening(self) -> Curve:
        """Opening of the lips."""
        return Curve(mouth_opening(self.track.landmarks), self.usable, self.track.fps)

    def steadiness(self) -> dict[str, float]:
        """Flicker and sharpness of the skin above the tip of the nose, in grey levels."""
        track, nose = self.track, self.track.landmarks[:, NOSE_TIP, :2]
        rows = (track.align[:, 1, :2] * nose).sum(-1) + track.align[:, 1, 2]
        inside = upper_face(track.masks, rows[self.usable])
        shaking = flicker(track.faces, inside, self.usable)
        detail = sharpness(track.faces, inside, self.usable)
        return {"flicker": shaking, "sharpness": detail, "flicker_by_detail": shaking / detail}

    def lips_with_sound(self, clock: float, largest_lag_seconds: float) -> dict[str, float]:
        """Correlation of lips and loudness, see `sound.lips_against_sound`; empty without sound.

        Args:
            clock: frames a second that are shown, by those that were filmed.
            largest_lag_seconds: either way.
        """
        if self.audio is None:
            return {}
        fps = self.track.fps / clock
        level = loudness(self.audio, self.sample_rate, fps, len(self.track))
        opening = self.opening._replace(fps=fps)
        in_time, best, lag = lips_against_sound(opening, level, largest_lag_seconds)
        return {"sync_correlation": in_time, "sync_best": best, "sync_lag_seconds": lag}

    def embeddings(self, frames: np.ndarray) -> np.ndarray:
        """Identity descriptors (N, 128) of frames (N,)."""
        return identity_embeddings(self.frames[frames], self.track.landmarks[frames])


def open_panel(path: Path, face_size: int) -> Panel:
    """Read and track one panel.

    Raises:
        InputError: if it cannot be read, or shows no face.
        FaceNotFoundError: if a face is seen only while the video stands still.
    """
    video = read_video(path)
    track = track_clip(
        video.frames, FaceSettings(face_size=face_size), fps=float(video.fps), name=str(path)
    )
    usable = track.found & not_held(video.frames)
    if not usable.any():
        raise FaceNotFoundError(f"{path} shows a face only while it stands still; give a video")
    sound = video.audio if video.audio is not None and len(video.audio) else None
    return Panel(video.frames, track, usable, sound, video.sample_rate or 0)
