"""The command `python -m spfem stage`: make one stage, as the notebooks would.

Light, so that `--help` loads no torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spfem.errors import SettingsError
from spfem.methods import METHODS
from spfem.scales import SCALES

if TYPE_CHECKING:
    from spfem.workspace import Workspace

DESCRIPTION = """\
Make one stage of a run, and what it needs; what is there already is taken as it is.

Several jobs on machines that share a disk may make different stages at once, or the faces of
different actors; `workflow/` does that with Snakemake. Picture metrics (spatial ...) may be
learned by several processes: torchrun --nproc-per-node 2 -m spfem stage spatial.
"""


@dataclass(frozen=True)
class StageKind:
    """One stage that the command makes.

    Attributes:
        title: what it is.
        make: makes it.
        needs: options that must be given, of `actor` and `method`.
        takes: options that may be given, of `actor`, `seed` and `estimate`.
        shared: whether several processes of `torchrun` may learn it together.
    """

    title: str
    make: Callable[[Workspace, argparse.Namespace], object]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    shared: bool = False


def _faces(workspace: Workspace, wanted: argparse.Namespace) -> object:
    from spfem import stages

    if wanted.actor is None:
        return stages.make_faces(workspace)
    return stages.make_actor_faces(workspace, wanted.actor)


def _metric(workspace: Workspace, wanted: argparse.Namespace) -> object:
    from spfem import stages
    from spfem.distributed import first_alone

    with first_alone():
        stages.make_pairs(workspace)
    return stages.make_metric(workspace, wanted.stage, wanted.seed or 0)


def _made(name: str, *options: str, visual: str | None = None) -> Callable[..., object]:
    """Calls a function of `spfem.stages` with the named options; no seed is seed 0."""

    def make(workspace: Workspace, wanted: argparse.Namespace) -> object:
        from spfem import stages

        values: list[Any] = [visual] if visual else []
        values += [getattr(wanted, option) or 0 for option in options]
        return getattr(stages, name)(workspace, *values)

    return make


STAGES: dict[str, StageKind] = {
    "corpus": StageKind("the clips: filmed, or found on disk", _made("make_whole_corpus")),
    "faces": StageKind(
        "tracked faces, of all actors or of one", _faces, takes=("actor", "estimate")
    ),
    "pairs": StageKind("aligned pairs of clips", _made("make_pairs")),
    "reader": StageKind(
        "the reader of face units, from films of its own people",
        _made("make_reader", "seed"),
        takes=("seed",),
    ),
    "persons": StageKind("codes with one identity an actor", _made("make_persons")),
    **{
        name: StageKind(f"the metric {name}", _metric, takes=("seed",), shared=True)
        for name in (
            "spatial",
            "spatial_speech",
            "temporal_vd",
            "temporal_cm",
            "spatial_temporal_vd",
            "spatial_temporal_cm",
        )
    },
    **{
        f"cross_modal_{visual}": StageKind(
            f"the metric of sound and {visual}",
            _made("make_cross_modal_metric", "seed", visual=visual),
            takes=("seed",),
        )
        for visual in ("expression", "image")
    },
    **{
        f"audio_banks_{visual}": StageKind(
            f"which windows sound alike, by the metric of sound and {visual}",
            _made("make_audio_banks", "seed", visual=visual),
            takes=("seed",),
        )
        for visual in ("expression", "image")
    },
    "base_manipulator": StageKind(
        "the manipulator that all methods start from",
        _made("make_base_manipulator", "seed"),
        takes=("seed",),
    ),
    "manipulator": StageKind(
        "the expression manipulator of a method",
        _made("make_manipulator", "method", "seed"),
        needs=("method",),
        takes=("seed",),
    ),
    "base_renderer": StageKind(
        "the renderer of faces in general", _made("make_base_renderer", "seed"), takes=("seed",)
    ),
    "renderer": StageKind(
        "the renderer of an actor for a method",
        _made("make_actor_renderer", "actor", "method", "seed"),
        needs=("actor", "method"),
        takes=("seed",),
    ),
}


def add_stage_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    width = max(map(len, STAGES))
    listed = "\n".join(f"  {name:{width}}  {kind.title}" for name, kind in STAGES.items())
    parser = commands.add_parser(
        "stage",
        allow_abbrev=False,
        help="make one stage of a run, for workflows on several machines",
        description=DESCRIPTION,
        epilog=f"stages:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=STAGES, metavar="STAGE", help="see the list below")
    parser.add_argument("--corpus", default="synthetic", metavar="NAME|DIR", help="as of reproduce")
    parser.add_argument("--scale", choices=SCALES, default="demo", help="default: demo")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--actor", help="of faces: only this one; of renderer: the target")
    parser.add_argument("--method", choices=METHODS, help="of manipulator and renderer")
    parser.add_argument("--seed", type=int, help="of what is learned (default: 0)")
    parser.add_argument(
        "--processes", type=int, metavar="N", help="clips at a time, of faces and persons"
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="of faces: only measure a few clips, and say what time and disk all will take",
    )
    parser.add_argument(
        "--video-hours",
        type=float,
        metavar="H",
        help="with --estimate: of a larger corpus like this one",
    )


def run_stage(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        SettingsError: if an option does not belong to the stage, or one is missing.
    """
    from spfem.distributed import is_first, joined_processes, refuse_sharing
    from spfem.workspace import open_workspace

    kind = STAGES[arguments.stage]
    _check_options(arguments, kind)
    workspace = open_workspace(
        "stage",
        corpus=arguments.corpus,
        scale=arguments.scale,
        data=arguments.data,
        figures=arguments.data,  # a stage saves no figure
        device=arguments.device,
    )
    if arguments.processes is not None:
        face = replace(workspace.scale.face, processes=arguments.processes)
        workspace = replace(workspace, scale=replace(workspace.scale, face=face))
    if arguments.estimate:
        _estimate(workspace, arguments.video_hours)
        return
    with joined_processes(workspace.device) as device:
        if not kind.shared:
            refuse_sharing(f"the stage {arguments.stage}")
        kind.make(replace(workspace, device=device), arguments)
        if is_first():
            print(f"{arguments.stage}: done, in {workspace.data}")


def _check_options(arguments: argparse.Namespace, kind: StageKind) -> None:
    given = {
        option
        for option in ("actor", "method", "seed", "estimate")
        if getattr(arguments, option) not in (None, False)
    }
    for option in kind.needs:
        if option not in given:
            raise SettingsError(f"the stage {arguments.stage} needs --{option}")
    for option in sorted(given - {*kind.needs, *kind.takes}):
        raise SettingsError(f"the stage {arguments.stage} has no --{option}; leave it out")
    if arguments.processes is not None and arguments.processes < 1:
        raise SettingsError(f"--processes {arguments.processes}: give 1 or more")
    if arguments.video_hours is not None and not arguments.estimate:
        raise SettingsError("--video-hours belongs to --estimate; leave it out")


def _estimate(workspace: Workspace, video_hours: float | None) -> None:
    from spfem.face.cost import project_cost
    from spfem.stages import make_whole_corpus

    clips = make_whole_corpus(workspace).clips
    print(project_cost(clips, workspace.scale.face, video_hours=video_hours))
