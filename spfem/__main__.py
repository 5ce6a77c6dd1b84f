"""The command line, `python -m spfem COMMAND`; `--help` lists the commands and loads no torch."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spfem.methods import METHODS
from spfem.processes import run_command
from spfem.released.kinds import RELEASED_KINDS
from spfem.run.stages import STAGES
from spfem.scales import DEVICES, SCALES
from spfem.settings import EMOTIONS

STAGE = """\
Make one stage of a run, and what it needs; what is there already is taken as it is.

Several jobs on machines that share a disk may make different stages at once, or the faces of
different actors; `workflow/` does that with Snakemake. Picture metrics (spatial ...) may be
learned by several processes: torchrun --nproc-per-node 2 -m spfem stage spatial.
"""
CORPUS = """\
Say what a folder of recordings holds: actors, emotions, sentences, hours, missing and damaged
files, what can be paired and which tables can be made. Nothing in the folder is changed.

A folder may hold MEAD or RAVDESS as they are released, the processed layout of ASCCL, or any
clips together with a table clips.csv (clip, actor, emotion, sentence, path; optional: level,
audio, role). Then bash run_all.sh --corpus DIR runs every notebook on it.
Exit status: 0 if some clip can be used, else 1.
"""
IMPORT = """\
Turn a released checkpoint into one of this package.

The new file is a safetensors file with settings and provenance inside, for
`SpatialCoherence.load(path)`, `load_manipulator(path)`, `load_renderer(path)` and the like.
Only tensors are read: a file that holds code is refused. Sizes come from the shapes in the
file; missing, surplus and misshapen entries are named; entries that nothing here uses are
left out and listed. Audio and 3DMM encoders have one layout, so the file cannot tell which
of them it holds. Manipulators work on FLAME expressions (51 coefficients), so they need the
FLAME and DECA files beside them; `python -m spfem doctor` lists those.
"""
DOCTOR = """\
Say whether this machine can run everything, and which optional files are there: versions
against those that were tested, disk and memory, models and licences, recordings, runs. No
network is needed.

Optional files are looked for below data/optional: those of FLAME, DECA, FSGAN and VGG19 in
the folder itself, published checkpoints in ned/manipulator, ned/renderer, scmcl, asccl and
stccl. Each is read whole and checked: size, entries, shapes, and its hash where one is known.

Exit status: 0 if the default run can work and no optional file is broken, else 1.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m spfem", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add_command(name: str, title: str, about: str = "", **more: Any) -> Any:
        return commands.add_parser(
            name,
            allow_abbrev=False,
            help=title,
            description=about or title,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **more,
        ).add_argument

    _add_reproduce(add_command)
    _add_edit(add_command)
    add = add_command("corpus", "say what a folder of recordings holds, and can become", CORPUS)
    add("folder", **FOLDER, help="the recordings")
    add("--out", **FOLDER, help="also write clips, actors, problems and tables as CSV files here")
    _add_stage(add_command)
    title = "turn a released checkpoint into one of this package"
    add = add_command("import-checkpoint", title, IMPORT, epilog=_list("kinds", RELEASED_KINDS))
    add("kind", choices=RELEASED_KINDS, metavar="KIND", help="see the list below")
    add("file", type=Path, metavar="FILE", help="the released file")
    add("--out", type=Path, required=True, metavar="OUT.safetensors", help="the new checkpoint")
    help_text = "keep the first convolution of ASCCL and STCCL for BGR images (default: for RGB)"
    add("--keep-channel-order", action="store_true", help=help_text)
    add = add_command("doctor", "check this machine and the optional files", DOCTOR)
    add("--files", **FOLDER, help="of optional files (default: optional/ in the data folder)")
    add("--data", **FOLDER, default=Path("data"), help="default: data")
    add = add_command("track", "track faces in clips; report quality, draw the track over frames")
    add("places", type=Path, nargs="+", metavar="CLIP", help="videos or folders")
    add("--out", **FOLDER, required=True, help="of the report and videos")
    add("--no-videos", dest="videos", action="store_false", help="write the report alone")
    add("--processes", **COUNT, default=2, help="clips at a time (default: 2)")
    title = "measure published result clips (clips.csv, source, reference, methods) and compare"
    add = add_command("audit", title)
    add("folder", **FOLDER, help="folder with clips.csv")
    add("--out", **FOLDER, required=True, help="of tables")
    help_text = "panel to compare with; may be repeated (default: ned and baseline)"
    repeated: dict[str, Any] = {"action": "append", "default": [], "metavar": "NAME"}
    add("--baseline", dest="baselines", **repeated, help=help_text)
    add("--processes", **COUNT, default=2, help="clips at a time (default: 2)")
    return parser


def _list(title: str, kinds: Mapping[str, Any]) -> str:
    width = max(map(len, kinds))
    return "\n".join([f"{title}:", *(f"  {key:{width}}  {kinds[key].title}" for key in kinds)])


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give 1 or more")
    return int(text)


FOLDER: dict[str, Any] = {"type": Path, "metavar": "DIR"}
COUNT: dict[str, Any] = {"type": _number, "metavar": "N"}


def _add_run(add: Callable[..., Any]) -> None:
    scales = "smoke: does it run; demo: minutes (default); full: ten seeds; paper: their sizes"
    add("--scale", choices=SCALES, default="demo", help=scales)
    corpora = "synthetic (default); mead or ravdess, below --data; or a folder, see corpus --help"
    add("--corpus", default="synthetic", metavar="CORPUS", help=corpora)
    add("--data", **FOLDER, default=Path("data"), help="of data, and of mead/ or ravdess/")
    add("--device", choices=DEVICES, default="auto", help="default: auto")


def _add_reproduce(add_command: Callable[..., Any]) -> None:
    title = "regenerate every table and figure (what run_all.sh calls)"
    about = "Run the numbered notebooks, write index.html, compare with the committed results."
    add = add_command("reproduce", title, about, prog="run_all.sh")
    _add_run(add)
    add("--figures", **FOLDER, default=Path("figures"), help="of results (default: figures)")
    one = add.__self__.add_mutually_exclusive_group()
    one.add_argument("--only", metavar="NN", help="run only the notebook of this number")
    one.add_argument("--from", dest="start", metavar="NN", help="start at this notebook")
    add("--force", action="store_true", help="run notebooks even if unchanged")
    ablations = "also make the ablation tables (at full scale about 45 minutes more on two cores)"
    add("--ablations", action="store_true", help=ablations)
    repeated: dict[str, Any] = {"action": "append", "default": [], "metavar": "NAME=VALUE"}
    help_text = "a parameter for the notebooks; may be repeated"
    add("-p", "--parameter", dest="parameters", type=_parameter, **repeated, help=help_text)


def _add_edit(add_command: Callable[..., Any]) -> None:
    title = "change the emotion of a talking face in a video, keep the words"
    add = add_command("edit", title)
    file: dict[str, Any] = {"type": Path, "metavar": "FILE"}
    add("clip", type=Path, help="the video to edit")
    target = add.__self__.add_mutually_exclusive_group(required=True)
    target.add_argument("--emotion", choices=EMOTIONS, help="emotion to show")
    style = "a video whose expression style to take over"
    target.add_argument("--reference", type=Path, metavar="REF", help=style)
    add("--out", type=Path, required=True, metavar="OUT.mp4", help="the new video")
    add("--models", **FOLDER, help="stages of a run (default: what spfem has, or the demo)")
    intensity = "0 keeps the expression, 1 is the full edit (default: 1)"
    add("--intensity", type=float, default=1.0, metavar="0..2", help=intensity)
    renderer = "moved: the clip's own pixels (default); ned: NED's renderer, adapted to the clip"
    add("--renderer", choices=("moved", "ned"), default="moved", help=renderer)
    manipulator = "a manipulator checkpoint in place of --models and --method; with "
    manipulator += "--renderer-file one that import-checkpoint made of NED's or SCMCL's"
    add("--manipulator", **file, help=manipulator)
    renderer_file = "draw with NED's or SCMCL's renderer of this very person, as import-checkpoint "
    renderer_file += "made it; needs --manipulator and your own FLAME and DECA files"
    add("--renderer-file", **file, help=renderer_file)
    add("--flame", **FOLDER, help="of your FLAME and DECA files (default: data/optional)")
    face = "which face of the first frame with one, from left, from 1 (default: the largest)"
    add("--face", type=int, metavar="N", help=face)
    add("--compare", action="store_true", help="also write OUT-compare.mp4, side by side")
    add("--keep", **FOLDER, help="keeps tracks for the next edit (default: own/ in the models)")
    add("--without-sound", action="store_true", help="accept a clip that has no sound")
    quality = "lossless: every pixel as it was made, for further work (default: normal)"
    add("--quality", choices=("normal", "lossless"), default="normal", help=quality)
    add("--method", choices=METHODS, default="ned", help="default: ned")
    add("--seed", type=int, default=0)
    add("--device", choices=DEVICES, default="auto")


def _add_stage(add_command: Callable[..., Any]) -> None:
    title = "make one stage of a run, for workflows on several machines"
    add = add_command("stage", title, STAGE, epilog=_list("stages", STAGES))
    add("stage", choices=STAGES, metavar="STAGE", help="see the list below")
    _add_run(add)
    add("--actor", help="of faces: only this one; of renderer: the target")
    add("--method", choices=METHODS, help="of manipulator and renderer")
    add("--seed", type=int, help="of what is learned (default: 0)")
    add("--processes", **COUNT, help="clips at a time, of faces and persons")
    add("--estimate", action="store_true", help="of faces: only say what time and disk they take")
    add("--video-hours", type=float, metavar="H", help="with --estimate: of a larger corpus")


def _call(module: str, name: str) -> Callable[[dict[str, Any]], None]:
    """A command whose arguments are those of a function; its module is loaded when it is called."""
    return lambda given: getattr(importlib.import_module(module), name)(**given)


def _edit(given: dict[str, Any]) -> None:
    from spfem.edit import EditRequest, edit_video

    result = edit_video(EditRequest(lossless=given.pop("quality") == "lossless", **given))
    for path in filter(None, (result.out, result.comparison)):
        print(f"wrote {path}")


def _import(given: dict[str, Any]) -> None:
    from spfem.released.kinds import import_released

    out = given["out"]
    made = import_released(given.pop("kind"), given.pop("file"), **given)
    print(f"wrote {out} ({made.entries} entries)")
    for note in made.notes:
        print(note)
    if made.provenance["dropped"]:
        print(f"left out, because nothing uses them: {', '.join(made.provenance['dropped'])}")


def _audit(given: dict[str, Any]) -> None:
    from spfem.files import use_studies

    use_studies("the audit")
    _call("studies.audit_run", "audit_folder")(given)


COMMANDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "reproduce": _call("spfem.run.notebooks", "reproduce"),
    "edit": _edit,
    "corpus": _call("spfem.corpus.inventory", "report_folder"),
    "stage": _call("spfem.run.stages", "make_stage"),
    "import-checkpoint": _import,
    "doctor": _call("spfem.doctor", "report_machine"),
    "track": _call("spfem.run.track_report", "report_clips"),
    "audit": _audit,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    # Threads of small networks wait often. Awake, they keep others from working where a core is
    # shared: beside busy processes a step took about a hundred times as long (docs/trust.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
    given = vars(build_parser().parse_args(words))
    command = COMMANDS[given.pop("command")]
    return run_command(lambda: command(given))


if __name__ == "__main__":
    sys.exit(main())
