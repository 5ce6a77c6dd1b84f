"""The codes that the rows of the table of moved pixels show their sources with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spfem.corpus.protocol import Edit, learning_clips
from spfem.errors import InputError
from spfem.face.track_file import FaceTrack
from spfem.reading.persons import load_person, read_track
from spfem.settings import EMOTIONS
from spfem.stages.counterparts import true_codes
from spfem.stages.data import make_corpus, make_persons
from spfem.stages.edits import clips_by_key, edited_codes
from spfem.workspace import Workspace

METHOD = "ned"  # whose manipulator and renderer are shown


def row_codes(
    workspace: Workspace, kind: str, true_tracks: Mapping[Edit, Path]
) -> dict[Edit, np.ndarray]:
    """Codes (T, E) float32 of edits of one source.

    Args:
        workspace: where.
        kind: `own`, `ned`, `habit`, `fitted` or `exact`, see `evaluation.moved_pixels.ROWS`.
        true_tracks: edits -> file of the track of the true one.

    Raises:
        InputError: if the kind is unknown.
    """
    edits = list(true_tracks)
    source = clips_by_key(workspace)[edits[0].source]
    track = make_persons(workspace)[source.key]
    if kind == "own":
        return dict.fromkeys(edits, track.expression)
    if kind == "ned":
        return edited_codes(workspace, METHOD, 0, edits)
    if kind == "habit":
        habits = mean_differences(workspace, edits[0].actor)
        return {e: np.clip(track.expression + habits[e.emotion], 0, 1) for e in edits}
    if kind == "fitted":
        settings = workspace.scale.face
        person = load_person(make_persons(workspace), edits[0].actor)
        return {
            edit: read_track(FaceTrack.load(path), person, settings).expression
            for edit, path in true_tracks.items()
        }
    if kind == "exact":
        known = {e: true_codes(workspace, source, e.emotion) for e in edits}
        return {edit: codes for edit, codes in known.items() if codes is not None}
    raise InputError(f"codes of kind {kind!r} are unknown")


def mean_differences(workspace: Workspace, actor: str) -> dict[str, np.ndarray]:
    """Emotion -> mean code (E,) of the actor's learning clips less that of the neutral ones."""
    faces, clips = make_persons(workspace), learning_clips(make_corpus(workspace), actor)
    means = {}
    for emotion in EMOTIONS:
        codes = [faces[clip.key].expression for clip in clips if clip.emotion == emotion]
        if codes:
            means[emotion] = np.concatenate(codes).mean(0)
    rest = means[EMOTIONS[0]]
    return {emotion: (mean - rest).astype(np.float32) for emotion, mean in means.items()}
