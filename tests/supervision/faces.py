"""Face tracks of drawn heads, as supervision by pictures reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from spfem.face.align import align_faces, alignment_matrices, template_landmarks
from spfem.face.camera import Pose, project
from spfem.face.track import FaceTrack
from spfem.head import load_head_model
from tests.edit.drawn import DrawnClip

SIDE = 96


def track_of(clip: DrawnClip, side: int = SIDE) -> FaceTrack:
    """The track of a drawn clip with its exact codes, aligned faces of a side in pixels."""
    head, codes = load_head_model(), clip.track
    rest = head.landmarks(head.vertices(codes.identity, codes.expression * 0)).astype(np.float32)
    pose = Pose.of(codes.rotation, codes.scale, codes.translation)
    resting = project(torch.from_numpy(rest), pose)[..., :2].numpy()
    align = alignment_matrices(resting, template_landmarks(head, side), 0.0)
    faces = align_faces(clip.frames, align, side)
    count = len(clip.frames)
    return FaceTrack(
        fps=25.0,
        landmarks=codes.landmarks,
        blendshapes=codes.expression[:, :51],
        found=codes.found,
        frame_size=clip.frames.shape[1:3],
        identity=codes.identity,
        expression=codes.expression,
        rotation=codes.rotation,
        scale=codes.scale,
        translation=codes.translation,
        reprojection_error=np.zeros(count, np.float32),
        align=align,
        faces=faces,
        masks=faces[..., 0],
    )


def with_codes(track: FaceTrack, expression: np.ndarray) -> FaceTrack:
    """The track with other codes (T, E) of as many frames, whatever its pictures show."""
    return replace(track, expression=np.asarray(expression, np.float32))
