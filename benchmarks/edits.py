"""`python -m benchmarks edits DIR`: edits of real clips, measured without any truth.

A folder of published clips is edited by `spfem.edit` at its defaults, and every result is held
against its source by the measures of the audit. What a real person changes when an emotion comes
is taken from the folder's references: mean scores of the tracker over the clips that show the
emotion, less those of a resting face. As most references show other people than their source, the
resting face is the median of all sources, in which persons even out. No picture leaves the
machine: the table holds numbers only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from studies.audit import (
    REFERENCE,
    SOURCE,
    Problem,
    PublishedClip,
    direction_cosine,
    label_direction,
    mean_scores,
    read_published,
    strength,
)
from studies.audit_panels import (
    Alignment,
    Panel,
    follow_source,
    frame_difference,
    open_panel,
    sharpness,
)
from tqdm.auto import tqdm

from spfem.edit.video import EditRequest, edit_video
from spfem.errors import InputError, SettingsError, SpfemError
from spfem.evaluation.identity import evenly_spaced, identity_distance
from spfem.evaluation.mouth import REGIONS, detail_ratio
from spfem.face.align import align_faces
from spfem.files import writing
from spfem.processes import run_jobs

IN_TIME = Alignment(1.0, 0.0, 1.0, 1.0)  # frame t of an edit is frame t of its source
IDENTITY_FRAMES = 6
FACE_SIZE = 256  # pixels, of aligned faces; released clips show them at about 140
COLUMNS = ("clip", "emotion", "metric", "value")


class Goal(NamedTuple):
    """What a metric should reach, as a range of its mean."""

    low: float
    high: float

    def in_words(self) -> str:
        """For tables."""
        if np.isinf(self.high):
            return f"at least {self.low:g}"
        return f"at most {self.high:g}" if np.isinf(self.low) else f"{self.low:g} to {self.high:g}"


GOALS: Mapping[str, Goal] = {
    "sharpness": Goal(0.95, np.inf),
    "identity_distance": Goal(-np.inf, 0.15),
    "jaw_correlation": Goal(0.97, np.inf),
    "frame_difference": Goal(0.95, 1.10),
    "change_cosine": Goal(0.7, np.inf),
    "change_strength": Goal(0.6, 1.2),
}
"""The metrics that have one; see `measure_edit` for all."""


@dataclass(frozen=True)
class RealEditJob:
    """One clip to edit to several emotions.

    Attributes:
        clip: of the folder.
        wishes: emotion -> mean change of scores (43,) of real clips that show it.
        options: of every request, by field of `EditRequest`: models, renderer and so on.
        videos: folder of the results, `<clip>-<emotion>.mp4`.
    """

    clip: PublishedClip
    wishes: Mapping[str, np.ndarray]
    options: Mapping[str, Any]
    videos: Path


def edit_real_clips(
    clips: Sequence[PublishedClip],
    *,
    options: Mapping[str, Any],
    videos: Path | None = None,
    processes: int = 1,
) -> tuple[pd.DataFrame, list[Problem]]:
    """Edit every clip to every emotion that a reference of the folder shows, and measure.

    Args:
        clips: from `folder.read_published`.
        options: of every `EditRequest` beside clip, result and emotion; without any, its defaults.
        videos: folder that keeps the results; a temporary one by default.
        processes: clips at a time.

    Returns:
        Rows with `COLUMNS`, numbers only, and what could not be edited or measured.

    Raises:
        InputError: if no clip has a reference of a known emotion, or nothing can be measured.
    """
    problems: list[Problem] = []
    scores: dict[tuple[str, str], np.ndarray] = {}
    jobs = [(clip, name) for clip in clips for name in (SOURCE, REFERENCE) if name in clip.videos]
    for (clip, name), found in run_jobs(_mean_scores_of, jobs, processes):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            scores[clip.name, name] = found
    usable = [clip for clip in clips if (clip.name, SOURCE) in scores]
    wishes = real_changes(scores, usable)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) if videos is None else videos
        edits = [RealEditJob(clip, wishes, options, kept) for clip in usable]
        done = run_jobs(_edit_and_measure, edits, processes)
        for _, (measured, failed) in tqdm(done, total=len(edits), desc="real edits"):
            rows += measured
            problems += failed
    if not rows:
        first = f"; the first reason: {problems[0].reason}" if problems else ""
        raise InputError(f"none of {len(clips)} clips could be edited and measured{first}")
    order = ["clip", "emotion"]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(order, kind="stable")
    return table.reset_index(drop=True), problems


def _mean_scores_of(job: tuple[PublishedClip, str]) -> np.ndarray | Problem:
    clip, name = job
    try:
        panel = open_panel(clip.videos[name], FACE_SIZE)
    except SpfemError as error:
        return Problem(clip.name, name, str(error))
    return mean_scores(panel.track.blendshapes, panel.usable)


def _edit_and_measure(job: RealEditJob) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Rows of one clip, all emotions."""
    rows: list[dict[str, Any]] = []
    problems = []
    path = job.clip.videos[SOURCE]
    source = open_panel(path, FACE_SIZE)
    for emotion, real in job.wishes.items():
        out = job.videos / f"{job.clip.name}-{emotion}.mp4"
        request = EditRequest(path, out, emotion, without_sound=True, **job.options)
        try:
            edit_video(request)
            measured = measure_edit(source, open_panel(out, FACE_SIZE), emotion, real)
        except SpfemError as error:
            problems.append(Problem(job.clip.name, emotion, str(error)))
            continue
        row = {"clip": job.clip.name, "emotion": emotion}
        rows += [row | {"metric": metric, "value": value} for metric, value in measured.items()]
    return rows, problems


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One line a metric: mean, smallest and largest value, by emotion, and whether goals are met.

    Args:
        table: of `edit_real_clips`.
    """
    lines = []
    for metric, part in table.groupby("metric", sort=False):
        values = part.value.dropna()
        mean = float(values.mean()) if len(values) else float("nan")
        line: dict[str, object] = {"metric": metric, "edits": len(values), "mean": mean}
        line |= {"least": values.min(), "most": values.max()}
        line |= {str(emotion): one for emotion, one in part.groupby("emotion").value.mean().items()}
        goal = GOALS.get(str(metric))
        line["wanted"] = "" if goal is None else goal.in_words()
        line["met"] = "" if goal is None else ("yes" if goal.low <= mean <= goal.high else "no")
        lines.append(line)
    return pd.DataFrame(lines)


def real_changes(
    scores: Mapping[tuple[str, str], np.ndarray], clips: Sequence[PublishedClip]
) -> dict[str, np.ndarray]:
    """Emotion -> mean change of scores (43,), of the clips whose reference shows it.

    Args:
        scores: (clip, `source` or `reference`) -> mean scores (43,).
        clips: of the folder.

    Raises:
        InputError: if no clip has a reference of a known emotion.
    """
    rest = np.median([scores[clip.name, SOURCE] for clip in clips], axis=0)
    shown: dict[str, list[np.ndarray]] = {}
    for clip in clips:
        if (clip.name, REFERENCE) in scores and clip.emotion not in ("", "neutral"):
            shown.setdefault(clip.emotion, []).append(scores[clip.name, REFERENCE] - rest)
    if not shown:
        raise InputError(
            "no clip of the folder has a reference that shows a known emotion, so there is no real "
            "change to compare with; give reference.mp4 and emotion_in_name of at least one clip"
        )
    return {emotion: np.mean(changes, axis=0) for emotion, changes in sorted(shown.items())}


def measure_edit(source: Panel, result: Panel, emotion: str, real: np.ndarray) -> dict[str, float]:
    """One edit beside its source, frame by frame.

    Args:
        source: of the edit.
        result: as many frames.
        emotion: that was wished.
        real: (43,) mean change of scores of real clips that show it.

    Returns:
        `sharpness`, `frame_difference` (inside the face) and `detail_mouth`, `detail_eyes`, all as
        a share of the source; `identity_distance` of dlib; `jaw_correlation`; `change_cosine` and
        `change_strength` of the change of scores with the real one, `label_cosine` with that of
        the label, `change_size`, `real_size`.

    Raises:
        InputError: if the frames differ in number, or no moment shows both faces.
    """
    if source.frames.shape != result.frames.shape:
        raise InputError(
            f"the edit has frames {result.frames.shape}, its source {source.frames.shape}; they "
            "must show the same moments"
        )
    both = source.usable & result.usable
    if not both.any():
        raise InputError("no frame shows the face in the edit and in its source")
    chosen = evenly_spaced(both, IDENTITY_FRAMES)
    change = mean_scores(result.track.blendshapes, both) - mean_scores(
        source.track.blendshapes, both
    )
    ours = source.track
    # One mask and one alignment for both, so that only the pictures differ.
    faces = align_faces(result.frames, ours.align, ours.faces.shape[1])
    row = {
        "sharpness": sharpness(faces, ours.masks, both) / sharpness(ours.faces, ours.masks, both),
        "frame_difference": frame_difference(faces, ours.masks, both)
        / frame_difference(ours.faces, ours.masks, both),
        "identity_distance": identity_distance(
            result.embeddings(chosen), source.embeddings(chosen)
        ),
        "jaw_correlation": follow_source(source, result, IN_TIME)["jaw_correlation"],
        "change_cosine": direction_cosine(change, real),
        "change_strength": strength(change, real),
        "label_cosine": direction_cosine(change, label_direction(emotion)),
        "change_size": float(np.linalg.norm(change)),
        "real_size": float(np.linalg.norm(real)),
        "frames_with_face": float(result.track.found[ours.found].mean()),
    }
    for region in REGIONS:
        row[f"detail_{region}"] = detail_ratio(
            result.frames[both], source.frames[both], ours.landmarks[both], region
        )
    return row


def write_edits(
    clips: Path,
    out: Path,
    videos: Path | None,
    models: Path | None,
    renderer: str | None,
    processes: int,
) -> None:
    """Edit and measure the clips of a folder, write the table and print its summary.

    Args:
        clips: folder with clips.csv, as of the audit.
        out: the table, a csv file.
        videos: folder that keeps the edited clips, or None.
        models: as of `EditRequest`; None for its default.
        renderer: as of `EditRequest`; None for its default.
        processes: clips at a time.

    Raises:
        SettingsError: if `processes` is below 1, or `out` is no csv file.
    """
    if processes < 1:
        raise SettingsError(f"--processes must be 1 or more, found {processes}")
    if out.suffix != ".csv":
        raise SettingsError(f"--out {out} must end in .csv")
    published, problems = read_published(clips)
    given = {"models": models, "renderer": renderer}
    options = {name: value for name, value in given.items() if value is not None}
    table, more = edit_real_clips(published, options=options, videos=videos, processes=processes)
    with writing(out) as aside:
        table.to_csv(aside, index=False, lineterminator="\n")
    print(summarise(table).round(3).to_string(index=False))
    for problem in [*problems, *more]:
        print(f"left out: {problem.clip} {problem.panel}: {problem.reason}")
    print(f"wrote {out}")
