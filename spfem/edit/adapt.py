"""Adapt the base renderer to one own clip, kept in a stage folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.artifact_code import code_digest
from spfem.chain import ConditionSource
from spfem.edit.sample import FaceSample, sample_faces
from spfem.edit.tracking.clip_track import ClipTrack
from spfem.edit.tracking.track import MadeTrack
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from spfem.renderer.clips import RendererClip
from spfem.renderer.stage import MadeRenderer, make_renderer

ADAPTATION_FACTOR = 2  # steps on one own video, per step of an actor with many clips
FACE_SIZE_STEP = 32  # pixels; sizes that the renderer's downsamplings divide
LARGEST_FACE_SIZE = {"cpu": 192, "cuda": 256}  # pixels; beyond it, adapting takes too long


def choose_face_size(track: ClipTrack, smallest: int, device: str) -> int:
    """Side of the aligned face, in pixels, that keeps the detail of the clip's faces.

    At least the size that the renderer was trained at, which is convolutional and may be adapted
    at a larger one; at most `LARGEST_FACE_SIZE` of the device. Larger faces are rendered at that
    size and enlarged when they are blended into the full frame.
    """
    scale = np.sqrt(np.abs(np.linalg.det(track.align[track.found][:, :, :2])))
    side = track.face_size / float(np.median(scale))  # of the crop, in frame pixels
    wanted = FACE_SIZE_STEP * round(side / FACE_SIZE_STEP)
    return int(min(max(wanted, smallest), max(smallest, LARGEST_FACE_SIZE[device])))


def sample_texture(
    base: MadeRenderer, painter: ConditionPainter, sample: FaceSample
) -> np.ndarray | None:
    """Mean face texture, as in `face_texture`; None where the renderer's settings want none."""
    return face_texture(painter, [sample.track]) if base.renderer.settings.use_texture else None


def adapt_renderer(
    folder: Path,
    base: MadeRenderer,
    track: MadeTrack,
    sample: FaceSample,
    painter: ConditionPainter,
    texture: np.ndarray | None,
    *,
    seed: int,
    device: str,
) -> MadeRenderer:
    """Adapt the base renderer to the face of one clip, or reuse or resume what is in the folder.

    Args:
        folder: stage folder of this renderer alone.
        base: renderer to start from.
        track: of the clip.
        sample: faces to learn from.
        painter: of the wanted face size.
        texture: of the face, see `sample_texture`.
        seed: of the training.
        device: to train on.
    """
    size, trained = painter.face_size, base.renderer.settings
    settings = replace(
        trained,
        batch_size=1,
        image_size=size,
        mouth_size=trained.mouth_size * size // trained.image_size,
        adapt_steps=ADAPTATION_FACTOR * trained.adapt_steps,
    )

    def load_clips() -> Sequence[RendererClip]:
        parts = [sample.track.take_frames(places) for places in sample.stretches]
        return [ConditionSource(painter, part, texture).clip() for part in parts]

    return make_renderer(
        folder,
        load_clips,
        settings,
        inputs={"track": track.digest, "code of the sample": code_digest(sample_faces)},
        seed=seed,
        base=base,
        device=device,
        progress=lambda steps: tqdm(steps, desc="adapting the renderer to this face"),
    )
