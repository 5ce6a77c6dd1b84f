"""The stages of a run by name, and how one is made; light, so that listing them loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spfem.errors import SettingsError

if TYPE_CHECKING:
    from spfem.run.workspace import Workspace


@dataclass(frozen=True)
class StageRequest:
    """One stage that is asked for.

    Attributes:
        stage: name, one of `STAGES`.
        corpus: name, or folder of recordings.
        scale: one of `spfem.scales.SCALES`.
        data: folder of generated data.
        device: `auto`, `cpu` or `cuda`.
        actor: of faces, only this one; of renderer, the target.
        method: of manipulator and renderer.
        seed: for weights and draws of what is learned; None for 0.
        processes: clips at a time, of faces and persons; None for what the scale says.
        estimate: of faces, only measure a few clips and say what time and disk all will take.
        video_hours: with `estimate`, of a larger corpus like this one.
    """

    stage: str
    corpus: str = "synthetic"
    scale: str = "demo"
    data: Path = Path("data")
    device: str = "auto"
    actor: str | None = None
    method: str | None = None
    seed: int | None = None
    processes: int | None = None
    estimate: bool = False
    video_hours: float | None = None


@dataclass(frozen=True)
class StageKind:
    """How one stage is made.

    Attributes:
        title: what it is.
        make: makes it.
        needs: options that must be given, of `actor` and `method`.
        takes: options that may be given, of `actor`, `seed` and `estimate`.
        shared: whether several processes of `torchrun` may learn it together.
    """

    title: str
    make: Callable[[Workspace, StageRequest], object]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    shared: bool = False


def _faces(workspace: Workspace, wanted: StageRequest) -> object:
    from spfem.run import stages

    if wanted.actor is None:
        return stages.make_faces(workspace)
    return stages.make_actor_faces(workspace, wanted.actor)


def _metric(workspace: Workspace, wanted: StageRequest) -> object:
    from spfem.distributed import first_alone
    from spfem.run import stages

    with first_alone():
        stages.make_pairs(workspace)
    return stages.make_metric(workspace, wanted.stage, wanted.seed or 0)


def _made(name: str, *options: str, visual: str | None = None) -> Callable[..., object]:
    """Calls a function of `spfem.run.stages` with the named options; no seed is seed 0."""

    def make(workspace: Workspace, wanted: StageRequest) -> object:
        from spfem.run import stages

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


def make_stage(wanted: StageRequest) -> None:
    """Make one stage of a run and what it needs; what is there already is taken as it is.

    Raises:
        SettingsError: if an option does not belong to the stage, or one is missing.
    """
    from spfem.distributed import is_first, joined_processes, refuse_sharing
    from spfem.run.workspace import open_workspace

    kind = STAGES[wanted.stage]
    _check_options(wanted, kind)
    workspace = open_workspace(
        "stage",
        corpus=wanted.corpus,
        scale=wanted.scale,
        data=wanted.data,
        figures=wanted.data,  # a stage saves no figure
        device=wanted.device,
    )
    if wanted.processes is not None:
        face = replace(workspace.scale.face, processes=wanted.processes)
        workspace = replace(workspace, scale=replace(workspace.scale, face=face))
    if wanted.estimate:
        _estimate(workspace, wanted.video_hours)
        return
    with joined_processes(workspace.device) as device:
        if not kind.shared:
            refuse_sharing(f"the stage {wanted.stage}")
        kind.make(replace(workspace, device=device), wanted)
        if is_first():
            print(f"{wanted.stage}: done, in {workspace.data}")


def _check_options(wanted: StageRequest, kind: StageKind) -> None:
    given = {
        option
        for option in ("actor", "method", "seed", "estimate")
        if getattr(wanted, option) not in (None, False)
    }
    for option in kind.needs:
        if option not in given:
            raise SettingsError(f"the stage {wanted.stage} needs --{option}")
    for option in sorted(given - {*kind.needs, *kind.takes}):
        raise SettingsError(f"the stage {wanted.stage} has no --{option}; leave it out")
    if wanted.video_hours is not None and not wanted.estimate:
        raise SettingsError("--video-hours belongs to --estimate; leave it out")


def _estimate(workspace: Workspace, video_hours: float | None) -> None:
    from spfem.run.data import make_whole_corpus
    from spfem.run.estimate import project_cost

    clips = make_whole_corpus(workspace).clips
    print(project_cost(clips, workspace.scale.face, video_hours=video_hours))
