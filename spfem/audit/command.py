"""The commands `audit` and `real-edits`: published results, and our own edits of real clips."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_audit_parser(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser(
        "audit",
        allow_abbrev=False,
        help="measure published result clips (clips.csv, source, reference, methods) and compare",
    )
    parser.add_argument("clips", type=Path, metavar="DIR", help="folder with clips.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of tables")
    parser.add_argument(
        "--baseline",
        action="append",
        metavar="NAME",
        help="panel to compare with; may be repeated (default: ned and baseline)",
    )
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="clips at a time (default: 2)"
    )


def run_audit(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        SettingsError: if `--processes` is below 1.
    """
    from spfem.audit.folder import read_published
    from spfem.audit.order import BASELINES
    from spfem.audit.run import audit_clips
    from spfem.audit.words import order_seen, time_found, verdicts, what_few_clips_tell
    from spfem.errors import SettingsError
    from spfem.evaluation.tables import save_table
    from spfem.settings.audit import AuditSettings

    if arguments.processes < 1:
        raise SettingsError(f"--processes must be 1 or more, found {arguments.processes}")
    settings = AuditSettings()
    clips, problems = read_published(arguments.clips)
    audit = audit_clips(
        clips,
        settings,
        problems=problems,
        baselines=arguments.baseline or BASELINES,
        processes=arguments.processes,
    )
    shown = verdicts(audit.differences)
    save_table(audit.measures, arguments.out, "audit_measures")
    save_table(audit.differences, arguments.out, "audit_differences")
    save_table(audit.ranks, arguments.out, "audit_ranks")
    save_table(audit.problems, arguments.out, "audit_problems")
    print(time_found(audit).to_string(index=False))
    print(shown.to_string(index=False) if len(shown) else "too few clips to compare methods")
    print(order_seen(audit.differences).to_string(index=False))
    print(what_few_clips_tell(audit, settings))
    for row in audit.problems.itertuples():
        print(f"left out: {row.clip} {row.panel}: {row.reason}")
    print(f"wrote {arguments.out}/audit_*.csv")


def add_real_edits_parser(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser(
        "real-edits",
        allow_abbrev=False,
        help="edit every real clip of a folder to the emotions of its references, and measure",
    )
    parser.add_argument(
        "clips", type=Path, metavar="DIR", help="folder with clips.csv, as of audit"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("figures/real_edits.csv"),
        metavar="FILE.csv",
        help="table of numbers (default: figures/real_edits.csv)",
    )
    parser.add_argument(
        "--videos", type=Path, metavar="DIR", help="keep the edited clips here (default: nowhere)"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="as of edit")
    parser.add_argument("--renderer", choices=("moved", "ned"), help="as of edit")
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="clips at a time (default: 2)"
    )


def run_real_edits(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        SettingsError: if `--processes` is below 1, or `--out` is no csv file.
    """
    from spfem.artifacts import writing
    from spfem.audit.folder import read_published
    from spfem.audit.real_edits import edit_real_clips, summarise
    from spfem.errors import SettingsError

    if arguments.processes < 1:
        raise SettingsError(f"--processes must be 1 or more, found {arguments.processes}")
    if arguments.out.suffix != ".csv":
        raise SettingsError(f"--out {arguments.out} must end in .csv")
    clips, problems = read_published(arguments.clips)
    names = ("models", "renderer")
    options = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    table, more = edit_real_clips(
        clips, options=options, videos=arguments.videos, processes=arguments.processes
    )
    with writing(arguments.out) as aside:
        table.to_csv(aside, index=False, lineterminator="\n")
    print(summarise(table).round(3).to_string(index=False))
    for problem in [*problems, *more]:
        print(f"left out: {problem.clip} {problem.panel}: {problem.reason}")
    print(f"wrote {arguments.out}")
