"""The whole chain on one video: track, fit, manipulate, render, blend back, keep the sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from spfem.chain import ConditionSource, Wish, edit_expression, put_back
from spfem.corpus.video import Video, probe_video, read_video, write_video
from spfem.errors import CheckpointError, InputError
from spfem.face.conditions import ConditionPainter
from spfem.face.texture import face_texture
from spfem.face.track import track_clip
from spfem.face.track_file import FaceTrack
from spfem.head import load_head_model
from spfem.manipulator import load_manipulator
from spfem.manipulator.stage import CHECKPOINT_NAME as MANIPULATOR_NAME
from spfem.renderer.checkpoint import TrainedRenderer, load_renderer
from spfem.renderer.render import render_clips
from spfem.renderer.stage import FILE_NAME as RENDERER_NAME
from spfem.renderer.training import train_renderer
from spfem.settings import FaceSettings
from spfem.workspace import choose_device, project_folder

ADAPTATION_FACTOR = 2  # steps on one own video, per step of an actor with many clips
FACE_SIZE_STEP = 32  # pixels; sizes that the renderer's downsamplings divide
LARGEST_FACE_SIZE = 192  # pixels; beyond it, adapting on two cores takes too long
COMMENT = "manipulated video: the facial expression was changed with spfem"


@dataclass(frozen=True)
class EditRequest:
    """What to edit and how.

    Attributes:
        clip: the video.
        out: the new video.
        emotion: emotion to show, or None with `reference`.
        reference: video whose expression style to take over, or None.
        models: stages of a finished run; None for those of the demo.
        method: `ned` or `ned+asccl`.
        seed: of the adaptation and of the label's style.
        device: `auto`, `cpu` or `cuda`.
        anchored: move the expression by the difference that the target style makes, which own
            videos need, since their codes are offset from those of the training corpus.
        without_sound: accept a clip that has no sound.
    """

    clip: Path
    out: Path
    emotion: str | None = None
    reference: Path | None = None
    models: Path | None = None
    method: str = "ned+asccl"
    seed: int = 0
    device: str = "auto"
    anchored: bool = True
    without_sound: bool = False


@dataclass(frozen=True)
class EditResult:
    """What an edit made.

    Attributes:
        source: track of the clip.
        expression: (T, E) edited face units.
        frames: (T, H, W, 3) uint8 RGB result.
    """

    source: FaceTrack
    expression: np.ndarray
    frames: np.ndarray


def _model(folder: Path, *names: str) -> Path:
    path = folder.joinpath(*names)
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; train the models once with: bash run_all.sh (or name the folder "
            "of a finished run with --models)"
        )
    return path


def _check_request(request: EditRequest) -> None:
    if (request.emotion is None) == (request.reference is None):
        raise InputError("an edit needs an emotion or a reference video, and not both")
    if request.out.suffix.lower() != ".mp4":
        raise InputError(f"{request.out}: results are mp4 files; give another name, to end in .mp4")
    if request.out.resolve() == request.clip.resolve():
        raise InputError(f"{request.out} is the source itself; give another name for the result")


def _check_length(track: FaceTrack, window_frames: int, path: Path) -> None:
    if len(track) < window_frames:
        raise InputError(
            f"{path} has {len(track)} frames; the manipulator needs at least {window_frames}: "
            "give a longer clip"
        )


def choose_face_size(track: FaceTrack, smallest: int) -> int:
    """Side of the aligned face, in pixels, that keeps the detail of the clip's faces.

    At least the size that the renderer was trained at, which is convolutional and may be adapted
    at a larger one.
    """
    scale = np.sqrt(np.abs(np.linalg.det(track.align[track.found][:, :, :2])))
    side = track.faces.shape[1] / float(np.median(scale))  # of the crop, in frame pixels
    wanted = FACE_SIZE_STEP * round(side / FACE_SIZE_STEP)
    return int(min(max(wanted, smallest), max(smallest, LARGEST_FACE_SIZE)))


def adapt_renderer(
    base: TrainedRenderer,
    source: ConditionSource,
    *,
    seed: int,
    device: str,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> TrainedRenderer:
    """Adapt the base renderer to the face of one clip, from that clip alone."""
    size, trained = source.painter.face_size, base.settings
    settings = replace(
        trained,
        batch_size=1,
        image_size=size,
        mouth_size=trained.mouth_size * size // trained.image_size,
    )
    return train_renderer(
        [source.clip()],
        settings,
        seed=seed,
        steps=ADAPTATION_FACTOR * settings.adapt_steps,
        device=device,
        initial=base,
        progress=progress,
    )


def _track(video: Video, settings: FaceSettings) -> FaceTrack:
    return track_clip(video.frames, settings, fps=float(video.fps), name=str(video.path))


def edit_video(request: EditRequest) -> EditResult:
    """Edit one video; the result appears whole, or not at all.

    The frame rate is the clip's own, the sound is copied packet by packet, and the file says in
    its metadata that it is manipulated.

    Raises:
        InputError: for a video that cannot be read, is too short or shows no face, or a request
            that makes no sense.
        CheckpointError: if the models are not there yet.
    """
    _check_request(request)
    folder = request.models or project_folder() / "data" / "synthetic-demo"
    seed_name = f"seed{request.seed}"
    manipulator_path = _model(folder, "manipulator", request.method, seed_name, MANIPULATOR_NAME)
    renderer_path = _model(folder, "renderer", "base", seed_name, RENDERER_NAME)
    device = choose_device(request.device)
    manipulator = load_manipulator(manipulator_path)
    base = load_renderer(renderer_path, device)
    face_settings = FaceSettings(face_size=base.settings.image_size)

    facts = probe_video(request.clip)
    if not facts.has_audio and not request.without_sound:
        raise InputError(
            f"{request.clip} has no sound, so there is no speech to preserve; give the original "
            "recording, or add --without-sound to edit the pictures alone"
        )
    video = read_video(request.clip)
    track = _track(video, face_settings)
    _check_length(track, manipulator.settings.window_frames, request.clip)
    face_size = choose_face_size(track, face_settings.face_size)
    if face_size != face_settings.face_size:
        track = _track(video, replace(face_settings, face_size=face_size))
    wish = Wish(request.emotion)
    if request.reference is not None:
        shown = track_clip(request.reference, face_settings)
        _check_length(shown, manipulator.settings.window_frames, request.reference)
        wish = Wish(references=(shown.expression,))
    moved = edit_expression(
        manipulator, track.expression, wish, anchored=request.anchored, seed=request.seed
    )
    painter = ConditionPainter(load_head_model(), face_size)
    texture = face_texture(painter, [track]) if base.settings.use_texture else None
    source = ConditionSource(painter, track, texture)
    renderer = adapt_renderer(
        base,
        source,
        seed=request.seed,
        device=device,
        progress=lambda steps: tqdm(steps, desc="adapting the renderer to this face"),
    )
    conditions = source.conditions(moved)
    pictures = render_clips(renderer.generator, [conditions], device=device)[0]
    frames = put_back(video.frames, track, pictures, conditions[..., -1])
    write_video(
        request.out,
        frames,
        video.fps,
        audio_from=request.clip if facts.has_audio else None,
        comment=COMMENT,
    )
    return EditResult(track, moved, frames)
