"""The whole chain on one video: track, fit, manipulate, draw, keep the sound.

The trained models that an edit starts from.

What a user asks of an edit, and what comes back.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spfem import __version__
from spfem.edit.adapt import FILE_NAME as RENDERER_NAME
from spfem.edit.adapt import MadeRenderer, neural_frames, write_comparison
from spfem.edit.chain import Wish, edit_expression
from spfem.edit.moving.move import ClipMover
from spfem.errors import CheckpointError, InputError, SettingsError
from spfem.face.clip_track import ClipTrack, MadeTrack
from spfem.files import file_digest, project_folder, show_frames
from spfem.head.model import load_head_model
from spfem.manipulator.manipulate import LARGEST_INTENSITY
from spfem.manipulator.networks import CHECKPOINT_KIND as MANIPULATOR_KIND
from spfem.manipulator.networks import (
    FLAME_SPACE,
    Manipulator,
    load_manipulator,
    pretrained_manipulator,
)
from spfem.media.losses import check_result
from spfem.media.probe import probe_video
from spfem.media.video import stream_frames, write_video
from spfem.methods import find_method
from spfem.pretrained import PRETRAINED
from spfem.renderer.networks import load_renderer
from spfem.run.faces import make_track
from spfem.run.learned import STAGE_CHECKPOINT_NAME as MANIPULATOR_NAME
from spfem.run.workspace import choose_device
from spfem.settings import EMOTIONS, FaceSettings

if TYPE_CHECKING:
    from spfem.edit.flame_route import FlameModels


def load_base_renderer(models: Path | None, seed: int, device: str) -> MadeRenderer:
    """NED's renderer that knows faces in general, of a finished run; none comes with the package.

    Args:
        models: stages of the run; None for the run at demo scale.
        seed: of the run's learning.
        device: to put it on.

    Raises:
        CheckpointError: if the folder lacks it.
    """
    folder = models or _demo_folder()
    path = folder / "renderer" / "base" / f"seed{seed}" / RENDERER_NAME
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; train the models once with: bash run_all.sh (or name the folder "
            "of a finished run with --models, or edit with --renderer moved, which needs no run)"
        )
    return MadeRenderer(load_renderer(path, device), file_digest(path), 0.0)


def load_edit_manipulator(
    models: Path | None, method: str, seed: int, file: Path | None = None
) -> Manipulator:
    """The manipulator of a method, in the face units that own videos are tracked in.

    Args:
        models: stages of a finished run; None for the manipulator that comes with the package,
            or, of a method with which none comes, for the run at demo scale.
        method: one of `spfem.methods.METHODS`.
        seed: of the run's learning; what comes with the package has one only.
        file: checkpoint in place of all these; None for them.

    Raises:
        SettingsError: if the method is unknown, or the file is for FLAME codes.
        CheckpointError: if the folder lacks it (the error lists what is there), the file is
            damaged, or it is of another expression space.
    """
    if file is not None:
        return _in_face_units(load_manipulator(file), file)
    method = find_method(method).name
    if models is None and method in PRETRAINED[MANIPULATOR_KIND]:
        return pretrained_manipulator(method)
    folder = models or _demo_folder()
    path = folder / "manipulator" / method / f"seed{seed}" / MANIPULATOR_NAME
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; {_list_methods(folder)}; train the models once with: "
            "bash run_all.sh (or name the folder of a finished run with --models; without it "
            f"{', '.join(PRETRAINED[MANIPULATOR_KIND])} needs no run)"
        )
    return _in_face_units(load_manipulator(path), path)


def _in_face_units(manipulator: Manipulator, path: Path) -> Manipulator:
    """The manipulator, if it edits the face units of own videos."""
    if manipulator.space == FLAME_SPACE:
        raise SettingsError(
            f"{path} edits FLAME codes, which the renderers of the package cannot draw; add "
            "--renderer-file FILE, imported from NED or SCMCL, and --flame DIR with your files of "
            "FLAME and DECA"
        )
    wanted = load_head_model().expression_names
    if tuple(manipulator.space.names) != tuple(wanted):
        raise CheckpointError(
            f"{path} edits another expression space ({len(manipulator.space.names)} "
            f"coefficients, first {manipulator.space.names[0]!r}); own videos are tracked in "
            f"{len(wanted)} face units, first {wanted[0]!r}: train or import such a manipulator"
        )
    return manipulator


def _demo_folder() -> Path:
    return project_folder() / "data" / "synthetic-demo"


def _list_methods(folder: Path) -> str:
    found = sorted((folder / "manipulator").glob(f"*/seed*/{MANIPULATOR_NAME}"))
    if not found:
        return f"{folder} holds no manipulator"
    names = ", ".join(f"{path.parent.parent.name} ({path.parent.name})" for path in found)
    return f"{folder} holds {names}"


RENDERERS = ("moved", "ned")
DEFAULT_METHOD = "ned"


@dataclass(frozen=True)
class EditRequest:
    """What to edit and how.

    Attributes:
        clip: the video.
        out: the new video.
        emotion: emotion to show, or None with `reference`.
        reference: video whose expression style to take over, or None.
        intensity: 0 for the expression of the source, 1 for the full edit, up to 2 for more.
        renderer: `moved` moves the pixels of the clip itself; `ned` makes new ones with NED's
            neural renderer, adapted to the clip.
        manipulator: checkpoint in place of that of `models` and `method`; None for those.
        renderer_file: renderer of one person, imported from NED or SCMCL, in place of `renderer`;
            `manipulator` must then be imported from them too. None for `renderer`.
        flame: folder of the user's FLAME and DECA files, which `renderer_file` needs; None for
            `data/optional`, where `doctor` looks.
        models: stages of a finished run; None for the manipulator that comes with the package
            (of `ned`), and else those of the demo.
        method: one of `spfem.methods.METHODS` that the models were trained with.
        face: number of the face to edit, from left to right in the first frame that shows a face,
            from 1; None for the largest there.
        compare: also write source, reference and result side by side, beside `out`.
        keep: folder that keeps the track of each clip (and NED's adapted renderer) for the next
            edit; None for `own` in the folder of the models, or else in the cache.
        seed: of the adaptation and of the label's style.
        device: `auto`, `cpu` or `cuda`.
        anchored: move the expression by the difference that the target style makes, which own
            videos need, since their codes are offset from those of the training corpus. Never
            with `renderer_file`: released manipulators edit as released.
        without_sound: accept a clip that has no sound.
        lossless: write every pixel of the result as it was made; larger, for further work.
    """

    clip: Path
    out: Path
    emotion: str | None = None
    reference: Path | None = None
    intensity: float = 1.0
    renderer: str = "moved"
    manipulator: Path | None = None
    renderer_file: Path | None = None
    flame: Path | None = None
    models: Path | None = None
    method: str = DEFAULT_METHOD
    face: int | None = None
    compare: bool = False
    keep: Path | None = None
    seed: int = 0
    device: str = "auto"
    anchored: bool = True
    without_sound: bool = False
    lossless: bool = False

    @property
    def comparison(self) -> Path:
        """Where `compare` writes: `OUT-compare.mp4`."""
        return self.out.with_name(f"{self.out.stem}-compare.mp4")

    def check(self) -> None:
        """Refuse what makes no sense, before anything is read.

        Raises:
            InputError: naming the argument and what to give instead.
        """
        if (self.emotion is None) == (self.reference is None):
            raise InputError("an edit needs an emotion or a reference video, and not both")
        if self.emotion is not None and self.emotion not in EMOTIONS:
            raise InputError(
                f"emotion {self.emotion!r} is unknown; choose one of {', '.join(EMOTIONS)} or "
                "give a reference video"
            )
        if not 0 <= self.intensity <= LARGEST_INTENSITY:
            raise InputError(f"intensity {self.intensity} must lie from 0 to {LARGEST_INTENSITY:g}")
        if self.renderer not in RENDERERS:
            raise InputError(
                f"renderer {self.renderer!r} is unknown; choose one of {', '.join(RENDERERS)}"
            )
        if self.renderer_file is not None and self.renderer != RENDERERS[0]:
            raise InputError(
                f"renderer {self.renderer!r} and the renderer file {self.renderer_file} exclude "
                "each other; give one of them"
            )
        if self.flame is not None and self.renderer_file is None:
            raise InputError(
                f"the FLAME folder {self.flame} is for released networks; add --manipulator FILE "
                "and --renderer-file FILE, imported from NED or SCMCL"
            )
        if self.face is not None and self.face < 1:
            raise InputError(f"face {self.face} does not exist; faces are counted from 1 (left)")
        if self.out.suffix.lower() != ".mp4":
            raise InputError(
                f"{self.out}: results are mp4 files; give another name, to end in .mp4"
            )
        for source in (self.clip, self.reference):
            if source is not None and source.is_dir():
                raise InputError(f"{source} is a folder; give one video file")
        written = [self.out, self.comparison] if self.compare else [self.out]
        for source in (self.clip, self.reference):
            if source is not None and source.resolve() in [path.resolve() for path in written]:
                raise InputError(f"{source} would be overwritten; give another name for the result")

    def describe(self, losses: Sequence[str] = ()) -> str:
        """Text for the metadata of the result: that it is manipulated, how, and what it lacks."""
        wish = f"emotion {self.emotion}"
        if self.reference is not None:
            wish = f"expression style of {self.reference.name}"
        lacking = f"; of its source it lacks: {', '.join(losses)}" if losses else ""
        method = f"method {self.method}"
        if self.manipulator is not None:
            method = f"manipulator {self.manipulator.name}"
        renderer = self.renderer if self.renderer_file is None else self.renderer_file.name
        return (
            "manipulated video: the facial expression was changed with spfem "
            f"{__version__} ({method}, {wish}, intensity {self.intensity:g}, "
            f"renderer {renderer}){lacking}"
        )


@dataclass(frozen=True)
class EditResult:
    """What an edit made; pictures are in the files.

    Attributes:
        source: track of the clip.
        expression: (T, E) edited face units; FLAME codes (T, 51) of released networks.
        out: the new video.
        comparison: the side-by-side video, or None.
    """

    source: ClipTrack
    expression: np.ndarray
    out: Path
    comparison: Path | None


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
