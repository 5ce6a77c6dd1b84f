"""The user's own FLAME and DECA files: which, where from, what they unlock, checked and loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spfem.checkpoints import load_checkpoint, load_weights, tensors_below
from spfem.errors import AssetError, SpfemError
from spfem.flame.detail import DetailDecoder
from spfem.flame.encoder import COARSE_OUTPUTS, DETAIL_OUTPUTS, FaceEncoder
from spfem.flame.landmarks import LandmarkEmbedding, read_landmark_embedding
from spfem.flame.model_file import FlameModel, read_flame_model
from spfem.flame.uv_file import (
    HeadTemplate,
    read_face_mask,
    read_fixed_displacement,
    read_head_template,
)
from spfem.released_files import read_released

FLAME_SOURCE = "register at https://flame.is.tue.mpg.de and download FLAME 2020"
DECA_SOURCE = "register at https://deca.is.tue.mpg.de or follow the DECA repository's README"
DATA_SOURCE = "take it from the folder `data` of the DECA repository (its licence applies)"
CHECKPOINT_KIND = "deca_networks"
NETWORKS = ("E_flame", "E_detail", "D_detail")


@dataclass(frozen=True)
class DecaNetworks:
    """The three networks of `deca_model.tar`, in evaluation mode and frozen.

    Attributes:
        coarse_encoder: image to 236 coefficients.
        detail_encoder: image to 128 coefficients.
        detail_decoder: coefficients to a displacement map.
    """

    coarse_encoder: FaceEncoder
    detail_encoder: FaceEncoder
    detail_decoder: DetailDecoder


def read_networks(path: Path) -> DecaNetworks:
    """Read `deca_model.tar` strictly (the released loader skips what does not fit).

    Also reads the safetensors file that `import-checkpoint deca` makes of it.

    Raises:
        CheckpointError: if the file is damaged, holds code, or its entries are missing, surplus or
            of another shape.
    """
    if path.suffix == ".safetensors":
        return fill_networks(load_checkpoint(path, kind=CHECKPOINT_KIND)[0], path)
    return fill_networks(read_released(path, NETWORKS).tensors, path)


def fill_networks(tensors: Mapping[str, Tensor], path: Path) -> DecaNetworks:
    """Networks of entries `E_flame.*`, `E_detail.*` and `D_detail.*`, read from `path`.

    Raises:
        CheckpointError: if entries are missing, surplus or of another shape.
    """
    with torch.device("meta"):  # no time for values that are overwritten at once
        modules: tuple[nn.Module, ...] = (
            FaceEncoder(COARSE_OUTPUTS),
            FaceEncoder(DETAIL_OUTPUTS),
            DetailDecoder(),
        )
    for name, module in zip(NETWORKS, modules, strict=True):
        module.to_empty(device="cpu")
        own = tensors_below(tensors, f"{name}.")
        load_weights(module, own, f"{path} ({name})", advice="give the released deca_model.tar")
        module.eval().requires_grad_(False)
    return DecaNetworks(*modules)  # type: ignore[arg-type]


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


CODES = "FLAME codes of any video (encoder), so that released NED and SCMCL manipulators can be fed"
PICTURES = "NMFC and shape images as NED's released renderers expect them"
OPTIONAL_FILES = {
    "networks": OptionalFile("deca_model.tar", DECA_SOURCE, CODES, 213_000_000, read_networks),
    "model": OptionalFile(
        "generic_model.pkl", FLAME_SOURCE, PICTURES, 20_000_000, read_flame_model
    ),
    "landmarks": OptionalFile(
        "landmark_embedding.npy",
        DATA_SOURCE,
        "landmarks of FLAME's face, for the eye images of an edit",
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


@dataclass(frozen=True)
class DecaFiles:
    """Where the user keeps each file.

    Attributes:
        networks: `deca_model.tar`.
        model: `generic_model.pkl` of FLAME 2020.
        landmarks: `landmark_embedding.npy`.
        template: `head_template.obj`.
        displacement: `fixed_displacement_256.npy`.
        mask: `uv_face_eye_mask.png`.
    """

    networks: Path
    model: Path
    landmarks: Path
    template: Path
    displacement: Path
    mask: Path

    @classmethod
    def in_folder(cls, folder: Path | str) -> DecaFiles:
        """All files under their usual names in one folder, as in DECA's `data`."""
        return cls(**{part: Path(folder) / file.name for part, file in OPTIONAL_FILES.items()})


@dataclass(frozen=True)
class Deca:
    """Everything of FLAME and DECA, loaded.

    Attributes:
        networks: encoders and detail decoder.
        model: FLAME's arrays.
        landmarks: places of the 68 landmarks.
        template: topology of the map.
        displacement: (256, 256) metres.
        mask: (256, 256) in [0, 1].
    """

    networks: DecaNetworks
    model: FlameModel
    landmarks: LandmarkEmbedding
    template: HeadTemplate
    displacement: np.ndarray
    mask: np.ndarray

    @property
    def device(self) -> torch.device:
        """Where the networks are, and therefore where the route runs."""
        return next(self.networks.coarse_encoder.parameters()).device


def load_deca(files: DecaFiles | Path | str, device: torch.device | str = "cpu") -> Deca:
    """Load all files strictly.

    Args:
        files: where each is, or the one folder that holds all of them.
        device: where the networks go.

    Raises:
        AssetError: naming each missing file, where to get it and what it unlocks.
        InputError: if a file is damaged or not what it claims to be.
        CheckpointError: if the networks are.
    """
    if not isinstance(files, DecaFiles):
        files = DecaFiles.in_folder(files)
    paths = {part: getattr(files, part) for part in OPTIONAL_FILES}
    missing = [
        f"{paths[part]} does not exist: {file.source}; it unlocks {file.unlocks}"
        for part, file in OPTIONAL_FILES.items()
        if not paths[part].is_file()
    ]
    if missing:
        raise AssetError("; ".join(missing))
    deca = Deca(**{part: file.read(paths[part]) for part, file in OPTIONAL_FILES.items()})
    networks = deca.networks
    for module in (networks.coarse_encoder, networks.detail_encoder, networks.detail_decoder):
        module.to(device)
    return deca
