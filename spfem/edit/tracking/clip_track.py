"""What an edit remembers of every frame of a clip: numbers, no pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spfem.face.conditions import ConditionPainter, aligned_vertices
from spfem.face.mask import face_masks
from spfem.face.track_file import FaceTrack, load_fields, save_fields


@dataclass(frozen=True)
class ClipTrack:
    """Track and fitted codes of one clip of T frames, about 6.5 KB a frame.

    Attributes:
        fps: frames per second.
        frame_size: (H, W) of the clip, pixels.
        face_size: S, side of the aligned square, pixels.
        found: (T,) bool, frames in which the tracker saw the person.
        shown: (T,) bool, frames to edit: those, and short gaps in which the face is still there.
        landmarks: (T, 478, 3) float32 frame pixels; filled in where not found.
        blendshapes: (T, 51) float32 tracker scores.
        identity: (I,) float32.
        expression: (T, E) float32 face units in [0, 1].
        rotation: (T, 3) float32 axis-angle, radians.
        scale: (T,) float32 frame pixels per head unit.
        translation: (T, 2) float32 frame pixels.
        reprojection_error: (T,) float32 frame pixels.
        align: (T, 2, 3) float32 frame pixels to aligned pixels.
    """

    fps: float
    frame_size: tuple[int, int]
    face_size: int
    found: np.ndarray
    shown: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    reprojection_error: np.ndarray
    align: np.ndarray

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)

    def at_face_size(self, face_size: int) -> ClipTrack:
        """The same track with an aligned square of another side; alignment is in proportion."""
        factor = np.float32(face_size / self.face_size)
        return replace(self, face_size=face_size, align=self.align * factor)

    def part(
        self, painter: ConditionPainter, frames: np.ndarray, faces: np.ndarray | None = None
    ) -> FaceTrack:
        """Face track of some frames, masks drawn.

        Args:
            painter: of the track's face size.
            frames: (N,) indices.
            faces: (N, S, S, 3) aligned faces; None where nobody looks at them.
        """
        names = (
            "landmarks", "blendshapes", "expression", "rotation", "scale", "translation",
            "reprojection_error", "align",
        )  # fmt: skip
        arrays = {name: getattr(self, name)[frames] for name in names}
        side = self.face_size
        nothing = np.zeros((len(frames), side, side, 3), np.uint8) if faces is None else faces
        track = FaceTrack(
            fps=self.fps,
            frame_size=self.frame_size,
            found=self.shown[frames],
            identity=self.identity,
            faces=nothing,
            masks=np.zeros((0, side, side), np.uint8),
            **arrays,
        )
        drawn = painter.masks(aligned_vertices(painter.mesh, track, track.expression))
        return replace(track, masks=face_masks(drawn, track.landmarks, track.align))

    def save(self, path: Path) -> None:
        """Write an uncompressed npz file, whole or not at all."""
        save_fields(self, path)

    @classmethod
    def load(cls, path: Path) -> ClipTrack:
        """Read a file of `save`.

        Raises:
            InputError: if the file is missing, damaged or of another kind.
        """
        return cls(
            **load_fields(cls, path, "is no track of a clip", "remove its folder and edit again")
        )
