"""The edit of one video: follow the face, move its codes, draw the frames, keep the sound."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spfem import __version__
from spfem.edit.chain import Wish, edit_expression
from spfem.edit.move import ClipMover
from spfem.errors import InputError
from spfem.face.clip_track import ClipTrack
from spfem.files import show_frames
from spfem.manipulator.manipulate import LARGEST_INTENSITY
from spfem.manipulator.networks import (
    Manipulator,
)
from spfem.media.probe import VideoFacts, probe_video
from spfem.media.video import check_result, stream_frames, write_video
from spfem.panels import side_by_side
from spfem.settings import EMOTIONS

if TYPE_CHECKING:
    from spfem.edit.flame_route import FlameModels
    from spfem.edit.neural import NeuralRenderer

RENDERERS = ("moved", "ned")
LARGEST_HEIGHT = 480  # pixels of a panel of the comparison


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
    method: str = "ned"
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
        written = [self.out, self.comparison] if self.compare else [self.out]
        for source in filter(None, (self.clip, self.reference)):
            if source.is_dir():
                raise InputError(f"{source} is a folder; give one video file")
            if source.resolve() in [path.resolve() for path in written]:
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
class EditModels:
    """The opened models of an edit.

    Attributes:
        manipulator: of the face units that `follow` gives, or of FLAME codes with `flame`.
        follow: gives the track of a video, of the face of that number (None for the largest).
        device: `cpu` or `cuda`.
        neural: NED's renderer, for `renderer="ned"`; else None.
        flame: released networks, for `renderer_file`; else None.
    """

    manipulator: Manipulator
    follow: Callable[[Path, int | None], ClipTrack]
    device: str
    neural: NeuralRenderer | None = None
    flame: FlameModels | None = None


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


def edit_video(
    request: EditRequest, open_models: Callable[[EditRequest], EditModels] | None = None
) -> EditResult:
    """Edit one video of any length; the result appears whole, or not at all.

    The frame rate is the clip's own, its sound tracks are copied packet by packet, and the file
    says in its metadata that it is manipulated, and what of the source it lacks. That all can be
    written is tried before the work. Frames without the face stay as they are. The track is kept
    (with NED's renderer, the adapted renderer too), so that a second edit of the clip only draws,
    and a killed one continues.

    Args:
        request: what to edit and how.
        open_models: gives the models, called once the request is known to make sense; None for
            those that the request names.

    Raises:
        InputError: for a video that cannot be read, is too short or shows no face, or a request
            that makes no sense.
        CheckpointError: if models are asked for that are not there.
    """
    facts, losses = _check_files(request)
    for loss in losses:
        print(f"the result will lack: {loss}", file=sys.stderr)
    if open_models is None:
        from spfem.run import edit_models  # the one import upwards: runs keep models and tracks

        open_models = edit_models.open_edit_models
    models = open_models(request)
    flame, wish = models.flame, Wish(request.emotion, intensity=request.intensity)
    if request.reference is not None:
        shown = _follow(models, request.reference, None)
        codes = shown if flame is None else flame.see_face(request.reference, shown)
        wish = Wish(references=(codes.expression,), intensity=request.intensity)
    track = _follow(models, request.clip, request.face)
    seen = None if flame is None else flame.see_face(request.clip, track)
    expression = edit_expression(
        models.manipulator,
        track.expression if seen is None else seen.expression,
        wish,
        anchored=request.anchored and seen is None,
        seed=request.seed,
    )
    if flame is not None and seen is not None:
        frames = flame.draw_frames(request.clip, track, seen, expression)
    elif models.neural is not None:
        frames = models.neural.draw_frames(request.clip, track, expression)
    else:
        mover = ClipMover(track, expression, fps=float(facts.fps), device=models.device)
        mover.gather(stream_frames(request.clip))
        frames = mover.move(stream_frames(request.clip))
    write_video(
        request.out,
        show_frames(frames, "drawing", len(track)),
        facts.fps,
        audio_from=request.clip if facts.has_audio else None,
        comment=request.describe(losses),
        colour=facts.colour.as_written(),
        lossless=request.lossless,
    )
    if request.compare:
        write_comparison(
            request.comparison,
            request.clip,
            request.out,
            reference=request.reference,
            comment=request.describe(),
        )
    comparison = request.comparison if request.compare else None
    return EditResult(track, expression, request.out, comparison)


def _check_files(request: EditRequest) -> tuple[VideoFacts, tuple[str, ...]]:
    """Facts of the clip, and what its result will lack; raises what can be told before the work."""
    request.check()
    facts = probe_video(request.clip)
    losses = check_result(request.clip, facts, request.out)
    if not facts.has_audio and not request.without_sound:
        raise InputError(
            f"{request.clip} has no sound, so there is no speech to preserve; give the original "
            "recording, or add --without-sound to edit the pictures alone"
        )
    if request.reference is not None:
        probe_video(request.reference)
    return facts, losses


def _follow(models: EditModels, path: Path, face: int | None) -> ClipTrack:
    track, shortest = models.follow(path, face), models.manipulator.settings.window_frames
    if len(track) < shortest:
        raise InputError(
            f"{path} has {len(track)} frames; the manipulator needs at least {shortest}: give a "
            "longer clip"
        )
    return track


def write_comparison(
    path: Path, source: Path, result: Path, *, reference: Path | None = None, comment: str = ""
) -> None:
    """Write source, reference (if there is one) and result side by side, labelled, in sync.

    Frame t shows frame t of source and result; the reference runs at its own speed from its start
    and is held when it ends. The sound is the result's, packet by packet.

    Raises:
        InputError: if a video cannot be read.
        ArtifactError: if the file cannot be written.
    """
    facts = probe_video(result)
    videos: dict[str, Iterable[np.ndarray]] = {"source": stream_frames(source)}
    if reference is not None:
        rate = probe_video(reference).fps
        videos["reference"] = _in_step(stream_frames(reference), rate, facts.fps)
    videos["result"] = stream_frames(result)
    height = min(facts.height, LARGEST_HEIGHT)
    together = zip(*videos.values(), strict=False)  # the reference has no end
    joined = (side_by_side(panels, list(videos), height=height) for panels in together)
    write_video(
        path,
        show_frames(joined, "writing the comparison", facts.frames),
        facts.fps,
        audio_from=result if facts.has_audio else None,
        comment=comment,
    )


def _in_step(frames: Iterable[np.ndarray], rate: Fraction, fps: Fraction) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) of a video of `rate`, as seen at `fps`; the last one is held for ever."""
    shown = 0
    last: np.ndarray | None = None
    for index, frame in enumerate(frames):
        while last is not None and Fraction(shown) / fps < Fraction(index) / rate:
            yield last
            shown += 1
        last = frame
    while last is not None:
        yield last
