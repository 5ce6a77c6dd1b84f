"""The stages of tracking: the faces of a corpus, one file a clip, and the track of an own video.

Clips are tracked in parallel, and a killed run continues. Several jobs, also on machines that
share the disk, may work on parts of the stage at once (`extract_actor_faces`); `extract_faces` then
joins the parts and makes what is missing. Clips that could not be used are listed in `damaged.csv`:
which, why, and whether the file changed since.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from tqdm.auto import tqdm

from spfem.corpus.clips import Clip, Corpus
from spfem.errors import ArtifactError, AssetError, CorpusError, SettingsError
from spfem.face.clip_track import ClipTrack, MadeTrack, fit_clip, track_video
from spfem.face.fit import FittedHead
from spfem.face.track import FaceTrack, load_fields, track_clip
from spfem.face.tracker import landmarker_file
from spfem.files import alone, digest, file_digest, remove_half_written, writing
from spfem.media.audio import read_audio
from spfem.pretrained import pretrained_file
from spfem.processes import run_jobs
from spfem.reading.reader import KIND, FaceReader, read_clip
from spfem.run.artifacts import Stage, open_stage
from spfem.settings import FaceSettings, ReadSettings

DAMAGED_NAME = "damaged.csv"


DAMAGED_COLUMNS = ("clip", "reason", "video", "state")
"""Key, what was found, the file, and the state of the files when they were looked at."""


def file_state(clip: Clip) -> str:
    """Sizes and times of the files of a clip; another text after they were replaced."""
    states = []
    for path in (clip.video, clip.audio):
        try:
            facts = path.stat()
        except OSError:
            states.append("missing")
        else:
            states.append(f"{facts.st_size}/{facts.st_mtime_ns}/{facts.st_mode & 0o777:o}")
    return " ".join(states)


def _write_damaged(folder: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write `damaged.csv`, sorted by clip, whole or not at all."""
    with (
        writing(folder / DAMAGED_NAME) as aside,
        aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        table = csv.DictWriter(file, DAMAGED_COLUMNS)
        table.writeheader()
        table.writerows(sorted(rows, key=lambda row: row["clip"]))


def _read_damaged(folder: Path) -> Mapping[str, dict[str, str]]:
    """Rows of `damaged.csv` by clip key; none if there is no such file."""
    path = folder / DAMAGED_NAME
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return {row["clip"]: row for row in csv.DictReader(file)}


NAMED_REASONS = 10  # damaged clips that a warning names


@dataclass(frozen=True, eq=False)
class FaceStore(Mapping[str, FaceTrack]):
    """The tracks of a corpus by clip key, each read from its file when asked for.

    Attributes:
        folder: of the face stage.
        clips: keys of those that have a track.
        damaged: clip key -> why it has none.
        digest: of the stage and of which clips have a track.
        codes: folder of codes that a later stage fitted, in place of those of the face stage.
    """

    folder: Path
    clips: tuple[str, ...]
    damaged: Mapping[str, str]
    digest: str
    codes: Path | None = None

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.clips)

    def __getitem__(self, key: str) -> FaceTrack:
        """Read one track."""
        if key not in self._known:
            reason = self.damaged.get(key, "the corpus has no such clip")
            raise KeyError(f"no face track of {key}: {reason}")
        track = FaceTrack.load(track_path(self.folder, key))
        if self.codes is None:
            return track
        path = track_path(self.codes, key)
        codes = load_fields(FittedHead, path, "holds no codes", "run the person stage anew")
        return replace(track, **vars(codes))

    def __contains__(self, key: object) -> bool:
        """Whether there is a track."""
        return key in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)


def track_path(folder: Path, key: str) -> Path:
    """File of the clip `key` in the stage folder."""
    return folder / f"{key}.npz"


def extract_faces(corpus: Corpus, folder: Path, settings: FaceSettings) -> FaceStore:
    """Track every clip of a corpus, or take up the work where it stopped.

    Clips that cannot be used are listed with the reason in `damaged.csv`, in
    `FaceStore.damaged` and in a warning; the others are processed. A listed clip whose files
    changed since is tried again. Where clips came, went or were replaced in the corpus, tracks
    that are younger than their videos stay.

    Args:
        corpus: to track.
        folder: of the stage.
        settings: of the stage; `processes` clips at a time.

    Raises:
        CorpusError: if no clip can be used.
        ArtifactError: as `open_stage`.
    """
    stage = _open(corpus, folder, settings)
    damaged = dict(_read_damaged(folder)) if stage.complete else {}
    if stage.complete:
        clips = {clip.key: clip for clip in corpus.clips}
        todo = [
            clips[key] for key, row in damaged.items() if file_state(clips[key]) != row["state"]
        ]
    else:
        todo = [clip for clip in corpus.clips if not _is_tracked(clip, folder)]
    found = _track(todo, folder, settings)
    if todo or not stage.complete:
        damaged = {key: row for key, row in damaged.items() if key not in {c.key for c in todo}}
        damaged |= found
    usable = tuple(clip.key for clip in corpus.clips if clip.key not in damaged)
    if not usable:
        first = next(iter(damaged.values()))["reason"]
        raise CorpusError(f"{corpus.root}: no clip can be used; the first: {first}")
    if todo or not stage.complete:
        with alone(folder):
            _write_damaged(folder, damaged.values())
            remove_half_written(folder)
            stage.record["seconds"] = _open(corpus, folder, settings).seconds  # of other jobs too
            stage.finish(clips=len(usable), damaged=len(damaged))
    which = digest([stage.digest, sorted(damaged)]) if damaged else stage.digest
    reasons = {key: row["reason"] for key, row in damaged.items()}
    _warn(reasons, len(corpus.clips))
    return FaceStore(folder, usable, reasons, which)


def extract_actor_faces(
    corpus: Corpus, folder: Path, settings: FaceSettings, actor: str
) -> Mapping[str, str]:
    """Track the clips of one actor, as a part of the stage that `extract_faces` joins.

    Returns:
        Clip key -> why it could not be used.

    Raises:
        SettingsError: if the corpus has no such actor.
        ArtifactError: as `open_stage`.
    """
    clips = corpus.select(actor=actor)
    if not clips:
        names = ", ".join(sorted(corpus.roles))
        raise SettingsError(f"actor {actor!r} is not in {corpus.root}; it has {names}")
    with alone(folder):
        stage = _open(corpus, folder, settings)
    if stage.complete:
        rows = _read_damaged(folder)
        return {clip.key: rows[clip.key]["reason"] for clip in clips if clip.key in rows}
    damaged = _track([clip for clip in clips if not _is_tracked(clip, folder)], folder, settings)
    with alone(folder):
        latest = _open(corpus, folder, settings)
        latest.started = stage.started
        latest.pause()
    reasons = {key: row["reason"] for key, row in damaged.items()}
    _warn(reasons, len(clips))
    return reasons


def _open(corpus: Corpus, folder: Path, settings: FaceSettings) -> Stage:
    return open_stage(
        folder,
        "faces",
        settings=replace(settings, processes=1),  # their number does not change the result
        inputs={"corpus": corpus.digest},
        code=(_track_one,),
        keep_items=True,
    )


def _is_tracked(clip: Clip, folder: Path) -> bool:
    """Whether there is a track, made after the video was last replaced or changed."""
    path = track_path(folder, clip.key)
    try:
        return path.exists() and path.stat().st_mtime_ns >= clip.video.stat().st_ctime_ns
    except OSError:  # no video any more
        return False


Job = tuple[Clip, Path, FaceSettings]
"""Clip, file of the track, settings."""


def _track(
    clips: Sequence[Clip], folder: Path, settings: FaceSettings
) -> dict[str, dict[str, str]]:
    """Track clips into their files; give the rows of those that could not be used."""
    damaged: dict[str, dict[str, str]] = {}
    jobs = [(clip, track_path(folder, clip.key), settings) for clip in clips]
    done = run_jobs(_track_one, jobs, settings.processes, answer_death=_name_dead)
    for (clip, _, _), reason in tqdm(done, total=len(jobs), desc="faces", disable=not jobs):
        if reason:
            facts = (clip.key, reason, str(clip.video), file_state(clip))
            damaged[clip.key] = dict(zip(DAMAGED_COLUMNS, facts, strict=True))
    return damaged


def _warn(damaged: Mapping[str, str], clips: int) -> None:
    if damaged:
        lines = [f"{key}: {reason}" for key, reason in list(damaged.items())[:NAMED_REASONS]]
        more = len(damaged) - len(lines)
        lines += [f"and {more} more"] if more else []
        listed = "\n  ".join(lines)
        warnings.warn(
            f"{len(damaged)} of {clips} clips cannot be used and are left out:\n  {listed}",
            stacklevel=3,
        )


def _track_one(job: Job) -> str:
    """Track one clip into its file; gives why it cannot be used, or an empty reason."""
    clip, path, settings = job
    try:
        read_audio(clip.audio)  # without sound no later stage can use the clip
        track = track_clip(clip.video, settings)
    except (ArtifactError, AssetError, SettingsError):  # no fault of the clip
        raise
    except Exception as error:  # damaged files raise whatever their reader stumbles over
        path.unlink(missing_ok=True)  # of the file that was here before
        return " ".join(str(error).split()) or type(error).__name__
    track.save(path)  # outside: a full disk is no fault of the clip
    return ""


def _name_dead(job: Job) -> str:
    """The reason of a clip whose process died twice, the second time with no other beside it."""
    clip, _, _ = job
    return (
        f"{clip.video}: the process that tracked it died, most often for want of memory; give it "
        "more memory or a shorter clip"
    )


OWN_TRACK_NAME = "track.npz"


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
        code=(track_video, read_clip, fit_clip),
    )
    if not stage.complete:
        fit = partial(read_clip, reader=FaceReader.pretrained(), fit=fit_clip)
        track = track_video(path, settings, fit, face=face)
        track.save(folder / OWN_TRACK_NAME)
        stage.finish(frames=len(track), found=int(track.found.sum()))
    return MadeTrack(ClipTrack.load(folder / OWN_TRACK_NAME), stage.digest)
