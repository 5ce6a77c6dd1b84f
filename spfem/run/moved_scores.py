"""Scores of the rows of the table of moved pixels, taken from the written mp4 of every edit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from spfem.corpus.protocol import Edit
from spfem.evaluation.emotion import EmotionClassifier
from spfem.evaluation.mouth import REGIONS, detail_ratio
from spfem.evaluation.moved_pixels import OWN_ROWS, moved_pixels_table
from spfem.evaluation.scores import (
    ClipScore,
    EditedCodes,
    Instruments,
    ShownClip,
    load_score,
    sample_face,
    save_score,
    score_clip,
)
from spfem.face.track import EditTrack
from spfem.files import digest
from spfem.media.video import read_video
from spfem.processes import run_jobs
from spfem.run.data import make_persons
from spfem.run.moved import FOLDER, UNMOVED, MadeRow, MovedEdits, make_moved_edits
from spfem.run.results import (
    clips_by_key,
    emotion_classifier,
    load_identity,
    open_score_stage,
    processes,
    read_clip,
    real_samples,
    true_codes,
)
from spfem.run.workspace import Workspace


@dataclass(frozen=True)
class _SourceJob:
    """The edits of one source, in all rows."""

    workspace: Workspace
    made: MovedEdits
    source: str
    classifier: EmotionClassifier
    folder: Path


def measure_moved_pixels(workspace: Workspace) -> pd.DataFrame:
    """The table `moved_pixels`: make what is missing, score it, and take the intervals.

    Raises:
        CorpusError: if the corpus has no true counterparts.
    """
    made = make_moved_edits(workspace)
    actors = {edit.actor for edit in made.edits}
    real = [sample for sample in real_samples(workspace) if sample.actor in actors]
    return moved_pixels_table(score_moved_edits(workspace, made), real, workspace.scale.evaluation)


def score_moved_edits(workspace: Workspace, made: MovedEdits) -> list[ClipScore]:
    """Scores of every row and edit; `OWN_ROWS` show a source once, whatever the wish."""
    stage = open_score_stage(
        workspace,
        FOLDER,
        {"identity_frames": workspace.scale.evaluation.identity_frames},
        {"rows": digest({row: one.digest for row, one in made.rows.items()})},
        (_score_source, emotion_classifier),
    )
    paths = [
        _score_file(stage.folder, row, edit)
        for row in made.rows.values()
        for edit in _scored(row, made.edits)
    ]
    if not all(path.exists() for path in paths):
        classifier = emotion_classifier(workspace)
        jobs = [
            _SourceJob(workspace, made, source, classifier, stage.folder)
            for source in dict.fromkeys(edit.source for edit in made.edits)
        ]
        done = run_jobs(_score_source, jobs, processes(workspace))
        for _ in tqdm(done, total=len(jobs), desc="scores of moved pixels"):
            pass
    if not stage.complete:
        stage.finish(scores=len(paths))
    return [load_score(path) for path in paths]


def _scored(row: MadeRow, edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """The edits that a row is scored on: of `OWN_ROWS` the first of each source."""
    if row.row not in OWN_ROWS:
        return edits
    return tuple({edit.source: edit for edit in reversed(edits)}.values())


def _score_file(folder: Path, row: MadeRow, edit: Edit) -> Path:
    return folder / row.row / f"{edit.name}.npz"


def _score_source(job: _SourceJob) -> None:
    """Score and save what is missing of one source."""
    workspace = job.workspace
    clip = clips_by_key(workspace)[job.source]
    source = read_clip(workspace, clip)
    instruments = Instruments(job.classifier, load_identity(workspace))
    sample = sample_face(
        source,
        actor=clip.actor,
        emotion=clip.emotion,
        identity_frames=workspace.scale.evaluation.identity_frames,
        network=instruments.identity,
    )
    for edit in (edit for edit in job.made.edits if edit.source == job.source):
        video = read_video(clip.counterpart(edit.emotion)[0])
        true_edit = ShownClip(video.frames, job.made.true_track(edit))
        for row in job.made.rows.values():
            path = _score_file(job.folder, row, edit)
            if path.exists() or edit not in _scored(row, job.made.edits):
                continue
            shown = ShownClip(
                read_video(row.video(edit)).frames, EditTrack.load(row.track_file(edit))
            )
            truth = source if row.row in OWN_ROWS else true_edit
            score = score_clip(
                edit,
                row.row,
                shown,
                source=sample,
                truth=truth,
                instruments=instruments,
                codes=_codes(workspace, row, edit),
            )
            save_score(path, replace(score, scores={**score.scores, **_details(shown, truth)}))


def _details(shown: ShownClip, truth: ShownClip) -> dict[str, float]:
    both = shown.track.found & truth.track.found
    places = truth.track.landmarks[both]
    return {
        f"detail_{region}": detail_ratio(shown.frames[both], truth.frames[both], places, region)
        for region in REGIONS
    }


def _codes(workspace: Workspace, row: MadeRow, edit: Edit) -> EditedCodes | None:
    """The codes of a row beside those that they are held against; None for the true edit."""
    if row.row == "truth":
        return None
    clip, track = clips_by_key(workspace)[edit.source], make_persons(workspace)[edit.source]
    codes = track.expression if row.row in UNMOVED else np.load(row.codes_file(edit))
    true = track.expression if row.row in OWN_ROWS else true_codes(workspace, clip, edit.emotion)
    return None if true is None else EditedCodes(track.identity, codes, true)
