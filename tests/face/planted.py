"""Planted truth: landmarks projected from known codes, as a tracker without error would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from spfem.face.align import alignment_matrices, template_landmarks
from spfem.face.camera import Pose, project
from spfem.face.fit import FittedHead, HeadTrack
from spfem.face.track import FaceTrack
from spfem.face.tracker import TrackedFace
from spfem.head import HeadModel
from spfem.head.names import BLENDSHAPE_NAMES


@dataclass(frozen=True)
class Planted:
    tracked: TrackedFace
    codes: HeadTrack


def planted_clip(
    head: HeadModel, frames: int = 24, noise: float = 0.0, seed: int = 0, smile: float = 0.5
) -> Planted:
    """A clip of a moving, speaking head; the scores are those of the true units."""
    random = np.random.default_rng(seed)
    time = np.linspace(0, 1, frames)
    expression = np.zeros((frames, 52), np.float32)
    expression[:, 0] = 0.3 * (1 - np.cos(4 * np.pi * time))
    expression[:, head.expression_names.index("mouthSmileLeft")] = smile
    expression[:, head.expression_names.index("mouthSmileRight")] = smile
    rotation = np.column_stack([0.1 * np.sin(5 * time), 0.2 * np.sin(4 * time), 0.05 * time])
    codes = FittedHead(
        identity=random.normal(0, 0.5, 48).astype(np.float32),
        expression=expression,
        rotation=rotation.astype(np.float32),
        scale=np.full(frames, 90, np.float32),
        translation=np.column_stack([64 + 4 * time, 62 - 3 * time]).astype(np.float32),
        reprojection_error=np.zeros(frames, np.float32),
    )
    pose = Pose.of(codes.rotation, codes.scale, codes.translation)
    places = head.landmarks(head.vertices(codes.identity, expression)).astype(np.float32)
    landmarks = project(torch.from_numpy(places), pose).numpy()
    rest = head.landmarks(head.vertices(codes.identity, expression * 0)).astype(np.float32)
    resting = project(torch.from_numpy(rest), pose)[..., :2].numpy()
    align = alignment_matrices(resting, template_landmarks(head, 64), 0.0)
    columns = [head.expression_names.index(name) for name in BLENDSHAPE_NAMES]
    noisy = (landmarks + random.normal(0, noise, landmarks.shape)).astype(np.float32)
    seen = TrackedFace(noisy, expression[:, columns], np.ones(frames, bool), (128, 128))
    return Planted(seen, HeadTrack(**vars(seen), **vars(codes), fps=25.0, align=align))


def planted_track(planted: Planted, faces: np.ndarray) -> FaceTrack:
    """The face track of the true codes, with any faces (T, S, S, 3), whose red makes the masks."""
    return FaceTrack(**vars(planted.codes), faces=faces, masks=faces[..., 0])
