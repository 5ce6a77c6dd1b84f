"""Figures of the audit: lips over time, and differences to the baseline clip by clip.

Three clips of the embedded corpus in the place of published ones, results by our own methods.

Which method is better, clip by clip, and whether the papers' order is seen.

Every other method is compared with the baseline of the same clip. Few clips tell little: with n
clips, the smallest p of an exact sign-flip test is 2 / 2**n, and many comparisons are made at once.
So the verdict `better` needs a p below the error rate after Holm's correction over all comparisons
of a group of clips; an interval clear of zero, with an uncorrected p below the lean rate, is called
a lean. A metric that is no better than 0 on the unedited sources themselves cannot tell anything.

The audit: every clip measured, methods compared, all that was left out listed.

What the audit's tables say, in sentences whose numbers are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.axes import Axes
from tqdm.auto import tqdm

from spfem.errors import InputError
from spfem.evaluation.emotion import EmotionClassifier
from spfem.evaluation.tables import CALIBRATION, save_table
from spfem.face.descriptor import SAME_PERSON_DISTANCE
from spfem.plots import LOOKS, look_of, title_of
from spfem.processes import run_jobs
from spfem.run.edits import clips_by_key, make_edits, protocol
from spfem.run.workspace import Workspace
from spfem.statistics import cluster_bootstrap, holm
from studies.audit import (
    COMPARED,
    METRICS,
    REFERENCE,
    SOURCE,
    AuditSettings,
    Curve,
    MeasuredClip,
    MeasureJob,
    Problem,
    PublishedClip,
    best_offset,
    measure_clip,
    read_published,
    sample_at,
)
from studies.drawing import draw_on
from studies.interval_plots import against_zero

INK = "#222222"
SPREAD = 0.5  # of a row, between clips of one method


def draw_lips(ax: Axes, measured: MeasuredClip, method: str) -> Axes:
    """Draw the opening of the lips of source and result in the time of the source.

    Args:
        ax: empty axes.
        measured: clip.
        method: panel of a result.
    """
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

    Args:
        ax: empty axes.
        clips: of `order.clip_differences`.
        summary: of `order.paired_differences`, one group.
        metric: which one.
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


CLIPS = 3


def embedded_clips(workspace: Workspace, seed: int = 0) -> list[PublishedClip]:
    """Edits of the main results, with the unchanged source and the truth as two more panels.

    The copy and the truth calibrate every number: what is given for doing nothing, and for doing
    it right.

    Args:
        workspace: edits of its methods are made if they are missing.
        seed: of the methods' training.

    Returns:
        Three edits spread over actors and emotions, each within one person, neutral left out.
    """
    made = {method: make_edits(workspace, method, seed) for method in workspace.scale.methods}
    known = clips_by_key(workspace)
    chosen = [edit for edit in protocol(workspace) if edit.setting == "intra"]
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


BASELINES = ("ned", "baseline")
FEWEST_CLIPS = 3
EXACT_CLIPS = 14  # sign flips are all tried up to here, drawn beyond
DRAWS = 20_000
EVERYTHING = "all clips"
CANNOT_TELL = "cannot tell: no better than 0 on the sources"

COLUMNS = (
    "group", "metric", "method", "baseline", "difference", "ci_low", "ci_high", "clips",
    "better_in", "p", "p_holm", "claim", "verdict",
)  # fmt: skip


def paired_differences(
    measures: pd.DataFrame,
    settings: AuditSettings,
    *,
    baselines: Sequence[str] = BASELINES,
    seed: int = 0,
) -> pd.DataFrame:
    """Method less baseline of the same clip, over all clips and by what drove them.

    Args:
        measures: one row a clip and panel, with the metrics as columns.
        settings: resamples, confidence and error rate.
        baselines: names of baseline panels; a clip takes the first that it has.
        seed: of the bootstrap.

    Returns:
        Rows with `COLUMNS`, one a group, metric and method with three clips or more.
        `difference` has an interval of the bootstrap over clips, `better_in` counts clips in
        which the method is better, `p` is the exact sign-flip test's, `p_holm` that corrected
        for all comparisons of the group.

    Raises:
        InputError: if no clip has a baseline.
    """
    pairs = clip_differences(measures, baselines)
    groups = {EVERYTHING: pairs}
    if pairs.driven_by.nunique() > 1:
        groups |= {f"{kind}-driven": part for kind, part in pairs.groupby("driven_by")}
    tables = [_group_rows(name, part, settings, seed) for name, part in groups.items()]
    table = pd.DataFrame([row for rows in tables for row in rows], columns=list(COLUMNS))
    blind = _blind_metrics(measures, settings, seed)
    return table.assign(verdict=table.verdict.mask(table.metric.isin(blind), CANNOT_TELL))


def rival_panels(measures: pd.DataFrame) -> pd.DataFrame:
    """The rows of `measures` that compete: no source, reference, copy or truth."""
    return measures[~measures.panel.isin((SOURCE, REFERENCE, *CALIBRATION))]


def clip_differences(measures: pd.DataFrame, baselines: Sequence[str] = BASELINES) -> pd.DataFrame:
    """Method less baseline, one row a clip, method and metric that both have.

    Args:
        measures: one row a clip and panel, with the metrics as columns.
        baselines: names of baseline panels; a clip takes the first that it has.

    Returns:
        Columns clip, driven_by, method, metric, baseline (its value) and difference.

    Raises:
        InputError: if no clip has a baseline.
    """
    rivals = rival_panels(measures)
    order = {name: place for place, name in enumerate(baselines)}
    base = rivals[rivals.panel.isin(order)].sort_values("panel", key=lambda names: names.map(order))
    if base.empty:
        raise InputError(
            f"no clip has a panel named {' or '.join(baselines)}; name the baseline's panel"
        )
    base = base.drop_duplicates("clip").set_index("clip")
    others = rivals[rivals["clip"].isin(base.index)]
    others = others[others.panel != base.panel.loc[others["clip"]].to_numpy()]
    tables = []
    for metric in (name for name in COMPARED if name in measures):
        value = base[metric].loc[others["clip"]].to_numpy(float)
        tables.append(
            pd.DataFrame(
                {
                    "clip": others["clip"].to_numpy(),
                    "driven_by": others.driven_by.to_numpy(),
                    "method": others.panel.to_numpy(),
                    "metric": metric,
                    "baseline": value,
                    "difference": others[metric].to_numpy(float) - value,
                }
            )
        )
    return pd.concat(tables, ignore_index=True).dropna(subset=["difference"])


def _group_rows(
    group: str, pairs: pd.DataFrame, settings: AuditSettings, seed: int
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for (metric, method), part in pairs.groupby(["metric", "method"], sort=False):
        if len(part) < FEWEST_CLIPS:
            continue
        differences = part.difference.to_numpy(float)
        interval = cluster_bootstrap(
            differences,
            np.arange(len(part)),
            resamples=settings.resamples,
            confidence=settings.confidence,
            seed=seed,
        )
        gains = differences if METRICS[str(metric)].higher else -differences
        rows.append(
            {
                "group": group,
                "metric": metric,
                "method": method,
                "baseline": float(part.baseline.mean()),
                "difference": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "clips": len(part),
                "better_in": int((gains > 0).sum()),
                "p": sign_flip_p(differences),
                "claim": METRICS[str(metric)].claim,
            }
        )
    corrected = holm(np.array([row["p"] for row in rows], float))
    for row, p_holm in zip(rows, corrected, strict=True):
        row["p_holm"] = float(p_holm)
        row["verdict"] = _verdict(row, settings)
    return rows


def _blind_metrics(measures: pd.DataFrame, settings: AuditSettings, seed: int) -> set[str]:
    """Metrics that the unedited sources have, too, and that do not exceed 0 even there."""
    sources, blind = measures[measures.panel == SOURCE], set()
    for metric in (name for name in COMPARED if name in sources):
        values = sources[metric].dropna().to_numpy(float)
        if len(values) < FEWEST_CLIPS:
            continue
        interval = cluster_bootstrap(
            values,
            np.arange(len(values)),
            resamples=settings.resamples,
            confidence=settings.confidence,
            seed=seed,
        )
        if interval.low <= 0:
            blind.add(metric)
    return blind


def _verdict(row: dict[str, object], settings: AuditSettings) -> str:
    value, low, high, p, p_holm = (
        float(str(row[name])) for name in ("difference", "ci_low", "ci_high", "p", "p_holm")
    )
    better = (value > 0) == METRICS[str(row["metric"])].higher
    if p_holm <= settings.error_rate:
        return "better" if better else "worse"
    if (low > 0 or high < 0) and p <= settings.lean_rate:
        return "leans better" if better else "leans worse"
    return "not clear"


def sign_flip_p(differences: np.ndarray, seed: int = 0) -> float:
    """Two-sided p of the mean of paired differences (N,): each might have had the other sign.

    All 2**N flips are tried up to 14 clips, 20,000 random ones beyond (with the one seen).
    """
    count = len(differences)
    if count <= EXACT_CLIPS:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
    else:
        random = np.random.default_rng(seed)
        signs = random.choice((1.0, -1.0), size=(DRAWS, count))
        signs[0] = 1.0
    means = np.abs(signs @ differences)
    return float((means >= abs(differences.sum()) - 1e-12).mean())


def mean_ranks(measures: pd.DataFrame, baselines: Sequence[str] = BASELINES) -> pd.DataFrame:
    """Mean rank of each method over clips, 1 the best; all baselines count as one method.

    Args:
        measures: as in `paired_differences`.
        baselines: names of baseline panels.

    Returns:
        One row a metric, one column a method, and the number of clips in which all are ranked.
    """
    rivals = rival_panels(measures).copy()
    rivals["panel"] = rivals.panel.where(~rivals.panel.isin(baselines), "baseline")
    rows = []
    for metric in (name for name in COMPARED if name in rivals):
        wide = rivals.pivot_table(index="clip", columns="panel", values=metric).dropna()
        ranks = wide.rank(axis=1, ascending=not METRICS[metric].higher)
        rows.append({"metric": metric, **ranks.mean().to_dict(), "clips": len(wide)})
    return pd.DataFrame(rows)


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


def verdicts(differences: pd.DataFrame, group: str = EVERYTHING) -> pd.DataFrame:
    """What the papers claim beside what is seen: one row a claim, metric and method.

    Args:
        differences: of `order.paired_differences`.
        group: of clips.
    """
    part = differences[(differences.group == group) & (differences.claim != "")]
    rows = [
        {
            "the papers": row.claim,
            "here": METRICS[str(row.metric)].title,
            "method": row.method,
            "baseline": f"{row.baseline:.3f}",
            "difference": f"{row.difference:+.3f} [{row.ci_low:+.3f}, {row.ci_high:+.3f}]",
            "better in": f"{row.better_in} of {row.clips}",
            "p (Holm)": f"{row.p:.4f} ({row.p_holm:.3f})",
            "verdict": row.verdict,
        }
        for row in part.sort_values("claim", ascending=False, kind="stable").itertuples()
    ]
    return pd.DataFrame(rows)


def order_seen(differences: pd.DataFrame, group: str = EVERYTHING) -> pd.DataFrame:
    """Whether the papers' order is seen: one row a claim, counting metrics times methods.

    Args:
        differences: of `order.paired_differences`.
        group: of clips.
    """
    part = differences[(differences.group == group) & (differences.claim != "")]
    rows = []
    for claim, of_claim in part.groupby("claim", sort=False):
        able = of_claim[of_claim.verdict != CANNOT_TELL]
        higher = able.metric.map(lambda name: METRICS[name].higher)
        agreeing = (able.difference > 0) == higher
        sure, against = (able.verdict == "better").sum(), (able.verdict == "worse").sum()
        lean = (able.verdict == "leans better").sum()
        doubt = (able.verdict == "leans worse").sum()
        if sure and not against + doubt:
            verdict = "seen"
        elif against and not sure + lean:
            verdict = "the opposite is seen"
        elif lean + sure and not against + doubt and agreeing.all():
            verdict = "points that way, not proven"
        else:
            verdict = "not decided"
        rows.append(
            {
                "the papers": claim,
                "comparisons": len(able),
                "in their direction": int(agreeing.sum()),
                "lean": int(lean),
                "proven": int(sure),
                "lean or proven against": int(doubt + against),
                "their order": verdict,
            }
        )
    return pd.DataFrame(rows)


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
    """Measure a folder of published clips, write the tables and print what they say.

    Args:
        folder: with clips.csv, see `folder.read_published`.
        out: folder of the tables.
        baselines: panels to compare with; empty for those of the papers.
        processes: clips at a time.

    Raises:
        InputError: if no clip can be measured.
    """
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
