"""Results to look at: the clips of an edit, side by side over time, as videos and moving pictures.

The order of panels is that of the papers' comparison videos with a reference: source, reference,
methods (spec/evaluation.md, V1), with the truth last, which only the embedded corpus has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np

from spfem.corpus.protocol import Edit
from spfem.errors import ShapeError
from spfem.evaluation.scores import ClipScore
from spfem.face.track_file import FaceTrack
from spfem.media.video import read_video
from spfem.panels import rows_of_panels, side_by_side
from spfem.plots import title_of
from spfem.stages import make_corpus, make_faces
from spfem.stages.counterparts import read_truth
from spfem.stages.edits import clips_by_key, result_video
from spfem.workspace import Workspace

FACE_ROOM = 1.15  # side of a close-up by the extent of the tracked landmarks
CLOSE_UP = 112  # pixels
COMMENT = "comparison with manipulated videos: facial expressions were changed with spfem"


def edit_panels(
    workspace: Workspace, edit: Edit, methods: Sequence[str], seed: int = 0
) -> dict[str, np.ndarray]:
    """The clips that belong to one edit, by name: source, reference, each method, truth.

    Args:
        workspace: where `make_edits` has made the edits of the methods.
        edit: of the protocol.
        methods: names of trained methods.
        seed: of their training.

    Returns:
        Frames (T, H, W, 3) uint8 RGB by name. All but the reference, another sentence, show the
        same moments.
    """
    clips = clips_by_key(workspace)
    source = clips[edit.source]
    panels = {
        "source": read_video(source.video).frames,
        "reference": read_video(clips[edit.reference].video).frames,
    }
    for method in methods:
        panels[method] = read_video(result_video(workspace, method, seed, edit)).frames
    if (truth := read_truth(workspace, source, edit.emotion)) is not None:
        panels["truth"] = truth[0]
    return panels


def face_square(track: FaceTrack, room: float = FACE_ROOM) -> tuple[slice, slice]:
    """Rows and columns of the square that holds the face in every frame of a clip.

    Args:
        track: of the clip.
        room: side of the square by the largest extent of the landmarks; it stays in the frame.
    """
    places = track.landmarks[track.found][..., :2]
    low, high = places.min(axis=(0, 1)), places.max(axis=(0, 1))
    side = min(int(room * float((high - low).max())), *track.frame_size)
    left, top = (
        int(np.clip(round(float(centre) - side / 2), 0, length - side))
        for centre, length in zip((low + high) / 2, track.frame_size[::-1], strict=True)
    )
    return slice(top, top + side), slice(left, left + side)


def close_ups(
    workspace: Workspace, edit: Edit, panels: Mapping[str, np.ndarray], side: int = CLOSE_UP
) -> dict[str, np.ndarray]:
    """The panels of an edit cut to the face, so that small pictures show its expression.

    Args:
        workspace: holds the tracks.
        edit: of the protocol.
        panels: from `edit_panels`; all but the reference are cut where the source's face is.
        side: of the new panels in pixels.

    Returns:
        Frames (T, side, side, 3) uint8 RGB by name.
    """
    faces = make_faces(workspace)
    squares = {"reference": face_square(faces[edit.reference])}
    source = face_square(faces[edit.source])
    cut = {}
    for name, frames in panels.items():
        rows, columns = squares.get(name, source)
        cut[name] = np.stack(
            [
                cv2.resize(frame[rows, columns], (side, side), interpolation=cv2.INTER_CUBIC)
                for frame in frames
            ]
        )
    return cut


def comparison_frames(
    panels: Mapping[str, np.ndarray], *, height: int | None = None
) -> Iterator[np.ndarray]:
    """Yield the moments of clips side by side, each under its title.

    Args:
        panels: name -> (T, H, W, 3) uint8 RGB; the first clip decides how many moments are shown,
            a shorter one stays at its last frame.
        height: of the panels in pixels.

    Raises:
        ShapeError: if a clip has no frame, or frames another form.
    """
    empty = [name for name, frames in panels.items() if not len(frames)]
    if empty or not panels:
        raise ShapeError(f"a comparison needs frames; these have none: {', '.join(empty) or 'all'}")
    titles = [title_of(name) for name in panels]
    for moment in range(len(next(iter(panels.values())))):
        shown = [frames[min(moment, len(frames) - 1)] for frames in panels.values()]
        yield side_by_side(shown, titles, height=height)


def save_comparison(
    workspace: Workspace, edit: Edit, methods: Sequence[str], seed: int = 0
) -> None:
    """Save `videos/<edit>.mp4`: the panels of an edit side by side, with the sound of the source.

    Args:
        workspace: where `make_edits` has made the edits of the methods.
        edit: of the protocol.
        methods: names of trained methods.
        seed: of their training.
    """
    workspace.save_video(
        comparison_frames(edit_panels(workspace, edit, methods, seed)),
        edit.name,
        make_corpus(workspace).fps,
        audio_from=clips_by_key(workspace)[edit.source].video,
        comment=COMMENT,
    )


def emotion_rows(
    clips: Mapping[str, Mapping[str, np.ndarray]], names: Sequence[str]
) -> Iterator[np.ndarray]:
    """Yield the moments of several edits of one source: emotions in columns, `names` in rows.

    Args:
        clips: emotion -> `edit_panels` of the edit to it.
        names: of the panels that are shown, from the top, such as source, `ned` and truth.

    Yields:
        (H, W, 3) uint8 RGB.

    Raises:
        ShapeError: if a panel is missing, or sizes differ.
    """
    for emotion, panels in clips.items():
        if missing := [name for name in names if name not in panels]:
            raise ShapeError(f"the edit to {emotion} has no panel {', '.join(missing)}")
    titles, moments = [title_of(name) for name in names], [len(p[names[0]]) for p in clips.values()]
    for moment in range(min(moments, default=0)):
        rows = [
            [panels[name][min(moment, len(panels[name]) - 1)] for panels in clips.values()]
            for name in names
        ]
        yield rows_of_panels(rows, titles, list(clips))


def closest_to_truth(scores: Mapping[str, Sequence[ClipScore]]) -> str:
    """The method whose lips are nearest to the true edits', to be shown where room is short.

    Args:
        scores: method -> scores on all edits.

    Returns:
        The name of the least mean mouth error; without truth, the last name.
    """
    errors = {
        method: float(np.mean([score.scores["mouth_error"] for score in of_method]))
        for method, of_method in scores.items()
    }
    known = {method: error for method, error in errors.items() if np.isfinite(error)}
    return min(known, key=known.__getitem__) if known else list(scores)[-1]
