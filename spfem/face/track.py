"""From one video to one `FaceTrack`: decode, track, fit, align, mask.

One array file a clip: everything the face stage knows about it.

What is kept of the track of an edited video: enough to score it, without its pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spfem.errors import InputError
from spfem.face.align import align_faces, alignment_matrices, face_masks, template_landmarks
from spfem.face.camera import Pose, project, rotation_matrix
from spfem.face.conditions import ConditionPainter, HeadCodes, aligned_vertices
from spfem.face.fit import FittedHead, fit_head
from spfem.face.tracker import track_landmarks
from spfem.files import writing
from spfem.head.model import HeadModel, load_head_model
from spfem.media.probe import probe_video
from spfem.media.video import ReplayedFrames
from spfem.settings import FaceSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


OF_THE_CLIP = ("fps", "frame_size", "identity")  # fields that have no row a frame


@dataclass(frozen=True)
class FaceTrack:
    """Track, fitted codes and aligned faces of one clip of T frames.

    Attributes:
        fps: frames per second.
        frame_size: (H, W) of the clip, pixels.
        found: (T,) bool, frames in which the tracker saw a face; others are filled in.
        landmarks: (T, 478, 3) float32 tracked landmarks, frame pixels.
        blendshapes: (T, 51) float32 tracker scores, columns `tracker.BLENDSHAPE_NAMES`.
        identity: (I,) float32.
        expression: (T, E) float32 face units in [0, 1], `jawOpen` first.
        rotation: (T, 3) float32 axis-angle, radians.
        scale: (T,) float32 frame pixels per head unit.
        translation: (T, 2) float32 frame pixels.
        reprojection_error: (T,) float32 mean landmark error, frame pixels.
        align: (T, 2, 3) float32 frame pixels to aligned pixels.
        faces: (T, S, S, 3) uint8 aligned RGB, background kept.
        masks: (T, S, S) uint8 255 inside the face, 0 outside.
    """

    fps: float
    frame_size: tuple[int, int]
    found: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    reprojection_error: np.ndarray
    align: np.ndarray
    faces: np.ndarray
    masks: np.ndarray

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)

    def take_frames(self, index: np.ndarray) -> FaceTrack:
        """The track of the frames (N,) `index`."""
        names = [field.name for field in fields(self) if field.name not in OF_THE_CLIP]
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def save(self, path: Path) -> None:
        """Write an uncompressed npz file, whole or not at all."""
        save_fields(self, path)

    @classmethod
    def load(cls, path: Path) -> FaceTrack:
        """Read a file of `save`.

        Raises:
            InputError: if the file is missing, damaged or of another kind.
        """
        return cls(**load_fields(cls, path, "is no face track", "run the face stage anew"))


def save_fields(record: DataclassInstance, path: Path) -> None:
    """Write the fields of a dataclass of arrays to an npz file, whole or not at all."""
    with writing(path) as aside:
        np.savez(aside, **{field.name: getattr(record, field.name) for field in fields(record)})


def load_fields(
    kind: type[DataclassInstance], path: Path, complaint: str, advice: str
) -> dict[str, Any]:
    """Read what `save_fields` wrote of a record of a kind, single numbers as plain ones.

    Raises:
        InputError: if the file is missing, damaged or of another kind; with the complaint and
            the advice.
    """
    try:
        with np.load(path) as stored:
            values = {field.name: stored[field.name] for field in fields(kind)}
        values = {name: value if value.ndim else value.item() for name, value in values.items()}
        if "frame_size" in values:
            values["frame_size"] = tuple(int(side) for side in values["frame_size"])
    except Exception as error:  # damaged archives raise whatever the reader stumbles over
        reason = " ".join(str(error).split())
        raise InputError(f"{path} {complaint} ({reason}); {advice}") from error
    return values


MASKED_FRAMES = 32  # drawn at a time; the rasteriser needs 16 bytes a pixel


@lru_cache(maxsize=4)
def _painter(face_size: int) -> ConditionPainter:
    return ConditionPainter(load_head_model(), face_size)


def resting_landmarks(head: HeadModel, fitted: FittedHead) -> np.ndarray:
    """Landmarks (T, 478, 2) in frame pixels of the fitted head with no face unit active."""
    places = head.landmarks(head.vertices(fitted.identity, np.zeros(len(head.expression_basis))))
    pose = Pose(
        rotation_matrix(torch.from_numpy(fitted.rotation)),
        torch.from_numpy(fitted.scale),
        torch.from_numpy(fitted.translation),
    )
    return project(torch.from_numpy(places.astype(np.float32)), pose)[..., :2].numpy()


def track_clip(
    source: Path | str | np.ndarray,
    settings: FaceSettings,
    *,
    fps: float | None = None,
    name: str | None = None,
) -> FaceTrack:
    """Track, fit and align one clip in one pass.

    Memory is bounded by the length of the clip, not by the size of its frames: see
    `ReplayedFrames`, which also limits the length.

    Args:
        source: a video file, or frames (T, H, W, 3) uint8 RGB.
        settings: of the face stage.
        fps: frames per second; needed only for frames.
        name: of the clip, for errors; default: the file.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if the video cannot be read.
    """
    frames: Iterable[np.ndarray]
    if isinstance(source, np.ndarray):
        frames, rate = source, 25.0 if fps is None else float(fps)
    else:
        path = Path(source)
        rate = float(probe_video(path).fps)
        frames = ReplayedFrames(path)
    label = name or ("the given frames" if isinstance(source, np.ndarray) else str(source))
    tracked = track_landmarks(frames, rate, name=label, task_file=settings.landmarker_file)
    head = load_head_model()
    fitted = fit_head(head, tracked, settings)
    size = settings.face_size
    align = alignment_matrices(
        resting_landmarks(head, fitted), template_landmarks(head, size), settings.smoothness
    )
    faces = align_faces(frames, align, size)
    painter = _painter(size)
    codes = HeadCodes(
        fitted.identity,
        fitted.expression,
        fitted.rotation,
        fitted.scale,
        fitted.translation,
        align,
    )
    points = aligned_vertices(painter.mesh, codes, fitted.expression)
    drawn = np.concatenate([painter.masks(part) for part in points.split(MASKED_FRAMES)])
    return FaceTrack(
        fps=rate,
        frame_size=tracked.frame_size,
        found=tracked.found,
        landmarks=tracked.landmarks,
        blendshapes=tracked.blendshapes,
        identity=fitted.identity,
        expression=fitted.expression,
        rotation=fitted.rotation,
        scale=fitted.scale,
        translation=fitted.translation,
        reprojection_error=fitted.reprojection_error,
        align=align,
        faces=faces,
        masks=face_masks(drawn, tracked.landmarks, align),
    )


@dataclass(frozen=True)
class EditTrack:
    """The part of a `FaceTrack` that scores need; a fifth of its size.

    Attributes:
        fps: frames per second.
        found: (T,) bool, frames in which the tracker saw a face.
        landmarks: (T, 478, 3) float32 frame pixels.
        blendshapes: (T, 51) float32 tracker scores.
        expression: (T, E) float32 face units.
        align: (T, 2, 3) float32 frame pixels to aligned pixels, for `face.align.align_faces`.
    """

    fps: float
    found: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    expression: np.ndarray
    align: np.ndarray

    @classmethod
    def of(cls, track: FaceTrack) -> EditTrack:
        """The part of a whole track."""
        return cls(
            track.fps,
            track.found,
            track.landmarks,
            track.blendshapes,
            track.expression,
            track.align,
        )

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)

    def save(self, path: Path) -> None:
        """Write an npz file, whole or not at all."""
        save_fields(self, path)

    @classmethod
    def load(cls, path: Path) -> EditTrack:
        """Read a file of `save`.

        Raises:
            InputError: if the file is missing, damaged or of another kind.
        """
        return cls(**load_fields(cls, path, "is no track of an edit", "make the edits anew"))
