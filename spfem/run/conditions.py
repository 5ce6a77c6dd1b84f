"""Condition images that renderers learn from, drawn once in parallel processes and kept.

Drawing runs on one thread a clip and takes longer than reading, and every method adapts a renderer
to the same clips.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from spfem.corpus.clips import Clip
from spfem.corpus.protocol import learning_clips
from spfem.edit.chain import ConditionSource, Wish, edit_expression, renderer_clip
from spfem.errors import InputError
from spfem.face.conditions import ConditionPainter
from spfem.files import file_digest, writing
from spfem.head.model import load_head_model
from spfem.manipulator.networks import Manipulator, load_manipulator
from spfem.renderer.data import RendererClip
from spfem.run.artifacts import open_stage
from spfem.run.data import make_corpus, make_persons
from spfem.run.faces import FaceStore
from spfem.run.manipulators import ANCHORED, make_manipulator
from spfem.run.workspace import Workspace, work_off
from spfem.settings import EMOTIONS

QUICK = 1  # level of zlib: as small as level 6 within a tenth, in a quarter of the time
KEPT_CLIPS = 64  # unpacked in memory, about 5 MB each at demo scale


def save_conditions(path: Path, conditions: np.ndarray) -> None:
    """Write stacked conditions (T, S, S, C) uint8, packed without loss, whole or not at all."""
    packed = np.frombuffer(zlib.compress(conditions.tobytes(), QUICK), np.uint8)
    with writing(path) as aside:
        np.savez(aside, shape=conditions.shape, packed=packed)


def load_conditions(path: Path) -> np.ndarray:
    """Read what `save_conditions` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            flat = zlib.decompress(stored["packed"].tobytes())
            return np.frombuffer(flat, np.uint8).reshape(stored["shape"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} holds no condition images ({type(error).__name__}: {error}); delete it and "
            "run again"
        ) from None


@dataclass(frozen=True)
class DrawnClips:
    """Clips with the files of their condition images.

    Attributes:
        folder: of the stage.
        digest: of the stage.
        keys: of the clips.
    """

    folder: Path
    digest: str
    keys: tuple[str, ...]

    def file(self, key: str) -> Path:
        """Of the conditions of one clip."""
        return self.folder / f"{key}.npz"


@dataclass(frozen=True)
class _Job:
    """One clip to draw; with a wish its codes are moved by the manipulator of a file."""

    faces: FaceStore
    key: str
    size: int
    path: Path
    manipulator: Path | None
    wish: str | None
    seed: int


@cache
def _painter(size: int) -> ConditionPainter:
    return ConditionPainter(load_head_model(), size)


@lru_cache(maxsize=1)
def _manipulator(path: Path) -> Manipulator:
    return load_manipulator(path)


def _draw(job: _Job) -> None:
    track, moved = job.faces[job.key], None
    if job.manipulator is not None:
        wish, moves = Wish(job.wish), _manipulator(job.manipulator)
        moved = edit_expression(moves, track.expression, wish, anchored=ANCHORED, seed=job.seed)
    save_conditions(job.path, ConditionSource(_painter(job.size), track).conditions(moved))


def make_conditions(workspace: Workspace, place: str, clips: Sequence[Clip]) -> DrawnClips:
    """Draw clips as they are, in the folder `conditions/<place>`: an actor's, or `base`."""
    return _draw_clips(workspace, ("conditions", place, "own"), dict.fromkeys(c.key for c in clips))


def make_moved_conditions(
    workspace: Workspace, actor: str, method: str, seed: int = 0
) -> DrawnClips:
    """Draw an actor's learning clips with codes that a method's manipulator moved.

    Each clip to another emotion than its own; all emotions come in turn.
    """
    wishes: dict[str, str | None] = {
        clip.key: EMOTIONS[(clip.label + 1 + index % (len(EMOTIONS) - 1)) % len(EMOTIONS)]
        for index, clip in enumerate(learning_clips(make_corpus(workspace), actor))
    }
    path = make_manipulator(workspace, method, seed)
    return _draw_clips(workspace, ("conditions", actor, method, f"seed{seed}"), wishes, path, seed)


def _draw_clips(
    workspace: Workspace,
    place: tuple[str, ...],
    wishes: Mapping[str, str | None],
    manipulator: Path | None = None,
    seed: int = 0,
) -> DrawnClips:
    """Draw clips, by key; those with a wish are moved to that emotion."""
    faces, size = make_persons(workspace), workspace.scale.renderer.image_size
    stage = open_stage(
        workspace.stage_folder(*place),
        "conditions",
        settings={"size": size, "wishes": dict(wishes), "seed": seed},
        inputs={
            "faces": faces.digest,
            "manipulator": "" if manipulator is None else file_digest(manipulator),
        },
        code=(_draw, type(faces)),
    )
    made = DrawnClips(stage.folder, stage.digest, tuple(wishes))
    if not stage.complete:
        jobs = [
            _Job(faces, key, size, path, manipulator, wish, seed)
            for key, wish in wishes.items()
            if not (path := made.file(key)).exists()
        ]
        work_off(workspace, _draw, jobs, " ".join(place))
        stage.finish(clips=len(wishes))
    return made


@dataclass(frozen=True)
class LearnedClips(Sequence[RendererClip]):
    """What a renderer learns from: tracks beside their kept conditions, the latest in memory.

    Attributes:
        faces: tracks by clip.
        own: conditions of the clips as they are.
        moved: conditions of the same clips moved to another emotion, or None.
    """

    faces: FaceStore
    own: DrawnClips
    moved: DrawnClips | None = None
    _read: Callable[[int], RendererClip] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_read", lru_cache(maxsize=KEPT_CLIPS)(self._open))

    def _open(self, index: int) -> RendererClip:
        key = self.own.keys[index]
        edited = None if self.moved is None else load_conditions(self.moved.file(key))
        return renderer_clip(self.faces[key], load_conditions(self.own.file(key)), edited)

    def __len__(self) -> int:
        return len(self.own.keys)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._read(index)
