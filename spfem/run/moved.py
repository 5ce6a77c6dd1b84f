"""The table of moved pixels: one set of edits, shown from different codes by two renderers.

They tell what pictures, tracking and codes lose (`spfem.evaluation.moved_pixels`), so they need
true counterparts, which recordings do not have. Scores are taken from the written mp4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from spfem.corpus.protocol import Edit, edit_protocol, spread_actors
from spfem.errors import CorpusError, InputError
from spfem.evaluation.emotion import EmotionClassifier
from spfem.evaluation.mouth import REGIONS, detail_ratio
from spfem.evaluation.moved_pixels import NED_RENDERER, OWN_ROWS, ROWS, moved_pixels_table
from spfem.evaluation.scores import (
    ClipScore,
    EditedCodes,
    Instruments,
    ShownClip,
    load_score,
    save_score,
    score_clip,
)
from spfem.files import digest, file_digest, writing
from spfem.media.video import read_video
from spfem.run.artifacts import Stage, open_stage
from spfem.run.data import make_corpus, make_persons
from spfem.run.edits import (
    HABIT,
    MadeCounterparts,
    MadeEdits,
    clips_by_key,
    edited_codes,
    face_settings,
    listed,
    moved_frames,
    rendered_frames,
    track_counterparts,
    true_codes,
    write_edits,
)
from spfem.run.manipulators import make_manipulator
from spfem.run.persons import load_person, read_track
from spfem.run.renderers import make_actor_renderer
from spfem.run.results import (
    emotion_classifier,
    load_identity,
    open_score_stage,
    real_samples,
    sample_source,
)
from spfem.run.workspace import Workspace, work_off
from spfem.settings import EMOTIONS

METHOD = "ned"  # whose manipulator and renderer the rows of moved pixels show
UNMOVED = ("copy", "truth")  # rows that show a video of the corpus
ONE_A_SOURCE = ("copy", *OWN_ROWS)  # rows whose video is the same for every wish
FOLDER = "moved_pixels"


@dataclass(frozen=True)
class MovedEdits:
    """What `make_moved_edits` made.

    Attributes:
        edits: that every row shows.
        rows: by name, in the order of `ROWS`.
        truths: tracks of the true counterparts.
    """

    edits: tuple[Edit, ...]
    rows: Mapping[str, MadeEdits]
    truths: MadeCounterparts


def moved_edits(workspace: Workspace) -> tuple[Edit, ...]:
    """Neutral sources of some target actors, each to several emotions, that have a true edit.

    Actors are spread over their order, so that two of them are of both sexes. Empty where the
    corpus has no truth.
    """
    settings, corpus = workspace.scale.moved_pixels, make_corpus(workspace)
    if not corpus.has_truth:
        return ()
    clips = clips_by_key(workspace)
    every = edit_protocol(corpus, sources_per_actor=settings.sources)
    chosen = spread_actors([edit.actor for edit in every], settings.actors)
    return tuple(
        edit
        for edit in every
        if edit.setting == "intra"
        and edit.actor in chosen
        and edit.emotion in EMOTIONS[1 : 1 + settings.emotions]
        and clips[edit.source].counterpart(edit.emotion)[0].exists()
    )


def make_moved_edits(workspace: Workspace) -> MovedEdits:
    """Make what is missing of the videos of every row, and track the written files.

    Raises:
        CorpusError: if the corpus has no true counterparts.
    """
    edits = moved_edits(workspace)
    if not edits:
        raise CorpusError(
            f"the corpus {workspace.corpus} has no true counterparts, which tell what moving "
            "pixels loses; use the embedded corpus (--corpus synthetic)"
        )
    truths = track_counterparts(workspace, edits, (FOLDER, "true_tracks"))
    opened = {row: _open_row(workspace, row, edits, truths.digest) for row in ROWS}
    rows = {
        row: MadeEdits(stage.folder, stage.digest, row in ONE_A_SOURCE)
        for row, stage in opened.items()
    }
    jobs = [
        (workspace, row, made, truths, part)
        for row, made in rows.items()
        for part in made.missing(edits, "source")
    ]
    work_off(workspace, _make_row, jobs, "moved pixels")
    for stage in opened.values():
        if not stage.complete:
            stage.finish(edits=len(edits))
    return MovedEdits(edits, rows, truths)


def _open_row(workspace: Workspace, row: str, edits: tuple[Edit, ...], true_tracks: str) -> Stage:
    inputs = {"faces": make_persons(workspace).digest, "corpus": make_corpus(workspace).digest}
    if row.endswith("fitted"):
        inputs["true_tracks"] = true_tracks
    if row in ("ned", f"{NED_RENDERER}ned"):
        inputs["manipulator"] = file_digest(make_manipulator(workspace, METHOD))
    if row.startswith(NED_RENDERER):
        for actor in sorted({edit.actor for edit in edits}):
            inputs[actor] = make_actor_renderer(workspace, actor, METHOD).digest
    return open_stage(
        workspace.stage_folder(FOLDER, row),
        f"{FOLDER} {row}",
        settings={"face": face_settings(workspace), "edits": listed(edits)},
        inputs=inputs,
        code=(_shown_frames if row in UNMOVED else _moved_frames, write_edits),
    )


def _make_row(job: tuple[Workspace, str, MadeEdits, MadeCounterparts, tuple[Edit, ...]]) -> None:
    """Make the videos and tracks of some edits of one source in one row."""
    workspace, row, made, truths, edits = job
    draw = (
        partial(_shown_frames, workspace, row)
        if row in UNMOVED
        else partial(_moved_frames, workspace, row, made, truths)
    )
    write_edits(workspace, made, edits, draw)


def _shown_frames(workspace: Workspace, row: str, edits: list[Edit]) -> dict[Edit, np.ndarray]:
    """Frames of edits of one source as they lie in the corpus."""
    source = clips_by_key(workspace)[edits[0].source]
    if row == "truth":
        return {e: read_video(source.counterpart(e.emotion)[0]).frames for e in edits}
    return dict.fromkeys(edits, read_video(source.video).frames)


def _moved_frames(
    workspace: Workspace, row: str, made: MadeEdits, truths: MadeCounterparts, edits: list[Edit]
) -> dict[Edit, np.ndarray]:
    """Frames of edits of one source, made; the codes behind them are written."""
    codes = row_codes(workspace, row.removeprefix(NED_RENDERER), edits, truths)
    for edit, moved in codes.items():
        with writing(made.codes_file(edit)) as aside:
            np.save(aside, moved)
    if row.startswith(NED_RENDERER):
        return rendered_frames(workspace, METHOD, 0, codes)
    return moved_frames(workspace, codes)


def row_codes(
    workspace: Workspace, kind: str, edits: list[Edit], truths: MadeCounterparts
) -> dict[Edit, np.ndarray]:
    """Codes (T, E) float32 of edits of one source.

    Args:
        workspace: where.
        kind: `own`, `ned`, `habit`, `fitted` or `exact`, see `evaluation.moved_pixels.ROWS`.
        edits: of one source.
        truths: tracks of their true counterparts.

    Raises:
        InputError: if the kind is unknown.
    """
    source = clips_by_key(workspace)[edits[0].source]
    track = make_persons(workspace)[source.key]
    if kind == "own":
        return dict.fromkeys(edits, track.expression)
    if kind in (METHOD, HABIT):
        return edited_codes(workspace, kind, 0, edits)
    if kind == "fitted":
        settings = workspace.scale.face
        person = load_person(make_persons(workspace), edits[0].actor)
        tracks = {edit: truths.track(edit.source, edit.emotion) for edit in edits}
        return {e: read_track(seen, person, settings).expression for e, seen in tracks.items()}
    if kind == "exact":
        known = {e: true_codes(workspace, source, e.emotion) for e in edits}
        return {edit: codes for edit, codes in known.items() if codes is not None}
    raise InputError(f"codes of kind {kind!r} are unknown")


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
        _score_file(stage.folder, row, edit) for row in ROWS for edit in _scored(row, made.edits)
    ]
    if not all(path.exists() for path in paths):
        classifier = emotion_classifier(workspace)
        sources = dict.fromkeys(edit.source for edit in made.edits)
        jobs = [(workspace, made, source, classifier, stage.folder) for source in sources]
        work_off(workspace, _score_source, jobs, "scores of moved pixels")
    if not stage.complete:
        stage.finish(scores=len(paths))
    return [load_score(path) for path in paths]


def _scored(row: str, edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """The edits that a row is scored on: of `OWN_ROWS` the first of each source."""
    if row not in OWN_ROWS:
        return edits
    return tuple({edit.source: edit for edit in reversed(edits)}.values())


def _score_file(folder: Path, row: str, edit: Edit) -> Path:
    return folder / row / f"{edit.name}.npz"


def _score_source(job: tuple[Workspace, MovedEdits, str, EmotionClassifier, Path]) -> None:
    """Score and save what is missing of one source."""
    workspace, made, key, classifier, folder = job
    clip = clips_by_key(workspace)[key]
    instruments = Instruments(classifier, load_identity(workspace))
    source, sample = sample_source(workspace, clip, instruments.identity)
    for edit in (edit for edit in made.edits if edit.source == key):
        video = read_video(clip.counterpart(edit.emotion)[0])
        true_edit = ShownClip(video.frames, made.truths.track(key, edit.emotion))
        for row, edits in made.rows.items():
            path = _score_file(folder, row, edit)
            if path.exists() or edit not in _scored(row, made.edits):
                continue
            shown = ShownClip(read_video(edits.video(edit)).frames, edits.track(edit))
            truth = source if row in OWN_ROWS else true_edit
            score = score_clip(
                edit,
                row,
                shown,
                source=sample,
                truth=truth,
                instruments=instruments,
                unedited=source,
                codes=_codes_beside_true(workspace, row, edits, edit),
            )
            save_score(path, replace(score, scores={**score.scores, **_details(shown, truth)}))


def _details(shown: ShownClip, truth: ShownClip) -> dict[str, float]:
    both = shown.track.found & truth.track.found
    places = truth.track.landmarks[both]
    return {
        f"detail_{region}": detail_ratio(shown.frames[both], truth.frames[both], places, region)
        for region in REGIONS
    }


def _codes_beside_true(
    workspace: Workspace, row: str, made: MadeEdits, edit: Edit
) -> EditedCodes | None:
    """The codes of a row beside those that they are held against; None for the true edit."""
    if row == "truth":
        return None
    clip, track = clips_by_key(workspace)[edit.source], make_persons(workspace)[edit.source]
    codes = track.expression if row in UNMOVED else np.load(made.codes_file(edit))
    true = track.expression if row in OWN_ROWS else true_codes(workspace, clip, edit.emotion)
    return None if true is None else EditedCodes(track.identity, codes, true)
