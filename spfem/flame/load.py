"""The user's FLAME and DECA files, loaded and ready to draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from spfem.errors import AssetError
from spfem.flame.assets import OPTIONAL_FILES
from spfem.flame.decode import FlameDecoder
from spfem.flame.images import FaceArtist
from spfem.flame.landmarks import LandmarkEmbedding
from spfem.flame.model_file import FlameModel
from spfem.flame.networks import DecaNetworks


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
        return self.networks.device


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
    read = {part: file.read(paths[part]) for part, file in OPTIONAL_FILES.items()}
    artist = FaceArtist(read["model"], read["template"], read["displacement"], read["mask"])
    return Deca(
        networks=read["networks"].to(device),
        model=read["model"],
        decoder=FlameDecoder(read["model"]).to(device),
        artist=artist.to(device),
        landmarks=read["landmarks"].to(device),
    )
