"""What a user asks of an edit, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spfem import __version__
from spfem.edit.tracking.clip_track import ClipTrack
from spfem.errors import InputError
from spfem.manipulator.intensity import LARGEST_INTENSITY
from spfem.settings import EMOTIONS

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
