"""What the audit's tables say, in sentences whose numbers are computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spfem.audit.folder import REFERENCE, SOURCE, read_published
from spfem.audit.metrics import METRICS
from spfem.audit.order import BASELINES, CANNOT_TELL, EVERYTHING
from spfem.audit.run import Audit, audit_clips
from spfem.evaluation.tables import save_table
from spfem.settings.audit import AuditSettings


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
