"""The command `python -m spfem audit`: published result clips under our metrics."""

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
