"""The audit: every clip measured, methods compared, all that was left out listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from spfem.audit.folder import SOURCE, Problem, PublishedClip
from spfem.audit.measure import MeasuredClip, MeasureJob, measure_clip
from spfem.audit.order import BASELINES, mean_ranks, paired_differences
from spfem.audit.timing import Curve, best_offset
from spfem.errors import InputError
from spfem.evaluation.emotion import EmotionClassifier
from spfem.evaluation.identity import SAME_PERSON_DISTANCE
from spfem.processes import run_jobs
from spfem.settings.audit import AuditSettings


@dataclass(frozen=True)
class Audit:
    """Result of `audit_clips`.

    Attributes:
        measures: one row a clip and panel; columns are those of `metrics.METRICS` and facts.
        differences: of `order.paired_differences`.
        ranks: of `order.mean_ranks`.
        problems: columns clip, panel, reason.
        clips: what was measured, with curves.
        people: persons in the sources, told apart by dlib.
        chance: mean correlation of lip opening that the same search finds with the sources of
            other clips; NaN with a single clip.
    """

    measures: pd.DataFrame
    differences: pd.DataFrame
    ranks: pd.DataFrame
    problems: pd.DataFrame
    clips: list[MeasuredClip]
    people: int
    chance: float


def audit_clips(
    clips: Sequence[PublishedClip],
    settings: AuditSettings,
    *,
    problems: Sequence[Problem] = (),
    classifier: EmotionClassifier | None = None,
    baselines: Sequence[str] = BASELINES,
    processes: int = 1,
) -> Audit:
    """Measure and compare.

    Args:
        clips: from `folder.read_published` or `embedded.embedded_clips`.
        settings: of the audit.
        problems: found so far; new ones are added.
        classifier: names emotions beside the labels.
        baselines: names of the panels that the others are compared with.
        processes: clips at a time.

    Raises:
        InputError: if no clip can be measured, or none has a baseline.
    """
    jobs = [MeasureJob(clip, settings, classifier) for clip in clips]
    done = tqdm(run_jobs(measure_clip, jobs, processes), total=len(jobs), desc="audit")
    by_name = {answer.clip.name: answer for _, answer in done}
    measured = [by_name[clip.name] for clip in clips]
    listed = [*problems, *(problem for one in measured for problem in one.problems)]
    measured = [one for one in measured if one.rows]
    if not measured:
        first = f"; the first reason: {listed[0].reason}" if listed else ""
        raise InputError(f"none of {len(clips)} clips can be measured{first}")
    measures = pd.DataFrame([row for one in measured for row in one.rows])
    return Audit(
        measures,
        paired_differences(measures, settings, baselines=baselines),
        mean_ranks(measures, baselines),
        pd.DataFrame(listed, columns=list(Problem._fields)),
        measured,
        count_people([one.person for one in measured if len(one.person)]),
        correlation_by_chance(measured, settings),
    )


def count_people(descriptors: Sequence[np.ndarray]) -> int:
    """Number of persons among mean descriptors (128,); chains of like faces are one person."""
    people: list[list[np.ndarray]] = []
    for descriptor in descriptors:
        like = [
            person
            for person in people
            if min(np.linalg.norm(descriptor - other) for other in person) < SAME_PERSON_DISTANCE
        ]
        people = [person for person in people if all(person is not one for one in like)]
        people.append([descriptor, *(other for person in like for other in person)])
    return len(people)


def correlation_by_chance(measured: Sequence[MeasuredClip], settings: AuditSettings) -> float:
    """Mean best correlation of every result with the sources of all other clips.

    The same search over offsets at the clock of the result's own clip, over as many frames as
    both have: what a result that does not follow its source at all would be given.
    """
    search = partial(best_offset, largest_offset_seconds=settings.largest_offset_seconds)
    values = []
    for one in measured:
        for other in measured:
            if other is one:
                continue
            for name, alignment in one.alignments.items():
                result = one.openings[name]
                frames = min(len(result.values), len(other.openings[SOURCE].values))
                cut = [_first(curve, frames) for curve in (other.openings[SOURCE], result)]
                best = search(*cut, clock=alignment.clock)
                values += [] if best is None else [best.correlation]
    return float(np.mean(values)) if values else float("nan")


def _first(curve: Curve, frames: int) -> Curve:
    return Curve(curve.values[:frames], curve.usable[:frames], curve.fps)
