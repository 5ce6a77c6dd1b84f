"""What moving the source's own pixels costs, and what the codes that move them cost.

Every row shows one and the same edits, made from other codes or by another renderer, so that the
loss of pictures, of tracking and of codes can be told apart. This needs true counterparts, which
recordings do not have. Scores are taken from the written mp4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spfem.corpus.protocol import Edit, edit_protocol, spread_actors
from spfem.errors import CorpusError, InputError, ShapeError
from spfem.evaluation.emotion import EmotionClassifier
from spfem.evaluation.estimates import AVERAGE, Estimates
from spfem.evaluation.frechet import BLENDSHAPES
from spfem.evaluation.mouth import REGIONS, detail_ratio
from spfem.evaluation.scores import (
    ClipScore,
    EditedCodes,
    FaceSample,
    Instruments,
    ShownClip,
    load_score,
    save_score,
    score_clip,
)
from spfem.evaluation.tables import describe_cell
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
from spfem.run.renderers import make_actor_renderers
from spfem.run.results import (
    emotion_classifier,
    load_identity,
    open_score_stage,
    real_samples,
    sample_source,
)
from spfem.run.workspace import Workspace, work_off
from spfem.settings import EMOTIONS, EvaluationSettings

ROWS: Mapping[str, str] = {
    "copy": "source as it is",
    "own": "own codes",
    "ned": "NED's codes",
    "habit": "actor's habit",
    "fitted": "fitted to the truth",
    "exact": "true units",
    "truth": "true edit",
    "ned_renderer_own": "own codes",
    "ned_renderer_ned": "NED's codes",
    "ned_renderer_fitted": "fitted to the truth",
}
"""Rows -> what is shown: a video of the corpus, or the codes that the source is shown with.

`habit` adds the mean difference of the actor's other clips to the source's codes, without a
network; `fitted` is what a perfect manipulator would give, `exact` the difference of the units that
made both videos. `copy` and `truth` are encoded and tracked again like all others. Rows of NED's
renderer say so; the others move pixels.
"""

NED_RENDERER = "ned_renderer_"  # how the names of rows by NED's renderer begin
OWN_ROWS = ("own", "ned_renderer_own")
"""Rows that show the source itself and are held against it; no emotion was wished."""

METRICS = (
    "mouth_error", "mesh_mouth_error", "emotion_accuracy", "fad", "detail_mouth", "detail_eyes",
)  # fmt: skip
COLUMNS = ("row", "metric", "value", "ci_low", "ci_high", "edits")
OF_A_WISH = ("emotion_accuracy", "fad")  # metrics that need a wished emotion

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
        wanted = [(actor, METHOD, 0) for actor in sorted({edit.actor for edit in edits})]
        for (actor, *_), made in make_actor_renderers(workspace, wanted).items():
            inputs[actor] = made.digest
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
        kind: `own`, `ned`, `habit`, `fitted` or `exact`, see `ROWS`.
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


def moved_pixels_table(
    scores: Sequence[ClipScore],
    real: Sequence[FaceSample],
    settings: EvaluationSettings,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Assemble the table.

    The value of a row is the mean over the emotions of the mean over their edits, as in
    `main_results`. Intervals redraw source clips, all edits of a source together, since they are
    alike; so they speak for these actors, who are too few to be redrawn.

    Args:
        scores: of all edits; `method` is the row, and `scores` hold `detail_mouth` and
            `detail_eyes` beside what `score_clip` gives.
        real: samples of real clips of the edited actors, all emotions, for the Fréchet distance.
        settings: resamples and confidence.
        seed: of the resampling.

    Returns:
        Rows with `COLUMNS`, in the order of `ROWS` and `METRICS`; `value` is NaN with `edits` 0
        where there is nothing to measure: a wish in `OWN_ROWS`, codes behind `truth`.

    Raises:
        ShapeError: if a score is of no known row, or two are of the same row and edit.
    """
    unknown = sorted({score.method for score in scores} - set(ROWS))
    if unknown:
        raise ShapeError(f"rows are of {', '.join(ROWS)}; found {', '.join(unknown)}")
    rows: list[dict[str, Any]] = []
    per_clip = [metric for metric in METRICS if metric != "fad"]
    estimates = Estimates(
        real, settings, seed=seed, metrics=per_clip, backbones=(BLENDSHAPES,), redraw_actors=False
    )
    for row in ROWS:
        part = [score for score in scores if score.method == row]
        if len({score.edit for score in part}) < len(part):
            raise ShapeError(f"two scores of row {row!r} are of one edit; give each edit once")
        if part:
            found = {metric: cells for (metric, _), cells in estimates.of(part).items()}
            for metric in METRICS:
                wished = row not in OWN_ROWS or metric not in OF_A_WISH
                cell = found[metric].get(AVERAGE) if wished else None
                told = describe_cell(cell, settings, metric)
                rows.append({"row": row, "metric": metric, **told, "edits": told["clips"]})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def moved_pixels_layout(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is read: a line a row, a column a metric, intervals in brackets."""
    lines = []
    for row in dict.fromkeys(table.row):
        part = table[table.row == row].set_index("metric")
        line = {"row": row, "edits": str(part.edits.max())}
        for metric in METRICS:
            cell = part.loc[metric]
            text = f"{cell.value:.2f} [{cell.ci_low:.2f}, {cell.ci_high:.2f}]"
            line[metric] = text if cell.edits else "n/a"
        lines.append(line)
    return pd.DataFrame(lines)
