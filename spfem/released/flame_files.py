"""The user's own FLAME and DECA files: where from, what for, whether they fit, and loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spfem.errors import AssetError
from spfem.released.deca import DecaNetworks, read_networks
from spfem.released.deca_images import (
    FaceArtist,
    read_face_mask,
    read_fixed_displacement,
    read_head_template,
)
from spfem.released.flame import (
    FlameDecoder,
    FlameModel,
    LandmarkEmbedding,
    read_flame_model,
    read_landmark_embedding,
)

FLAME_LICENCE = "FLAME: registration, no commercial use"
DECA_LICENCE = "Max Planck: registration, no commercial use"
FLAME_SOURCE = "register at https://flame.is.tue.mpg.de and download FLAME 2020"
DECA_SOURCE = "register at https://deca.is.tue.mpg.de or follow the DECA repository's README"
DATA_SOURCE = "take it from the folder `data` of the DECA repository"


@dataclass(frozen=True)
class FlameFile:
    """A file that only the user can supply.

    Attributes:
        name: usual file name.
        source: where to get it.
        unlocks: what works with it.
        read: its strict reader.
        licence: as its authors state it.
    """

    name: str
    source: str
    unlocks: str
    read: Callable[[Path], Any]
    licence: str = DECA_LICENCE


CODES = "FLAME codes of any video, by itself, as the released NED and SCMCL manipulators take them"
EYES = "eye images of an edit, with the other files"
PICTURES = "NMFC and shape images as NED's released renderers take them, with the other files"
FLAME_FILES = {
    "networks": FlameFile("deca_model.tar", DECA_SOURCE, CODES, read_networks),
    "model": FlameFile(
        "generic_model.pkl", FLAME_SOURCE, PICTURES, read_flame_model, FLAME_LICENCE
    ),
    "landmarks": FlameFile("landmark_embedding.npy", DATA_SOURCE, EYES, read_landmark_embedding),
    "template": FlameFile("head_template.obj", DATA_SOURCE, PICTURES, read_head_template),
    "displacement": FlameFile(
        "fixed_displacement_256.npy", DATA_SOURCE, PICTURES, read_fixed_displacement
    ),
    "mask": FlameFile("uv_face_eye_mask.png", DATA_SOURCE, PICTURES, read_face_mask),
}


@dataclass(frozen=True)
class Deca:
    """Everything of FLAME and DECA, on one device.

    Attributes:
        networks: encoders and detail decoder.
        model: FLAME's arrays.
        decoder: coefficients to vertices.
        artist: vertices to pictures.
        landmarks: places of the 68 landmarks.
    """

    networks: DecaNetworks
    model: FlameModel
    decoder: FlameDecoder
    artist: FaceArtist
    landmarks: LandmarkEmbedding

    @property
    def device(self) -> torch.device:
        """Where all of it is."""
        return next(self.networks.parameters()).device


def load_deca(folder: Path | str, device: torch.device | str = "cpu") -> Deca:
    """Load all files, under their usual names, strictly.

    Args:
        folder: that holds all of them.
        device: where the networks go.

    Raises:
        AssetError: naming each missing file, where to get it, under which licence, and what for.
        InputError: if a file is damaged or not what it claims to be.
        CheckpointError: if the networks are.
    """
    paths = {part: Path(folder) / file.name for part, file in FLAME_FILES.items()}
    missing = [
        f"{paths[part]} does not exist: {file.source} ({file.licence}); it unlocks {file.unlocks}"
        for part, file in FLAME_FILES.items()
        if not paths[part].is_file()
    ]
    if missing:
        raise AssetError("; ".join(missing))
    read = {part: file.read(paths[part]) for part, file in FLAME_FILES.items()}
    artist = FaceArtist(read["model"], read["template"], read["displacement"], read["mask"])
    return Deca(
        networks=read["networks"].to(device),
        model=read["model"],
        decoder=FlameDecoder(read["model"]).to(device),
        artist=artist.to(device),
        landmarks=read["landmarks"].to(device),
    )
