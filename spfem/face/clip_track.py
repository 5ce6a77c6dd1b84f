"""What an edit remembers of every frame of a clip: numbers, no pictures.

Fit the head to a clip of any length: identity from a sample, pose and face units in pieces.

Pass 1 of an edit: follow one person through a video file, kept in a stage folder.

An own video of one sentence: its face, followed and aligned, and its sound.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spfem.errors import FaceNotFoundError, InputError
from spfem.face.align import align_faces, alignment_matrices, face_masks, template_landmarks
from spfem.face.conditions import ConditionPainter, aligned_vertices
from spfem.face.fit import FittedHead, fit_head
from spfem.face.person import (
    FASTEST_RATE,
    PersonFollower,
    SamePerson,
    bridge_gaps,
    find_small_faces,
    looks_same,
    open_face_finder,
    show_one_person,
    shrink_frame,
)
from spfem.face.track import FaceTrack, load_fields, resting_landmarks, save_fields
from spfem.face.tracker import TrackedFace, landmarker_file, track_landmarks
from spfem.files import file_digest, show_frames
from spfem.head.model import HeadModel, load_head_model
from spfem.media.audio import sound_beside
from spfem.media.probe import VideoFacts, probe_video
from spfem.media.video import stream_frames
from spfem.pretrained import pretrained_file
from spfem.reading.reader import (
    KIND,
    FaceReader,
    expect_units,
    gather_evidence,
    keep_unseen,
    refit_settings,
    resting_face,
)
from spfem.run.artifacts import open_stage
from spfem.settings import FaceSettings, ReadSettings


@dataclass(frozen=True)
class ClipTrack:
    """Track and fitted codes of one clip of T frames, about 6.5 KB a frame.

    Attributes:
        fps: frames per second.
        frame_size: (H, W) of the clip, pixels.
        face_size: S, side of the aligned square, pixels.
        found: (T,) bool, frames in which the tracker saw the person.
        shown: (T,) bool, frames to edit: those, and short gaps in which the face is still there.
        landmarks: (T, 478, 3) float32 frame pixels; filled in where not found.
        blendshapes: (T, 51) float32 tracker scores.
        identity: (I,) float32.
        expression: (T, E) float32 face units in [0, 1].
        rotation: (T, 3) float32 axis-angle, radians.
        scale: (T,) float32 frame pixels per head unit.
        translation: (T, 2) float32 frame pixels.
        reprojection_error: (T,) float32 frame pixels.
        align: (T, 2, 3) float32 frame pixels to aligned pixels.
    """

    fps: float
    frame_size: tuple[int, int]
    face_size: int
    found: np.ndarray
    shown: np.ndarray
    landmarks: np.ndarray
    blendshapes: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray
    reprojection_error: np.ndarray
    align: np.ndarray

    def __len__(self) -> int:
        """Frames."""
        return len(self.found)

    def at_face_size(self, face_size: int) -> ClipTrack:
        """The same track with an aligned square of another side; alignment is in proportion."""
        factor = np.float32(face_size / self.face_size)
        return replace(self, face_size=face_size, align=self.align * factor)

    def part(
        self, painter: ConditionPainter, frames: np.ndarray, faces: np.ndarray | None = None
    ) -> FaceTrack:
        """Face track of some frames, masks drawn.

        Args:
            painter: of the track's face size.
            frames: (N,) indices.
            faces: (N, S, S, 3) aligned faces; None where nobody looks at them.
        """
        names = (
            "landmarks", "blendshapes", "expression", "rotation", "scale", "translation",
            "reprojection_error", "align",
        )  # fmt: skip
        arrays = {name: getattr(self, name)[frames] for name in names}
        side = self.face_size
        nothing = np.zeros((len(frames), side, side, 3), np.uint8) if faces is None else faces
        track = FaceTrack(
            fps=self.fps,
            frame_size=self.frame_size,
            found=self.shown[frames],
            identity=self.identity,
            faces=nothing,
            masks=np.zeros((0, side, side), np.uint8),
            **arrays,
        )
        drawn = painter.masks(aligned_vertices(painter.mesh, track, track.expression))
        return replace(track, masks=face_masks(drawn, track.landmarks, track.align))

    def save(self, path: Path) -> None:
        """Write an uncompressed npz file, whole or not at all."""
        save_fields(self, path)

    @classmethod
    def load(cls, path: Path) -> ClipTrack:
        """Read a file of `save`.

        Raises:
            InputError: if the file is missing, damaged or of another kind.
        """
        return cls(
            **load_fields(cls, path, "is no track of a clip", "remove its folder and edit again")
        )


PIECE_FRAMES = 512  # fitted at once; about 100 KB a frame
MARGIN_FRAMES = 32  # more on either side, where the smoothing over time still reaches


def fit_clip(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    *,
    piece_frames: int = PIECE_FRAMES,
) -> tuple[FittedHead, np.ndarray]:
    """Codes of a clip and its alignment (T, 2, 3), frame pixels to aligned pixels.

    Clips of up to a piece and its margins are fitted whole, as in the face stage. In longer ones
    the identity comes from as many evenly spread frames, and the rest is fitted piece by piece
    with that identity held; pieces overlap, and what lies in the margins is thrown away.

    Args:
        head: the model.
        tracked: landmarks and scores of T frames.
        settings: of the fit.
        piece_frames: frames that are fitted at once.
    """
    frames, most = len(tracked.found), piece_frames + 2 * MARGIN_FRAMES
    if frames <= most:
        return _fit_piece(head, tracked, settings)
    seen = np.flatnonzero(tracked.found)
    spread = seen[np.unique(np.linspace(0, len(seen) - 1, most).round().astype(int))]
    apart = replace(settings, smoothness=0.0, expression_smoothness=0.0)  # no neighbours in time
    identity = fit_head(head, _part(tracked, spread), apart).identity
    pieces = []
    for start in range(0, frames, piece_frames):
        first = max(start - MARGIN_FRAMES, 0)
        last = min(start + piece_frames + MARGIN_FRAMES, frames)
        part = _part(tracked, np.arange(first, last))
        fitted, align = _fit_piece(head, part, settings, identity)
        kept = slice(start - first, min(start + piece_frames, frames) - first)
        pieces.append([*(getattr(fitted, name)[kept] for name in _per_frame()), align[kept]])
    *codes, align = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return FittedHead(identity, *codes), align


def read_clip(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    reader: FaceReader,
    read: ReadSettings | None = None,
    *,
    piece_frames: int = PIECE_FRAMES,
) -> tuple[FittedHead, np.ndarray]:
    """Codes of a clip of a person of whom nothing else is known, read and then fitted once more.

    The alignment is that of `fit_clip`. The typical frame of the clip stands for the resting
    face; how much of it is expression is what the reader has learned to judge.

    Args:
        head: the model.
        tracked: landmarks and scores of T frames.
        settings: of the fit.
        reader: of the face units.
        read: how much they count; default `ReadSettings()`.
        piece_frames: frames that are fitted at once.

    Returns:
        Codes (T, E) with poses and one identity, and the alignment (T, 2, 3).
    """
    fitted, align = fit_clip(head, tracked, settings, piece_frames=piece_frames)
    evidence = gather_evidence(head, tracked, fitted)
    units = reader.read(evidence, resting_face([evidence], [tracked.found], neutral=False))
    towards = refit_settings(settings, read or ReadSettings())
    expected = expect_units(tracked, units, head)
    refitted, _ = fit_clip(head, expected, towards, piece_frames=piece_frames)
    return keep_unseen(refitted, units, head), align


def _per_frame() -> list[str]:
    return [field.name for field in fields(FittedHead) if field.name != "identity"]


def _fit_piece(
    head: HeadModel,
    tracked: TrackedFace,
    settings: FaceSettings,
    identity: np.ndarray | None = None,
) -> tuple[FittedHead, np.ndarray]:
    fitted = fit_head(head, tracked, settings, identity=identity)
    template = template_landmarks(head, settings.face_size)
    return fitted, alignment_matrices(
        resting_landmarks(head, fitted), template, settings.smoothness
    )


def _part(tracked: TrackedFace, index: np.ndarray) -> TrackedFace:
    return TrackedFace(
        tracked.landmarks[index],
        tracked.blendshapes[index],
        tracked.found[index],
        tracked.frame_size,
    )


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


SHORTEST_FRAMES, LONGEST_SECONDS = 10, 30


class TrackedSpeech(NamedTuple):
    """A clip of T frames.

    Attributes:
        faces: (T, S, S, 3) uint8 RGB, aligned.
        waveform: (A,) float32 mono in [-1, 1]; sample 0 sounds with frame 0.
        fps: frames per second.
        expression: (T, E) face units.
        people: faces that the first frame shows; the largest is followed.
    """

    faces: np.ndarray
    waveform: np.ndarray
    fps: float
    expression: np.ndarray
    people: int


def check_speech(path: Path) -> None:
    """Refuse what `track_speech` cannot use, as far as that is known without tracking.

    Raises:
        InputError: if a file cannot be read, has no sound, is too short or too long.
    """
    facts = probe_video(path)
    if not facts.has_audio:
        raise InputError(
            f"{path} has no sound, by which clips are aligned; give the original recording"
        )
    if facts.seconds is not None and facts.seconds > LONGEST_SECONDS:
        raise InputError(
            f"{path} lasts {facts.seconds:.0f} s, and every frame of it is kept: cut the clip to "
            f"one sentence, at most {LONGEST_SECONDS} s"
        )
    _check_length(path, facts.frames)


def track_speech(path: Path, keep: Path, face_size: int, sample_rate: int) -> TrackedSpeech:
    """Follow the largest face of a video and read its sound.

    Args:
        path: the video.
        keep: folder of tracks, which edits of own clips use as well.
        face_size: side of the aligned faces, in pixels.
        sample_rate: of the sound, in hertz.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        InputError: if the file is too short, or silent.
    """
    folder = keep / file_digest(path) / "track"
    track = make_track(folder, path, FaceSettings(face_size=face_size)).track
    _check_length(path, len(track))
    decoded = sound_beside(path, probe_video(path), sample_rate)
    if decoded is None or not decoded[0].any():
        raise InputError(f"{path} is silent; clips are aligned by their sound")
    with open_face_finder(FASTEST_RATE) as find_faces:
        people = len(find_faces(shrink_frame(next(iter(stream_frames(path))))))
    faces = align_faces(stream_frames(path), track.align, face_size)
    waveform = np.ascontiguousarray(decoded[0])
    return TrackedSpeech(faces, waveform, track.fps, track.expression, people)


def _check_length(path: Path, frames: int | None) -> None:
    if frames is not None and frames < SHORTEST_FRAMES:
        raise InputError(
            f"{path} has {frames} frames; give a clip of at least {SHORTEST_FRAMES} frames"
        )
