"""The files that only the user can supply: where they lie, what each unlocks, is it sound."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spfem.errors import SpfemError
from spfem.released.kinds import FSGAN_NAME

VGG_NAME = "vgg19-dcbb9e9d.pth"
NED = "links in the README of https://github.com/foivospar/NED"
SCMCL = "the archive that the README of SCMCL links, unpacked as scmcl/"
BESIDE_GENERATORS = "*_net_D*.pth"  # read with the generator beside them
MIT_BUT_FLAME = "MIT (its code); made with FLAME and DECA, which allow no commercial use"


@dataclass(frozen=True)
class OptionalFile:
    """A file, or several of one kind, below the folder of optional files.

    Attributes:
        pattern: where it is looked for, as in `Path.glob`.
        title: what it is.
        unlocks: what works with it.
        source: where to get it.
        licence: as its authors state it.
        check: why a file cannot be used, in one line; empty if it can.
    """

    pattern: str
    title: str
    unlocks: str
    source: str
    licence: str
    check: Callable[[Path], str]


@dataclass(frozen=True)
class FoundFile:
    """A file that is there, and what is wrong with it (nothing if empty)."""

    path: Path
    trouble: str


def find_files(optional: OptionalFile, folder: Path) -> list[FoundFile]:
    """Every file of that kind below `folder`, read and checked whole."""
    return [
        FoundFile(path, _wrong_digest(path) or optional.check(path))
        for path in sorted(folder.glob(optional.pattern))
    ]


def find_strangers(folder: Path) -> list[Path]:
    """Files below `folder` that are none of the optional ones, nor belong to one of them."""
    known = {path for optional in list_optional_files() for path in folder.glob(optional.pattern)}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in known and not path.match(BESIDE_GENERATORS)
    ]


def _wrong_digest(path: Path) -> str:
    """Trouble where the name ends in the first digits of the SHA-256, as torchvision's do."""
    named = re.fullmatch(r".+-([0-9a-f]{8})\.pth", path.name)
    if not named:
        return ""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest.startswith(named[1]):
        return ""
    return f"its SHA-256 begins with {digest[:8]} instead of {named[1]}; download it again"


def _check_released(kind: str, path: Path) -> str:
    from spfem.released.kinds import open_released

    return _trouble(partial(open_released, kind, path))


def _check_perceptual(path: Path) -> str:
    from spfem.renderer.perceptual_file import load_perceptual_loss

    return _trouble(partial(load_perceptual_loss, path))


def _check_segmenter(path: Path) -> str:
    from spfem.released.segment import load_segmenter

    return _trouble(partial(load_segmenter, path))


def _check_paths(path: Path) -> str:
    from spfem.pairing.released_paths import read_released_paths

    return _trouble(partial(read_released_paths, path))


def _check_read(read: Callable[[Path], object], path: Path) -> str:
    return _trouble(partial(read, path))


def _trouble(read: Callable[[], object]) -> str:
    try:
        read()
    except (SpfemError, OSError, MemoryError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _flame_files() -> list[OptionalFile]:
    from spfem.released.flame_files import FLAME_FILES

    return [
        OptionalFile(
            file.name,
            "FLAME head model" if file.name == "generic_model.pkl" else "DECA",
            file.unlocks,
            file.source,
            file.licence,
            partial(_check_read, file.read),
        )
        for file in FLAME_FILES.values()
    ]


def _metric_files() -> list[OptionalFile]:
    encoders = {
        "audio": "scmcl-audio",
        "3dmm": "scmcl-expression",
        "image": "scmcl-image",
        "3dmm_finetune": "scmcl-expression-pair",
        "image_finetune": "scmcl-image-pair",
    }
    metrics = [
        OptionalFile(
            f"{name}/*.pth",
            f"{name.upper()} metric",
            f"the published {name.upper()} metric as a loss: import-checkpoint {kind}",
            f"link in the README of https://github.com/jianmanlincjx/{name.upper()}",
            licence,
            partial(_check_released, kind),
        )
        for name, kind, licence in (
            ("asccl", "spatial", "its repository has no licence file"),
            ("stccl", "spatial-temporal", "as its repository states"),
        )
    ]
    return metrics + [
        OptionalFile(
            f"scmcl/scmc/{folder}/last.pth",
            f"SCMCL encoder{'s' if '_' in folder else ''}",
            f"the published SCMCL metric: import-checkpoint {kind}",
            SCMCL,
            MIT_BUT_FLAME,
            partial(_check_released, kind),
        )
        for folder, kind in encoders.items()
    ]


def list_optional_files() -> list[OptionalFile]:
    """All of them; none is needed for the default run."""
    return [
        *_flame_files(),
        OptionalFile(
            FSGAN_NAME,
            "FSGAN face segmenter",
            "face masks as NED cuts them: edit --flame takes it",
            "by the form in the README of https://github.com/YuvalNirkin/fsgan",
            "on request, research only",
            _check_segmenter,
        ),
        OptionalFile(
            VGG_NAME,
            "VGG19 of torchvision",
            "the perceptual loss of NED's renderer: RendererSettings.perceptual_file names it",
            f"https://download.pytorch.org/models/{VGG_NAME}",
            "BSD-3 (torchvision); learned on ImageNet, whose terms apply",
            _check_perceptual,
        ),
        OptionalFile(
            "ned/manipulator/**/*_nets*.pth",
            "NED manipulator",
            "published edits of FLAME codes: import-checkpoint, then edit --manipulator",
            NED,
            MIT_BUT_FLAME,
            partial(_check_released, "ned-manipulator"),
        ),
        OptionalFile(
            "ned/renderer/**/*_net_G.pth",
            "NED renderer of a person",
            "published faces of that person: import-checkpoint, then edit --renderer-file",
            NED,
            MIT_BUT_FLAME,
            partial(_check_released, "ned-renderer"),
        ),
        OptionalFile(
            "scmcl/manipulator/**/*_nets*.pth",
            "SCMCL manipulator",
            "published edits of FLAME codes: import-checkpoint, then edit --manipulator",
            SCMCL,
            MIT_BUT_FLAME,
            partial(_check_released, "scmcl-manipulator"),
        ),
        OptionalFile(
            "scmcl/renderer/**/*_net_G.pth",
            "SCMCL renderer of a person",
            "published faces of that person: import-checkpoint, then edit --renderer-file",
            SCMCL,
            MIT_BUT_FLAME,
            partial(_check_released, "ned-renderer"),
        ),
        OptionalFile(
            "aligned_path36.json",
            "frame paths of 36 actors of MEAD",
            "the papers' own pairs in place of ours: PairingSettings.paths_file names it; notebook "
            "03 compares both",
            "in https://github.com/jianmanlincjx/ASCCL",
            "its repository has no licence file",
            _check_paths,
        ),
        *_metric_files(),
    ]
