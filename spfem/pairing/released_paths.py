"""`aligned_path36.json`: the frame paths that ASCCL and STCCL released for 36 actors of MEAD."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import InputError
from spfem.settings import EMOTIONS

FILE_NAME = "aligned_path36.json"
FPS = 30  # of the frames that the paths count
MOST_CUT_SHARE = 0.1  # of a clip's length, by which a path may differ from it
STEPS = {(1, 1), (0, 1), (1, 0)}

PathName = tuple[str, str, str, str]
"""Actor, emotion, number of the neutral clip, number of the emotional clip."""


def read_released_paths(file: Path) -> dict[PathName, np.ndarray]:
    """Every path of a file in the released form, in its order: int32 (L, 2), source and target.

    The form is {actor: {emotion: {"NNN_MMM": [[source frames], [target frames]]}}}, with numbers
    of the neutral and the emotional clip; frames count from 0.

    Raises:
        InputError: if the file is missing or damaged, or a path does not begin at (0, 0), skips
            frames or runs backwards.

    Source: the released code of ASCCL and STCCL. `save_pairs` writes the same form.
    """
    paths: dict[PathName, np.ndarray] = {}
    try:
        for actor, emotions in json.loads(file.read_text(encoding="utf-8")).items():
            for emotion, pairs in emotions.items():
                if emotion not in EMOTIONS[1:]:
                    raise ValueError(f"{actor} has the emotion {emotion!r}")
                for numbers, path in pairs.items():
                    name = f"{actor}/{emotion}/{numbers}"
                    if not re.fullmatch(r"[^_]+_[^_]+", numbers):
                        raise ValueError(f"{name} is not named NNN_MMM")
                    source, target = numbers.split("_")
                    paths[actor, emotion, source, target] = _check_path(path, name)
        if not paths:
            raise ValueError("it holds no path")
    except FileNotFoundError:
        raise InputError(
            f"{file} does not exist; {FILE_NAME} is part of the released code of ASCCL"
        ) from None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{file} holds no released paths ({type(error).__name__}: {error}); get it again from "
            "its source"
        ) from None
    return paths


def fit_to_clips(path: np.ndarray, frames: tuple[int, int], name: str, file: Path) -> np.ndarray:
    """The entries of a path (L, 2) within two clips of so many frames.

    Raises:
        InputError: if the path is much longer or shorter than the clips, so that it belongs to
            other clips or another frame rate.
    """
    ends = path[-1] + 1
    for end, length, kind in zip(ends.tolist(), frames, ("neutral", "emotional"), strict=True):
        if abs(end - length) > MOST_CUT_SHARE * max(end, length) + 1:
            raise InputError(
                f"{file}: path {name} has {end} {kind} frames, but the clip has {length}; the "
                f"paths are for recordings of MEAD at {FPS} frames a second"
            )
    return path[(path < frames).all(1)]


def released_couples(
    corpus: Corpus, paths: Mapping[PathName, np.ndarray], file: Path
) -> Iterator[tuple[Clip, Clip, np.ndarray]]:
    """Both clips and the path of each released pair that is in the corpus.

    Raises:
        InputError: if the corpus has another frame rate, or none of the clips.
    """
    if abs(float(corpus.fps) - FPS) > 0.1:
        raise InputError(
            f"{file} counts frames at {FPS} a second, but {corpus.root} has {corpus.fps}; align "
            "these clips by their sound instead"
        )
    clips = {(clip.actor, clip.emotion, clip.number): clip for clip in corpus.clips}
    couples = 0
    for (actor, emotion, first, second), path in paths.items():
        source = clips.get((actor, EMOTIONS[0], first))
        target = clips.get((actor, emotion, second))
        if source and target:
            couples += 1
            yield source, target, path
    if not couples:
        raise InputError(f"{file} lists no clip of {corpus.root}; its paths are for MEAD")


def _check_path(value: Any, name: str) -> np.ndarray:
    sides = value if isinstance(value, list) and len(value) == 2 else []
    whole = all(
        isinstance(side, list) and side and all(type(i) is int and 0 <= i < 2**31 for i in side)
        for side in sides
    )
    if not sides or not whole or len(sides[0]) != len(sides[1]):
        raise ValueError(f"{name} is not two equally long lists of frame numbers")
    path = np.array(sides, dtype=np.int32).T
    if path[0].any():
        raise ValueError(f"{name} begins at {tuple(path[0].tolist())} instead of (0, 0)")
    steps = np.diff(path, axis=0)
    wrong = [i for i, step in enumerate(steps.tolist()) if tuple(step) not in STEPS]
    if wrong:
        raise ValueError(f"{name} jumps by {tuple(steps[wrong[0]].tolist())} at {wrong[0]}")
    return path
