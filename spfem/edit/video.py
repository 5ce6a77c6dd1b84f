"""The whole chain on one video: track, fit, manipulate, draw, keep the sound."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spfem.artifacts import file_digest
from spfem.chain import Wish, edit_expression
from spfem.edit.comparison import write_comparison
from spfem.edit.models import load_base_renderer, load_edit_manipulator
from spfem.edit.moving.move import ClipMover
from spfem.edit.neural import neural_frames
from spfem.edit.progress import show_frames
from spfem.edit.request import EditRequest, EditResult
from spfem.edit.tracking.track import MadeTrack, make_track
from spfem.errors import InputError
from spfem.media.losses import check_result
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames, write_video
from spfem.project import project_folder
from spfem.settings import FaceSettings
from spfem.workspace import choose_device

if TYPE_CHECKING:
    from spfem.edit.flame_route import FlameModels

OWN_FOLDER = "own"


def edit_video(request: EditRequest) -> EditResult:
    """Edit one video of any length; the result appears whole, or not at all.

    The frame rate is the clip's own, its sound tracks are copied packet by packet, and the file
    says in its metadata that it is manipulated, and what of the source it lacks. That all can be
    written is tried before the work. Frames without the face stay as they are. The track is kept
    (with NED's renderer, the adapted renderer too), so that a second edit of the clip only draws,
    and a killed one continues.

    Raises:
        InputError: for a video that cannot be read, is too short or shows no face, or a request
            that makes no sense.
        CheckpointError: if models are asked for that are not there.
    """
    request.check()
    facts = probe_video(request.clip)
    losses = check_result(request.clip, facts, request.out)
    for loss in losses:
        print(f"the result will lack: {loss}", file=sys.stderr)
    device = choose_device(request.device)
    flame, base = _load_flame_models(request, device), None
    manipulator = (
        load_edit_manipulator(request.models, request.method, request.seed, request.manipulator)
        if flame is None
        else flame.manipulator
    )
    if request.renderer == "ned":
        base = load_base_renderer(request.models, request.seed, device)
    settings = FaceSettings()
    window = manipulator.settings.window_frames
    if not facts.has_audio and not request.without_sound:
        raise InputError(
            f"{request.clip} has no sound, so there is no speech to preserve; give the original "
            "recording, or add --without-sound to edit the pictures alone"
        )
    keep = request.keep or own_folder(request.models)
    wish = Wish(request.emotion, intensity=request.intensity)
    if request.reference is not None:
        shown = _track(keep, request.reference, settings, None, window).track
        codes = shown if flame is None else flame.see_face(request.reference, shown)
        wish = Wish(references=(codes.expression,), intensity=request.intensity)
    made = _track(keep, request.clip, settings, request.face, window)
    track = made.track
    seen = None if flame is None else flame.see_face(request.clip, track)
    moved = edit_expression(
        manipulator,
        track.expression if seen is None else seen.expression,
        wish,
        anchored=request.anchored and seen is None,
        seed=request.seed,
    )
    if flame is not None and seen is not None:
        frames = flame.draw_frames(request.clip, track, seen, moved)
    elif base is None:
        mover = ClipMover(track, moved, fps=float(facts.fps), device=device)
        mover.gather(stream_frames(request.clip))
        frames = mover.move(stream_frames(request.clip))
    else:
        folder = _clip_folder(keep, request.clip, request.face) / f"renderer-seed{request.seed}"
        frames = neural_frames(
            request.clip, made, moved, base, folder, seed=request.seed, device=device
        )
    write_video(
        request.out,
        show_frames(frames, "drawing", len(track)),
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


def _load_flame_models(request: EditRequest, device: str) -> FlameModels | None:
    """Released networks and the user's files that they need; None where none are asked for."""
    if request.renderer_file is None:
        return None
    from spfem.edit.flame_route import load_flame_models

    return load_flame_models(
        request.manipulator,
        request.renderer_file,
        request.flame or project_folder() / "data" / "optional",
        device,
        by_label=request.emotion is not None,
    )


def own_folder(models: Path | None) -> Path:
    """Where tracks and adapted renderers of own clips are kept, beside the models."""
    return (models or project_folder() / "data" / "cache") / OWN_FOLDER


def _clip_folder(keep: Path, clip: Path, face: int | None) -> Path:
    return keep / (file_digest(clip) + ("" if face is None else f"-face{face}"))


def _track(
    keep: Path, path: Path, settings: FaceSettings, face: int | None, window_frames: int
) -> MadeTrack:
    probe_video(path)  # names what is wrong with a file before a folder is made for it
    made = make_track(_clip_folder(keep, path, face) / "track", path, settings, face=face)
    if len(made.track) < window_frames:
        raise InputError(
            f"{path} has {len(made.track)} frames; the manipulator needs at least "
            f"{window_frames}: give a longer clip"
        )
    return made
