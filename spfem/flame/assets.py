"""The user's own FLAME and DECA files: where from, what for, and whether they fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spfem.errors import AssetError, SpfemError
from spfem.flame.landmarks import read_landmark_embedding
from spfem.flame.model_file import read_flame_model
from spfem.flame.networks import read_networks
from spfem.flame.uv_file import read_face_mask, read_fixed_displacement, read_head_template

FLAME_SOURCE = "register at https://flame.is.tue.mpg.de and download FLAME 2020"
DECA_SOURCE = "register at https://deca.is.tue.mpg.de or follow the DECA repository's README"
DATA_SOURCE = "take it from the folder `data` of the DECA repository (its licence applies)"


@dataclass(frozen=True)
class OptionalFile:
    """A file that only the user can supply.

    Attributes:
        name: usual file name.
        source: where to get it.
        unlocks: what works with it.
        least_bytes: fewer mean an interrupted download.
        read: its strict reader.
    """

    name: str
    source: str
    unlocks: str
    least_bytes: int
    read: Callable[[Path], Any]

    def check_file(self, path: Path) -> str:
        """Why `path` cannot be used, in one line; empty if it can.

        Reads the whole file: size, entries, shapes and finite values; nothing in it is run.
        """
        if not path.is_file():
            return f"{path} does not exist; {self.source}"
        size = path.stat().st_size
        if size < self.least_bytes:
            return (
                f"{path} has {size} bytes, at least {self.least_bytes} are needed; the download "
                "was cut off or it is another file"
            )
        try:
            self.read(path)
        except SpfemError as error:
            return " ".join(str(error).split())
        except (OSError, MemoryError) as error:
            return f"{path} cannot be read ({error})"
        return ""


CODES = "FLAME codes of any video, by itself, as the released NED and SCMCL manipulators take them"
PICTURES = "NMFC and shape images as NED's released renderers take them, with the other files"
OPTIONAL_FILES = {
    "networks": OptionalFile("deca_model.tar", DECA_SOURCE, CODES, 213_000_000, read_networks),
    "model": OptionalFile(
        "generic_model.pkl", FLAME_SOURCE, PICTURES, 20_000_000, read_flame_model
    ),
    "landmarks": OptionalFile(
        "landmark_embedding.npy",
        DATA_SOURCE,
        "eye images of an edit, with the other files",
        20_000,
        read_landmark_embedding,
    ),
    "template": OptionalFile(
        "head_template.obj", DATA_SOURCE, PICTURES, 200_000, read_head_template
    ),
    "displacement": OptionalFile(
        "fixed_displacement_256.npy", DATA_SOURCE, PICTURES, 131_072, read_fixed_displacement
    ),
    "mask": OptionalFile("uv_face_eye_mask.png", DATA_SOURCE, PICTURES, 100, read_face_mask),
}


def check_file(path: Path | str) -> str:
    """Why a FLAME or DECA file, known by its usual name, cannot be used; empty if it can.

    Raises:
        AssetError: if the name is none of `OPTIONAL_FILES`.
    """
    path = Path(path)
    for optional in OPTIONAL_FILES.values():
        if optional.name == path.name:
            return optional.check_file(path)
    names = ", ".join(optional.name for optional in OPTIONAL_FILES.values())
    raise AssetError(f"{path.name} is no file of FLAME or DECA; those are {names}")
