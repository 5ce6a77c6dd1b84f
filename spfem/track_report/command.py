"""The command `python -m spfem track`: how well clips are tracked, with videos to look at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_track_parser(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser(
        "track",
        allow_abbrev=False,
        help="track faces in clips; report quality and draw the track over the frames",
    )
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP", help="videos or folders")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the report and videos"
    )
    parser.add_argument("--no-videos", action="store_true", help="write the report alone")
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="clips at a time (default: 2)"
    )


def run_track(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        SettingsError: if `--processes` is below 1.
    """
    from spfem.errors import SettingsError
    from spfem.evaluation.tables import save_table
    from spfem.settings import FaceSettings
    from spfem.track_report.report import find_videos, in_words, report_tracks

    if arguments.processes < 1:
        raise SettingsError(f"--processes must be 1 or more, found {arguments.processes}")
    report = report_tracks(
        find_videos(arguments.clips),
        FaceSettings(),
        overlays=None if arguments.no_videos else arguments.out,
        processes=arguments.processes,
    )
    paths = save_table(report, arguments.out, "tracking")
    print(report.drop(columns="problem").round(2).to_string(index=False))
    for row in report[report.problem != ""].itertuples():
        print(f"{row.clip}: {row.problem}")
    print(in_words(report, arguments.processes))
    print(f"wrote {paths[0]}")
