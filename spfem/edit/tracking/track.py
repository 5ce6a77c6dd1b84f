"""Pass 1 of an edit: follow one person through a video file, kept in a stage folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from spfem.artifacts import file_digest
from spfem.edit.progress import show_frames
from spfem.edit.tracking.clip_track import ClipTrack
from spfem.edit.tracking.fit import read_clip
from spfem.edit.tracking.follow import PersonFollower, SamePerson, show_one_person
from spfem.edit.tracking.gaps import bridge_gaps
from spfem.edit.tracking.likeness import looks_same
from spfem.edit.tracking.people import FASTEST_RATE, open_face_finder, shrink_frame
from spfem.edit.tracking.small_faces import find_small_faces
from spfem.errors import FaceNotFoundError
from spfem.face.tracker import TrackedFace, landmarker_file, track_landmarks
from spfem.head import load_head_model
from spfem.media.probe import VideoFacts, probe_video
from spfem.media.video import stream_frames
from spfem.opened_stages import open_stage
from spfem.pretrained import pretrained_file
from spfem.reading.reader import KIND, FaceReader
from spfem.settings import FaceSettings, ReadSettings

FILE_NAME = "track.npz"


def track_video(
    path: Path,
    settings: FaceSettings,
    *,
    face: int | None = None,
    same_person: SamePerson = looks_same,
) -> ClipTrack:
    """Track one person through a video of any length, size and frame rate.

    Frames larger than 1280 pixels are shrunk for the tracker; landmarks are in pixels of the full
    frame. If no face is seen in them so, faces are searched for in parts at full size. Other
    faces are painted over before the tracker sees a frame.

    Args:
        path: the video.
        settings: of the face stage.
        face: number of the face from left to right in the first frame with faces, from 1; None
            for the largest there.
        same_person: see `PersonFollower`.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if the video cannot be read, or there is no such face.
    """
    facts = probe_video(path)
    try:
        tracked, lost = _follow(path, facts, settings, face, same_person, None)
    except FaceNotFoundError:
        area = find_small_faces(path, facts, settings)
        if area is None:
            raise
        tracked, lost = _follow(path, facts, settings, face, same_person, area)
    if lost:
        print(
            f"{path}: {len(lost)} of {len(tracked.found)} frames may show somebody else and stay "
            f"as they are, the first is frame {lost[0]}",
            file=sys.stderr,
        )
    fitted, align = read_clip(load_head_model(), tracked, settings, FaceReader.pretrained())
    shown = bridge_gaps(tracked.found, align, settings.face_size, stream_frames(path), lost)
    return ClipTrack(
        fps=float(facts.fps),
        frame_size=tracked.frame_size,
        face_size=settings.face_size,
        found=tracked.found,
        shown=shown,
        landmarks=tracked.landmarks,
        blendshapes=tracked.blendshapes,
        align=align,
        **{name: getattr(fitted, name) for name in type(fitted).__dataclass_fields__},
    )


def _follow(
    path: Path,
    facts: VideoFacts,
    settings: FaceSettings,
    face: int | None,
    same_person: SamePerson,
    area: tuple[slice, slice] | None,
) -> tuple[TrackedFace, list[int]]:
    """What the tracker sees of the person, in frame pixels, and the frames in which it is lost.

    `area` is the part of the frame (rows, columns) that is looked at; None for all.
    """
    rate = min(float(facts.fps), FASTEST_RATE)
    follower = PersonFollower(face, str(path), same_person)
    frames = show_frames(stream_frames(path), "tracking the face", facts.frames)
    looked_at = frames if area is None else (frame[area] for frame in frames)

    def seen() -> Iterator[np.ndarray]:
        with open_face_finder(rate, settings.landmarker_file) as find_faces:
            yield from show_one_person(map(shrink_frame, looked_at), find_faces, follower)

    small = track_landmarks(seen(), rate, name=str(path), task_file=settings.landmarker_file)
    size = facts.height, facts.width
    rows, columns = area or (slice(0, size[0]), slice(0, size[1]))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    scale = np.array([width / small.frame_size[1], height / small.frame_size[0]], np.float32)
    landmarks = small.landmarks * scale[[0, 1, 0]]
    landmarks += np.array([columns.start, rows.start, 0], np.float32)
    return replace(small, landmarks=landmarks, frame_size=size), follower.lost


@dataclass(frozen=True)
class MadeTrack:
    """A track with the digest of the stage folder it lies in."""

    track: ClipTrack
    digest: str


def make_track(
    folder: Path, path: Path, settings: FaceSettings, *, face: int | None = None
) -> MadeTrack:
    """Track a video into a stage folder, or reuse the track that is there; see `track_video`."""
    stage = open_stage(
        folder,
        "track of an own clip",
        settings={**asdict(settings), "face": face, "read": asdict(ReadSettings())},
        inputs={
            "clip": file_digest(path),
            "reader": file_digest(pretrained_file(KIND)),
            "landmarker": file_digest(landmarker_file(settings.landmarker_file)),
        },
        code=(track_video,),
    )
    if not stage.complete:
        track = track_video(path, settings, face=face)
        track.save(folder / FILE_NAME)
        stage.finish(frames=len(track), found=int(track.found.sum()))
    return MadeTrack(ClipTrack.load(folder / FILE_NAME), stage.digest)
