"""From one video to one `FaceTrack`: decode, track, fit, align, mask."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from spfem.face.align import align_faces, alignment_matrices, template_landmarks
from spfem.face.camera import Pose, project, rotation_matrix
from spfem.face.conditions import ConditionPainter, HeadCodes, aligned_vertices
from spfem.face.fit import FittedHead, fit_head
from spfem.face.mask import face_masks
from spfem.face.track_file import FaceTrack
from spfem.face.tracker import track_landmarks
from spfem.head import HeadModel, load_head_model
from spfem.media.probe import probe_video
from spfem.media.replay import ReplayedFrames
from spfem.settings import FaceSettings

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
