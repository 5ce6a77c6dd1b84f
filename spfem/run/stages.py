"""The street in one place: every stage of a workspace, made when it is first asked for.

`STAGES` names what the `stage` command and workflows may make one by one. The functions that make
and read stages, `make_faces(workspace)` and so on, are attributes of this module, so that any
notebook can be run alone; each makes what it needs and reuses what is there. They are imported
when they are first asked for, since listing the stages must not load torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spfem.errors import SettingsError

if TYPE_CHECKING:
    from spfem.run.data import *  # noqa: F403
    from spfem.run.edits import *  # noqa: F403
    from spfem.run.manipulators import *  # noqa: F403
    from spfem.run.metrics import *  # noqa: F403
    from spfem.run.renderers import *  # noqa: F403
    from spfem.run.results import *  # noqa: F403
    from spfem.run.workspace import Workspace

ROOMS = ("data", "metrics", "manipulators", "renderers", "edits", "results")  # of this package


def __getattr__(name: str) -> Any:
    for room in ROOMS if not name.startswith("_") else ():
        module = import_module(f"spfem.run.{room}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class StageKind:
    """How one stage is made.

    Attributes:
        title: what it is.
        make: the function of this module that makes it, from a workspace, `given`, the values of
            the options in `needs`, and the seed where the stage takes one.
        needs: options that must be given, of `actor` and `method`.
        takes: options that may be given, of `actor`, `seed` and `estimate`.
        given: values that tell this stage from others of the same function.
        shared: whether several processes of `torchrun` may learn it together.
    """

    title: str
    make: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    shared: bool = False


SEEDED = ("seed",)
PICTURE_METRICS = (
    "spatial", "spatial_speech", "temporal_vd", "temporal_cm", "spatial_temporal_vd",
    "spatial_temporal_cm",
)  # fmt: skip
VISUALS = ("expression", "image")

STAGES: dict[str, StageKind] = {
    "corpus": StageKind("the clips: filmed, or found on disk", "make_whole_corpus"),
    "faces": StageKind(
        "tracked faces, of all actors or of one", "make_faces", takes=("actor", "estimate")
    ),
    "pairs": StageKind("aligned pairs of clips", "make_pairs"),
    "reader": StageKind(
        "the reader of face units, from films of its own people", "make_reader", takes=SEEDED
    ),
    "persons": StageKind("codes with one identity an actor", "make_persons"),
    **{
        name: StageKind(f"the metric {name}", "make_metric", (), SEEDED, (name,), shared=True)
        for name in PICTURE_METRICS
    },
    **{
        f"cross_modal_{visual}": StageKind(
            f"the metric of sound and {visual}", "make_cross_modal_metric", (), SEEDED, (visual,)
        )
        for visual in VISUALS
    },
    **{
        f"audio_banks_{visual}": StageKind(
            f"which windows sound alike, by the metric of sound and {visual}",
            "make_audio_banks", (), SEEDED, (visual,),
        )
        for visual in VISUALS
    },
    "base_manipulator": StageKind(
        "the manipulator that all methods start from", "make_base_manipulator", takes=SEEDED
    ),
    "manipulator": StageKind(
        "the expression manipulator of a method", "make_manipulator", ("method",), SEEDED
    ),
    "base_renderer": StageKind(
        "the renderer of faces in general", "make_base_renderer", takes=SEEDED
    ),
    "renderer": StageKind(
        "the renderer of an actor for a method", "make_actor_renderer", ("actor", "method"), SEEDED
    ),
}  # fmt: skip


def make_stage(
    stage: str,
    *,
    corpus: str = "synthetic",
    scale: str = "demo",
    data: Path = Path("data"),
    device: str = "auto",
    actor: str | None = None,
    method: str | None = None,
    seed: int | None = None,
    processes: int | None = None,
    estimate: bool = False,
    video_hours: float | None = None,
) -> None:
    """Make one of `STAGES` and what it needs; what is there already is taken as it is.

    The options are those of the `stage` command, as `open_workspace` and `StageKind` have them;
    `processes` is how many clips of faces and persons are worked on at a time, and `estimate` only
    measures a few clips and says what time and disk all faces, or `video_hours` of them, will take.

    Raises:
        SettingsError: if an option does not belong to the stage, or one is missing.
    """
    from spfem.distributed import first_alone, is_first, joined_processes, refuse_sharing
    from spfem.run.workspace import open_workspace

    kind = STAGES[stage]
    options = {"actor": actor, "method": method, "seed": seed, "estimate": estimate or None}
    _check_options(stage, {name: value for name, value in options.items() if value is not None})
    if video_hours is not None and not estimate:
        raise SettingsError("--video-hours belongs to --estimate; leave it out")
    workspace = open_workspace(
        "stage",
        corpus=corpus,
        scale=scale,
        data=data,
        figures=data,  # a stage saves no figure
        device=device,
    )
    if processes is not None:
        face = replace(workspace.scale.face, processes=processes)
        workspace = replace(workspace, scale=replace(workspace.scale, face=face))
    if estimate:
        _estimate(workspace, video_hours)
        return
    from spfem.run import stages  # whose attributes are imported now

    make, values = kind.make, [*kind.given, *(options[name] for name in kind.needs)]
    if "seed" in kind.takes:
        values.append(seed or 0)
    if stage == "faces" and actor is not None:
        make, values = "make_actor_faces", [actor]
    with joined_processes(workspace.device) as own_device:
        workspace = replace(workspace, device=own_device)
        if kind.shared:
            with first_alone():
                stages.make_pairs(workspace)
        else:
            refuse_sharing(f"the stage {stage}")
        getattr(stages, make)(workspace, *values)
        if is_first():
            print(f"{stage}: done, in {workspace.data}")


def _check_options(stage: str, given: dict[str, object]) -> None:
    kind = STAGES[stage]
    for option in kind.needs:
        if option not in given:
            raise SettingsError(f"the stage {stage} needs --{option}")
    for option in sorted(set(given) - {*kind.needs, *kind.takes}):
        raise SettingsError(f"the stage {stage} has no --{option}; leave it out")


def _estimate(workspace: Workspace, video_hours: float | None) -> None:
    from spfem.run.data import make_whole_corpus
    from spfem.run.estimate import COST, project_cost

    clips = make_whole_corpus(workspace).clips
    print(COST.format(**project_cost(clips, workspace.scale.face, video_hours=video_hours)))
