"""The whole chain on one video: track, fit, manipulate, render, blend back, keep the sound."""

from __future__ import annotations

import sys
from pathlib import Path

from spfem.artifacts import file_digest
from spfem.chain import Wish, edit_expression
from spfem.edit.adapt import adapt_renderer, choose_face_size, sample_texture
from spfem.edit.comparison import write_comparison
from spfem.edit.models import load_models
from spfem.edit.pictures import EditPlan, edited_frames, sample_shift
from spfem.edit.progress import show_frames
from spfem.edit.request import EditRequest, EditResult
from spfem.edit.sample import sample_faces
from spfem.edit.tracking.track import MadeTrack, make_track
from spfem.errors import InputError
from spfem.face.conditions import ConditionPainter
from spfem.head import load_head_model
from spfem.media.losses import check_result
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames, write_video
from spfem.settings import FaceSettings
from spfem.workspace import choose_device

OWN_FOLDER = "own"  # below the models: tracks and adapted renderers of own clips


def edit_video(request: EditRequest) -> EditResult:
    """Edit one video of any length; the result appears whole, or not at all.

    The frame rate is the clip's own, its sound tracks are copied packet by packet, and the file
    says in its metadata that it is manipulated, and what of the source it lacks. That all can be
    written is tried before the work. Frames without the face stay
    as they are. Track and adapted renderer are kept, so that a second edit of the clip only
    renders, and a killed one continues.

    Raises:
        InputError: for a video that cannot be read, is too short or shows no face, or a request
            that makes no sense.
        CheckpointError: if the models are not there yet.
    """
    request.check()
    facts = probe_video(request.clip)
    losses = check_result(request.clip, facts, request.out)
    for loss in losses:
        print(f"the result will lack: {loss}", file=sys.stderr)
    device = choose_device(request.device)
    models = load_models(request, device)
    settings = FaceSettings(face_size=models.base.renderer.settings.image_size)
    window = models.manipulator.settings.window_frames
    if not facts.has_audio and not request.without_sound:
        raise InputError(
            f"{request.clip} has no sound, so there is no speech to preserve; give the original "
            "recording, or add --without-sound to edit the pictures alone"
        )
    keep = request.keep or models.folder / OWN_FOLDER
    wish = Wish(request.emotion, intensity=request.intensity)
    if request.reference is not None:
        shown = _track(keep, request.reference, settings, None, window).track
        wish = Wish(references=(shown.expression,), intensity=request.intensity)
    made = _track(keep, request.clip, settings, request.face, window)
    face_size = choose_face_size(made.track, settings.face_size, device)
    track = made.track.at_face_size(face_size)
    moved = edit_expression(
        models.manipulator, track.expression, wish, anchored=request.anchored, seed=request.seed
    )
    painter = ConditionPainter(load_head_model(), face_size, device)
    sample = sample_faces(request.clip, track, painter)
    texture = sample_texture(models.base, painter, sample)
    renderer = adapt_renderer(
        _own_folder(keep, request.clip, request.face) / f"renderer-seed{request.seed}",
        models.base,
        made,
        sample,
        painter,
        texture,
        seed=request.seed,
        device=device,
    ).renderer
    plan = EditPlan(track, moved, painter, texture, renderer.generator, device)
    shift = sample_shift(plan, sample)
    del sample
    frames = edited_frames(stream_frames(request.clip), plan, shift)
    write_video(
        request.out,
        show_frames(frames, "rendering", len(track)),
        facts.fps,
        audio_from=request.clip if facts.has_audio else None,
        comment=request.describe(losses),
        colour=facts.colour.as_written(),
        lossless=request.lossless,
    )
    comparison = request.comparison if request.compare else None
    if comparison is not None:
        write_comparison(
            comparison,
            request.clip,
            request.out,
            reference=request.reference,
            comment=request.describe(),
        )
    return EditResult(track, moved, request.out, comparison)


def _own_folder(keep: Path, clip: Path, face: int | None) -> Path:
    return keep / (file_digest(clip) + ("" if face is None else f"-face{face}"))


def _track(
    keep: Path, path: Path, settings: FaceSettings, face: int | None, window_frames: int
) -> MadeTrack:
    probe_video(path)  # names what is wrong with a file before a folder is made for it
    made = make_track(_own_folder(keep, path, face) / "track", path, settings, face=face)
    if len(made.track) < window_frames:
        raise InputError(
            f"{path} has {len(made.track)} frames; the manipulator needs at least "
            f"{window_frames}: give a longer clip"
        )
    return made
