"""The audit: every clip measured, methods compared, drawn, and what it says in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.axes import Axes
from tqdm.auto import tqdm

from spfem.errors import InputError
from spfem.evaluation.emotion import EmotionClassifier
from spfem.evaluation.tables import save_table
from spfem.face.descriptor import SAME_PERSON_DISTANCE
from spfem.methods import NED
from spfem.plots import LOOKS, look_of, title_of
from spfem.processes import run_jobs
from spfem.run.edits import MOVED, clips_by_key, make_edits, shown_edits
from spfem.run.workspace import Workspace
from studies.audit import (
    METRICS,
    REFERENCE,
    SOURCE,
    AuditSettings,
    MeasuredClip,
    MeasureJob,
    Problem,
    PublishedClip,
    measure_clip,
    read_published,
)
from studies.audit_order import BASELINES, mean_ranks, order_seen, paired_differences, verdicts
from studies.audit_panels import Curve, best_offset, sample_at
from studies.drawing import draw_on
from studies.interval_plots import against_zero


@dataclass(frozen=True)
class Audit:
    """Result of `audit_clips`.

    `measures` has a row a clip and panel, with the columns of `METRICS` and facts; `differences`
    are those of `paired_differences`, `ranks` of `mean_ranks`; `problems` has clip, panel, reason;
    `people` are persons in the sources, told apart by dlib; `chance` is the mean correlation of lip
    opening that the same search finds with the sources of other clips, NaN with a single clip.
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
    """Measure and compare clips of `read_published` or `embedded_clips`; new problems are added.

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
                both = other.openings[SOURCE], one.openings[name]
                frames = min(len(curve.values) for curve in both)
                cut = [Curve(c.values[:frames], c.usable[:frames], c.fps) for c in both]
                best = search(*cut, clock=alignment.clock)
                values += [] if best is None else [best.correlation]
    return float(np.mean(values)) if values else float("nan")


def what_few_clips_tell(audit: Audit, settings: AuditSettings) -> str:
    """How much the number of clips allows to say, by group."""
    sentences = [
        f"{len(audit.clips)} clips of about {audit.people} persons, taken as independent although "
        "clips of one person are alike."
    ]
    for group, part in audit.differences.groupby("group", sort=False):
        clips, tests = int(part.clips.max()), len(part)
        least = 2 / 2**clips
        able = "can" if least * tests <= settings.error_rate else "cannot"
        sentences.append(
            f"{group}: {clips} clips, so the smallest p is {least:.4f}; with {tests} comparisons "
            f"a single one {able} pass Holm's first step ({settings.error_rate / tests:.4f})."
        )
    return "\n".join(sentences)


def time_found(audit: Audit) -> pd.DataFrame:
    """How panels lie in the time of their source, one row a clip."""
    results = audit.measures.dropna(subset=["offset_frames"])
    rows = []
    for clip, part in results.groupby("clip", sort=False):
        offsets = {row.panel: f"{row.offset_frames:+g}" for row in part.itertuples()}
        rows.append({"clip": clip, "clock": round(float(part.clock.iloc[0]), 4), **offsets})
    return pd.DataFrame(rows).fillna("")


def label_trust(measures: pd.DataFrame) -> pd.DataFrame:
    """How often the namers of emotions agree with the labels of real clips, and on results.

    References show the emotion that their clip is named after, played by a person; so the row
    `reference` is what a namer can be trusted with, and the others are to be read beside it.
    """
    rows = []
    for panel, part in measures[measures.panel != SOURCE].groupby("panel", sort=False):
        known = part[part.emotion.ne("") & part.emotion.ne("neutral")]
        if known.empty:
            continue
        row: dict[str, object] = {"panel": panel}
        for namer in ("named_by_direction", "named_by_classifier"):
            if namer in known:
                named = known.dropna(subset=[namer])
                right = int((named[namer] == named.emotion).sum())
                row[namer] = f"{right} of {len(named)}" if len(named) else "n/a"
        rows.append(row)
    rows.sort(key=lambda row: row["panel"] != REFERENCE)
    return pd.DataFrame(rows)


def audit_folder(folder: Path, out: Path, baselines: Sequence[str], processes: int) -> None:
    """Measure a folder of published clips, write the tables to `out` and print what they say."""
    settings, named = AuditSettings(), baselines or BASELINES
    clips, problems = read_published(folder)
    audit = audit_clips(clips, settings, problems=problems, baselines=named, processes=processes)
    for name in ("measures", "differences", "ranks", "problems"):
        save_table(getattr(audit, name), out, f"audit_{name}")
    shown = verdicts(audit.differences)
    print(time_found(audit).to_string(index=False))
    print(shown.to_string(index=False) if len(shown) else "too few clips to compare methods")
    print(order_seen(audit.differences).to_string(index=False))
    print(what_few_clips_tell(audit, settings))
    for row in audit.problems.itertuples():
        print(f"left out: {row.clip} {row.panel}: {row.reason}")
    print(f"wrote {out}/audit_*.csv")


CLIPS = 3


def embedded_clips(workspace: Workspace, seed: int = 0) -> list[PublishedClip]:
    """Edits of the main results, with the unchanged source and the truth as two more panels.

    The copy and the truth calibrate every number: what is given for doing nothing, and for doing
    it right. Three edits are spread over actors and emotions, each within one person.
    """
    made = {m: make_edits(workspace, MOVED, m, seed) for m in workspace.scale.methods_of(MOVED)}
    known = clips_by_key(workspace)
    shown = shown_edits(workspace, MOVED, NED, seed)
    chosen = [edit for edit in shown if edit.setting == "intra"]
    chosen = [edit for edit in chosen if edit.emotion != "neutral"]
    actors = list(dict.fromkeys(edit.actor for edit in chosen))
    clips = []
    for place in range(min(CLIPS, len(chosen))):
        own = [edit for edit in chosen if edit.actor == actors[place % len(actors)]]
        edit = own[2 * place % len(own)]
        source = known[edit.source]
        videos: dict[str, Path] = {SOURCE: source.video, REFERENCE: known[edit.reference].video}
        videos |= {method: edits.video(edit) for method, edits in made.items()}
        truth = source.counterpart(edit.emotion)[0]
        videos |= {"copy": source.video} | ({"truth": truth} if truth.is_file() else {})
        clips.append(PublishedClip(edit.name, "reference", edit.emotion, videos))
    return clips


INK = "#222222"
SPREAD = 0.5  # of a row, between clips of one method


def draw_lips(ax: Axes, measured: MeasuredClip, method: str) -> Axes:
    """Draw the opening of the lips of source and result in the time of the source."""
    source, result = measured.openings[SOURCE], measured.openings[method]
    alignment = measured.alignments[method]
    places = alignment.places(len(source.values))
    values, shared = sample_at(result.values, result.usable, places)
    seconds = places / result.fps
    ax.plot(seconds, source.values, color="#777777", linewidth=2.5, alpha=0.6, label="source")
    values[~shared] = float("nan")
    ax.plot(seconds, values, color=look_of(method, 0).colour, label="result")
    ax.set_title(
        f"{title_of(method)}: offset {alignment.offset:+g} frames, clock {alignment.clock:.3g}, "
        f"correlation {alignment.correlation:.2f}",
        loc="left",
    )
    return ax


def draw_clip_differences(
    ax: Axes, clips: pd.DataFrame, summary: pd.DataFrame, metric: str
) -> Axes:
    """Draw the difference to the baseline of every clip, and its mean with interval.

    `clips` are of `clip_differences`, `summary` is one group of `paired_differences`.
    """
    part, methods = clips[clips.metric == metric], list(dict.fromkeys(clips.method))
    kinds = sorted(set(clips.driven_by))
    looks = [LOOKS[number % len(LOOKS)] for number, _ in enumerate(kinds)]
    chart = so.Plot(part, y="method").add(
        so.Dot(pointsize=4, alpha=0.75), so.Jitter(SPREAD, seed=0), x="difference",
        color="driven_by", marker="driven_by", orient="y", legend=False,
    )  # fmt: skip
    mean = {"data": summary[summary.metric == metric], "y": "method", "legend": False}
    chart = chart.add(
        so.Range(color=INK, linewidth=2), xmin="ci_low", xmax="ci_high", orient="y", **mean
    )
    dash = so.Dot(color=INK, marker="|", pointsize=16, stroke=2)
    chart = chart.add(dash, x="difference", orient="y", **mean).scale(
        y=so.Nominal(order=methods),
        color=so.Nominal([look.colour for look in looks], order=kinds),
        marker=so.Nominal([look.marker for look in looks], order=kinds),
    )
    draw_on(ax, chart)
    for kind, look in zip(kinds, looks, strict=True):
        label = f"{kind}-driven"
        ax.plot([], [], look.marker, color=look.colour, ms=4, alpha=0.75, label=label)
    against_zero(ax, [title_of(name) for name in methods])
    better = "right" if METRICS[metric].higher else "left"
    ax.set_title(f"{METRICS[metric].title} (better: {better})", loc="left")
    return ax
