"""The command line, `python -m spfem COMMAND`; `--help` lists the commands."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from spfem.audit.command import (
    add_audit_parser,
    add_real_edits_parser,
    run_audit,
    run_real_edits,
)
from spfem.benchmarks.command import add_bench_parser, run_bench
from spfem.corpus.recordings.command import add_corpus_parser, run_corpus
from spfem.doctor import add_doctor_parser, run_doctor
from spfem.drift.command import add_check_parser, run_check
from spfem.errors import SpfemError, missing_package
from spfem.import_checkpoint import add_import_parser, import_checkpoint
from spfem.methods import METHODS
from spfem.ned_folders.command import add_ned_parsers, export_ned, import_ned
from spfem.report.command import add_report_parser, run_report
from spfem.reproduce_command import add_reproduce_parser, run_reproduce
from spfem.settings import EMOTIONS
from spfem.stage_command import add_stage_parser, run_stage
from spfem.stopping import Stopped, drop_output, say_stopped, stopping_raises
from spfem.track_report.command import add_track_parser, run_track
from spfem.user_study.command import add_study_parser, run_study
from spfem.weights.command import add_weights_parser, run_weights
from spfem.workspace import DEVICES

BROKEN_PIPE = 13  # SIGPIPE, which Windows does not name


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m spfem", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)

    add_reproduce_parser(commands)
    edit = commands.add_parser(
        "edit",
        allow_abbrev=False,
        help="change the emotion of a talking face in a video, keep the words",
    )
    edit.add_argument("clip", type=Path, help="the video to edit")
    target = edit.add_mutually_exclusive_group(required=True)
    target.add_argument("--emotion", choices=EMOTIONS, help="emotion to show")
    target.add_argument(
        "--reference", type=Path, metavar="REF", help="a video whose expression style to take over"
    )
    edit.add_argument("--out", type=Path, required=True, metavar="OUT.mp4", help="the new video")
    edit.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="stages of a finished run (default: what comes with spfem, or data/synthetic-demo)",
    )
    edit.add_argument(
        "--intensity",
        type=float,
        default=1.0,
        metavar="0..2",
        help="how much: 0 keeps the expression, 1 is the full edit (default: 1)",
    )
    edit.add_argument(
        "--renderer",
        choices=("moved", "ned"),
        default="moved",
        help="moved: move the clip's own pixels (default); ned: NED's neural renderer, adapted to "
        "the clip first",
    )
    edit.add_argument(
        "--face",
        type=int,
        metavar="N",
        help="which face, counted from left to right in the first frame that shows one, from 1 "
        "(default: the largest there)",
    )
    edit.add_argument(
        "--compare",
        action="store_true",
        help="also write OUT-compare.mp4: source, reference and result side by side",
    )
    edit.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="folder that keeps the track of a clip for its next edit (default: own/ in the "
        "folder of the models, or data/cache/own)",
    )
    edit.add_argument(
        "--without-sound", action="store_true", help="accept a clip that has no sound"
    )
    edit.add_argument(
        "--quality",
        choices=("normal", "lossless"),
        default="normal",
        help="lossless: every pixel as it was made, for further work (default: normal)",
    )
    edit.add_argument("--method", choices=METHODS, default="ned", help="default: ned")
    edit.add_argument("--seed", type=int, default=0)
    edit.add_argument("--device", choices=DEVICES, default="auto")

    add_corpus_parser(commands)
    add_stage_parser(commands)
    add_import_parser(commands)
    add_ned_parsers(commands)
    add_doctor_parser(commands)
    add_report_parser(commands)
    add_check_parser(commands)
    add_study_parser(commands)
    add_track_parser(commands)
    add_audit_parser(commands)
    add_weights_parser(commands)
    add_real_edits_parser(commands)
    add_bench_parser(commands)
    return parser


def _edit(arguments: argparse.Namespace) -> None:
    from spfem.edit import EditRequest, edit_video

    result = edit_video(
        EditRequest(
            clip=arguments.clip,
            out=arguments.out,
            emotion=arguments.emotion,
            reference=arguments.reference,
            intensity=arguments.intensity,
            renderer=arguments.renderer,
            models=arguments.models,
            method=arguments.method,
            face=arguments.face,
            compare=arguments.compare,
            keep=arguments.keep,
            seed=arguments.seed,
            device=arguments.device,
            without_sound=arguments.without_sound,
            lossless=arguments.quality == "lossless",
        )
    )
    for path in filter(None, (result.out, result.comparison)):
        print(f"wrote {path}")


COMMANDS = {
    "reproduce": run_reproduce,
    "edit": _edit,
    "corpus": run_corpus,
    "stage": run_stage,
    "import-checkpoint": import_checkpoint,
    "import-ned": import_ned,
    "export-ned": export_ned,
    "doctor": run_doctor,
    "report": run_report,
    "check": run_check,
    "user-study": run_study,
    "track": run_track,
    "audit": run_audit,
    "weights": run_weights,
    "real-edits": run_real_edits,
    "bench": run_bench,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; errors that spfem expects become one line and exit status 1.

    A command that a signal ends gives 128 and the number of the signal, as shells do; one whose
    output nobody reads any more ends without a word.
    """
    arguments = build_parser().parse_args(words)
    try:
        with stopping_raises():
            COMMANDS[arguments.command](arguments)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return say_stopped(signal.SIGINT)
    except Stopped as stopped:
        return say_stopped(stopped.number)
    except BrokenPipeError:
        drop_output()
        return 128 + BROKEN_PIPE
    except (SpfemError, ModuleNotFoundError) as error:
        told = missing_package(error) if isinstance(error, ModuleNotFoundError) else error
        if told is None:
            raise
        print(f"spfem: {type(told).__name__}: {told}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"spfem: the system refused: {error.strerror or error}{where}; free the disk or check "
            "the permissions, then run the same command again",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
