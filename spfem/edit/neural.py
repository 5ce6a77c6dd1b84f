"""An edit with NED's renderer: adapted to the clip's face, then every face made anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spfem.edit.adapt import adapt_renderer, choose_face_size, sample_texture
from spfem.edit.pictures import EditPlan, edited_frames, sample_shift
from spfem.edit.sample import sample_faces
from spfem.edit.tracking.track import MadeTrack
from spfem.face.conditions import ConditionPainter
from spfem.head import load_head_model
from spfem.media.video import stream_frames
from spfem.renderer.stage import MadeRenderer


def neural_frames(
    clip: Path,
    made: MadeTrack,
    expression: np.ndarray,
    base: MadeRenderer,
    folder: Path,
    *,
    seed: int,
    device: str,
) -> Iterator[np.ndarray]:
    """The clip's frames (H, W, 3) with faces by NED's renderer blended in.

    Args:
        clip: the video.
        made: its track.
        expression: (T, E) face units to show.
        base: renderer that knows faces in general.
        folder: keeps the renderer adapted to this clip.
        seed: of the adaptation.
        device: to learn and draw on.
    """
    face_size = choose_face_size(made.track, base.renderer.settings.image_size, device)
    track = made.track.at_face_size(face_size)
    painter = ConditionPainter(load_head_model(), face_size, device)
    sample = sample_faces(clip, track, painter)
    texture = sample_texture(base, painter, sample)
    renderer = adapt_renderer(
        folder, base, made, sample, painter, texture, seed=seed, device=device
    ).renderer
    plan = EditPlan(track, expression, painter, texture, renderer.generator, device)
    shift = sample_shift(plan, sample)
    del sample
    return edited_frames(stream_frames(clip), plan, shift)
