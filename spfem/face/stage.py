"""The face stage over a corpus: one file a clip, clips in parallel, resumable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tqdm.auto import tqdm

from spfem.artifacts import open_stage, write_json
from spfem.corpus.clips import Corpus
from spfem.errors import CorpusError, SpfemError
from spfem.face.track_file import FaceTrack
from spfem.processes import run_jobs
from spfem.settings import FaceSettings

DAMAGED_NAME = "damaged.json"
SOURCES = ("face", "head", "face_units.py", "corpus/video.py", "corpus/media.py")


class FaceStore(Mapping[str, FaceTrack]):
    """The tracks of a corpus by clip key, each read from its file when asked for.

    Args:
        folder: of the stage.
        keys: clips that have a track.
        damaged: clip key -> why it has none.
        digest: of the stage.
    """

    def __init__(
        self, folder: Path, keys: tuple[str, ...], damaged: Mapping[str, str], digest: str
    ):
        self.folder, self.keys_in_order, self.damaged, self.digest = folder, keys, damaged, digest
        self._known = frozenset(keys)

    def __getitem__(self, key: str) -> FaceTrack:
        """Read one track."""
        if key not in self._known:
            reason = self.damaged.get(key, "the corpus has no such clip")
            raise KeyError(f"no face track of {key}: {reason}")
        return FaceTrack.load(track_path(self.folder, key))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)


def track_path(folder: Path, key: str) -> Path:
    """File of the clip `key` in the stage folder."""
    return folder / f"{key}.npz"


def extract_faces(
    corpus: Corpus, folder: Path, settings: FaceSettings, *, force: bool = False
) -> FaceStore:
    """Track every clip of a corpus, or take up the work where it stopped.

    Clips that cannot be used are listed with the reason in `damaged.json` and in
    `FaceStore.damaged`; the others are processed.

    Args:
        corpus: to track.
        folder: of the stage.
        settings: of the stage; `processes` clips at a time.
        force: track all clips anew.

    Raises:
        CorpusError: if no clip shows a face.
        ArtifactError: as `open_stage`.
    """
    decisive = replace(settings, processes=1)  # the number of processes does not change the result
    stage = open_stage(
        folder,
        "faces",
        settings=decisive,
        inputs={"corpus": corpus.digest},
        sources=SOURCES,
        force=force,
    )
    damaged: dict[str, str] = {}
    if stage.complete:
        damaged = json.loads((folder / DAMAGED_NAME).read_text(encoding="utf-8"))
    else:
        todo = [clip for clip in corpus.clips if not track_path(folder, clip.key).exists()]
        jobs = [(clip.key, clip.video, track_path(folder, clip.key), settings) for clip in todo]
        done = run_jobs(_track_one, jobs, settings.processes)
        for job, reason in tqdm(done, total=len(jobs), desc="faces"):
            if reason:
                damaged[job[0]] = reason
        write_json(folder / DAMAGED_NAME, damaged)
    usable = tuple(clip.key for clip in corpus.clips if clip.key not in damaged)
    if not usable:
        first = next(iter(damaged.values()))
        raise CorpusError(f"{corpus.root}: no clip can be used; the first: {first}")
    if not stage.complete:
        stage.finish(clips=len(usable), damaged=len(damaged))
    return FaceStore(folder, usable, damaged, stage.digest)


Job = tuple[str, Path, Path, FaceSettings]
"""Clip key, video, file of the track, settings."""


def _track_one(job: Job) -> str:
    """Track one clip into its file; gives why it failed, or an empty reason."""
    from spfem.face.track import track_clip

    _, video, path, settings = job
    try:
        track_clip(video, settings).save(path)
    except SpfemError as error:
        return str(error)
    return ""
