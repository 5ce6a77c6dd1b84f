"""From one video to one `FaceTrack`, decoded, tracked, fitted, aligned and masked; and its file.

An `EditTrack` is what is kept of the track of an edited video: enough to score it, no pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import numpy as np
import torch

from spfem.errors import InputError
from spfem.face.align import align_faces, alignment_matrices, face_masks, template_landmarks
from spfem.face.camera import Pose, project
from spfem.face.conditions import ConditionPainter, aligned_vertices
from spfem.face.fit import FittedHead, HeadTrack, fit_head
from spfem.face.tracker import TrackedFace, track_landmarks
from spfem.files import writing
from spfem.head.model import HeadModel, load_head_model
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames
from spfem.settings import FaceSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)


def save_fields(record: DataclassInstance, path: Path) -> None:
    """Write the fields of a dataclass of arrays to an npz file, whole or not at all."""
    with writing(path) as aside:
        np.savez(aside, **{field.name: getattr(record, field.name) for field in fields(record)})


def load_fields(kind: type[Record], path: Path, complaint: str, advice: str) -> Record:
    """Read the record of a kind that `save_fields` wrote, single numbers as plain ones.

    Raises:
        InputError: if the file is missing, damaged or of another kind; with the complaint and
            the advice.
    """
    try:
        with np.load(path) as stored:
            arrays = {field.name: stored[field.name] for field in fields(kind)}
        values = {name: value if value.ndim else value.item() for name, value in arrays.items()}
        if "frame_size" in values:
            values["frame_size"] = tuple(int(side) for side in values["frame_size"])
    except Exception as error:  # damaged archives raise whatever the reader stumbles over
        reason = " ".join(str(error).split())
        raise InputError(f"{path} {complaint} ({reason}); {advice}") from error
    return kind(**values)


class StoredTrack:
    """A track with a file of its own."""

    _missing: ClassVar[tuple[str, str]]  # what is wrong with a file, and what to do

    def save(self: DataclassInstance, path: Path) -> None:
        """Write an uncompressed npz file, whole or not at all."""
        save_fields(self, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of `save`.

        Raises:
            InputError: if the file is missing, damaged or of another kind.
        """
        return load_fields(cls, path, *cls._missing)  # type: ignore[type-var]


@dataclass(frozen=True)
class FaceTrack(HeadTrack, StoredTrack):
    """Track, fitted codes and aligned faces of one clip of T frames; see `HeadTrack`.

    Attributes:
        faces: (T, S, S, 3) uint8 aligned RGB, background kept.
        masks: (T, S, S) uint8 255 inside the face, 0 outside.
    """

    _missing = "is no face track", "run the face stage anew"
    faces: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True)
class EditTrack(StoredTrack):
    """The part of a `FaceTrack` that scores need, a fifth of its size; see `HeadTrack`."""

    _missing = "is no track of an edit", "make the edits anew"
    fps: float
    found: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    expression: np.ndarray
    align: np.ndarray

    @classmethod
    def of(cls, track: HeadTrack) -> EditTrack:
        """The part of a whole track."""
        return track.only(cls)

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)


def fit_and_align(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    identity: np.ndarray | None = None,
) -> tuple[FittedHead, np.ndarray]:
    """Codes of T frames, and their alignment (T, 2, 3) by the landmarks of the head at rest."""
    fitted = fit_head(head, tracked, settings, identity=identity)
    rest = head.vertices(fitted.identity, np.zeros(len(head.expression_basis)))
    places = torch.from_numpy(head.landmarks(rest).astype(np.float32))
    pose = Pose.of(fitted.rotation, fitted.scale, fitted.translation)
    resting = project(places, pose)[..., :2].numpy()
    template = template_landmarks(head, settings.face_size)
    return fitted, alignment_matrices(resting, template, settings.smoothness)


def add_faces(track: HeadTrack, faces: np.ndarray, painter: ConditionPainter) -> FaceTrack:
    """A track with aligned faces (T, S, S, 3), and the masks that its codes and landmarks draw."""
    drawn = painter.masks(aligned_vertices(painter.mesh, track, track.expression))
    masks = face_masks(drawn, track.landmarks, track.align)
    shared = {field.name: getattr(track, field.name) for field in fields(HeadTrack)}
    return FaceTrack(**shared, faces=faces, masks=masks)


MOST_FRAMES = 4500  # of a clip: three minutes at 25 frames per second


@lru_cache(maxsize=4)
def _painter(face_size: int) -> ConditionPainter:
    return ConditionPainter(load_head_model(), face_size)


def track_clip(
    source: Path | str | np.ndarray,
    settings: FaceSettings,
    *,
    fps: float | None = None,
    name: str | None = None,
) -> FaceTrack:
    """Track, fit and align one clip.

    A video is read twice, so that memory grows with its length and not with the size of its frames.

    Args:
        source: a video file, or frames (T, H, W, 3) uint8 RGB.
        settings: of the face stage.
        fps: frames per second; needed only for frames.
        name: of the clip, for errors; default: the file.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if the video cannot be read, or is too long to be kept.
    """
    if isinstance(source, np.ndarray):
        rate, label = 25.0 if fps is None else float(fps), name or "the given frames"
    else:
        facts = probe_video(source)
        rate, label = float(facts.fps), name or str(source)
        if (facts.frames or 0) > MOST_FRAMES:
            raise InputError(
                f"{source} has more than {MOST_FRAMES} frames, whose faces would take too much "
                "memory; cut it into clips"
            )

    def frames() -> Iterable[np.ndarray]:
        return source if isinstance(source, np.ndarray) else stream_frames(source)

    tracked = track_landmarks(frames(), rate, name=label, task_file=settings.landmarker_file)
    fitted, align = fit_and_align(load_head_model(), tracked, settings)
    track = HeadTrack(**vars(tracked), **vars(fitted), fps=rate, align=align)
    size = settings.face_size
    return add_faces(track, align_faces(frames(), align, size), _painter(size))
