"""DECA: the 68 points it crops by, the crop, its networks, and the user's files loaded.

The released code runs face-alignment (SFD + FAN), whose weights are downloaded at run time; this
package has MediaPipe's tracker, so each of the 68 points (iBUG's numbering: outline 0-16, brows
17-26, nose 27-35, eyes 36-47, lips 48-67) is taken as the landmark, or the middle of the two, that
lies on the same place of the face. A departure: against dlib's 68 points on real clips of 256
pixels the inner points differ by 0.04 eye distances, and the box of the crop by 1.5 % in size and
0.01 eye distances in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.checkpoints import load_weights, read_released
from spfem.errors import AssetError, ShapeError
from spfem.head.model import LANDMARK_COUNT
from spfem.released.deca_images import (
    FaceArtist,
    read_face_mask,
    read_fixed_displacement,
    read_head_template,
)
from spfem.released.flame import (
    CROP_SIZE,
    FlameDecoder,
    FlameModel,
    LandmarkEmbedding,
    read_flame_model,
    read_landmark_embedding,
)

POINTS = 68
LEFT_IN_IMAGE_EYE, RIGHT_IN_IMAGE_EYE = slice(36, 42), slice(42, 48)
SAME_PLACE: tuple[tuple[int, ...], ...] = (
    (127,), (234,), (93,), (132, 58), (58, 172), (136,), (150,), (176,), (152,), (400,), (379,),
    (365,), (397, 288), (288, 361), (323,), (454,), (356,),
    (70,), (63,), (105,), (66,), (107,), (336,), (296,), (334,), (293,), (300,),
    (168,), (197,), (5,), (4,), (75,), (97,), (2,), (326,), (305,),
    (33,), (160,), (158,), (133,), (153,), (144,), (362,), (385,), (387,), (263,), (373,), (380,),
    (61,), (39,), (37,), (0,), (267,), (269,), (291,), (321,), (314,), (17,), (84,), (91,),
    (78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,),
)  # fmt: skip


def points_68(landmarks: np.ndarray) -> np.ndarray:
    """The 68 points (T, 68, 2) float64 of landmarks (T, 478, 2 or 3), in the same pixels."""
    if landmarks.ndim != 3 or landmarks.shape[1] != LANDMARK_COUNT or landmarks.shape[2] < 2:
        raise ShapeError(f"landmarks are {landmarks.shape}; wanted (T, {LANDMARK_COUNT}, 2 or 3)")
    flat = landmarks[..., :2].astype(np.float64)
    return np.stack([flat[:, list(places)].mean(1) for places in SAME_PLACE], 1)


POINTS_MARGIN, CROP_MARGIN = 1.1, 1.25


def crop_transforms(points: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Scale and shift (T, 3, 3) float64 from image to crop, both in pixel indices.

    Points (T, 68, 2) are pixel indices too (the first pixel's centre is 0); a frame with no face
    holds NaN and gets the whole image. `image_size` is width and height.

    Raises:
        ShapeError: if there are not 68 points, or all points of a face coincide.

    Source: spec `face_pipeline.md` 1.4. The released box of a frame without a face swaps width and
    height; here it does not.
    """
    if points.ndim != 3 or points.shape[1:] != (POINTS, 2):
        raise ShapeError(f"points are {points.shape}; wanted (T, {POINTS}, 2)")
    width, height = image_size
    low, high = points.min(1), points.max(1)
    lost = ~np.isfinite(low + high).all(1)
    low[lost], high[lost] = 0, (width - 1, height - 1)
    size = np.floor((high - low).sum(1) / 2 * POINTS_MARGIN * CROP_MARGIN)
    if (size < 1).any():
        raise ShapeError(
            f"the face of frame {int(np.argmin(size))} has no extent; check its points"
        )
    scale = (CROP_SIZE - 1) / size
    corner = (low + high) / 2 - size[:, None] / 2
    transforms = np.zeros((len(points), 3, 3))
    transforms[:, 0, 0] = transforms[:, 1, 1] = scale
    transforms[:, :2, 2] = -scale[:, None] * corner
    transforms[:, 2, 2] = 1
    return transforms


def warp_bilinear(images: Tensor, maps: Tensor, height: int, width: int) -> Tensor:
    """Images (T, C, height, width) whose pixel p shows the place map(p) of images (T, C, H, W).

    `maps` (T, 3, 3) are affine, from indices of the result to indices of `images`; 0 outside.
    Source: as `skimage.transform.warp` with order 1 and a constant border of 0.
    """
    sides = (torch.arange(side, dtype=torch.float64) for side in (height, width))
    y, x = torch.meshgrid(*sides, indexing="ij")
    indices = torch.stack([x, y, torch.ones_like(x)], -1)  # (height, width, 3)
    places = torch.einsum("tab,hwb->thwa", maps.double().cpu()[:, :2], indices)
    most = torch.tensor([images.shape[-1] - 1, images.shape[-2] - 1], dtype=torch.float64)
    grid = (2 * places / most.clamp(min=1) - 1).to(images)
    return functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )


def crop_faces(
    images: np.ndarray, transforms: np.ndarray, device: torch.device | str = "cpu"
) -> Tensor:
    """Crops (T, 3, 224, 224) float32 RGB in [0, 1] of images (T, H, W, 3) uint8 RGB.

    `transforms` (T, 3, 3) are those of `crop_transforms`. Source: spec `face_pipeline.md` 1.4: one
    sample a pixel.
    """
    pictures = torch.from_numpy(np.ascontiguousarray(images)).to(device).movedim(-1, 1)
    back = torch.from_numpy(np.linalg.inv(transforms))
    return warp_bilinear(pictures.float() / 255, back, CROP_SIZE, CROP_SIZE)


FEATURES, HIDDEN = 2048, 1024
COARSE_OUTPUTS, DETAIL_OUTPUTS = 236, 128
BLOCKS = (3, 4, 6, 3)


class DecaBottleneck(nn.Module):
    """A 1x1, a 3x3 (which carries the stride) and a 1x1 convolution with a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        channels_out = 4 * channels
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, 4 C, H / stride, W / stride)."""
        branch = functional.relu(self.bn1(self.conv1(features)))
        branch = functional.relu(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        if self.downsample is not None:
            features = self.downsample(features)
        return functional.relu(branch + features)


class DecaResNet(nn.Module):
    """Features of a 224-pixel RGB image in [0, 1], not normalised otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels_in = 64
        for level, blocks in enumerate(BLOCKS):
            channels = 64 * 2**level
            layers: list[nn.Module] = []
            for block in range(blocks):
                stride = 2 if block == 0 and level > 0 else 1
                layers.append(DecaBottleneck(channels_in, channels, stride))
                channels_in = 4 * channels
            self.add_module(f"layer{level + 1}", nn.Sequential(*layers))

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, 224, 224) to (B, 2048)."""
        features = functional.relu(self.bn1(self.conv1(images)))
        features = functional.max_pool2d(features, 3, 2, 1)
        for level in range(len(BLOCKS)):
            features = self.get_submodule(f"layer{level + 1}")(features)
        return features.mean((-2, -1))


class FaceEncoder(nn.Module):
    """From a face image to 236 (coarse, `E_flame`) or 128 coefficients (detail, `E_detail`).

    Source: spec `face_pipeline.md` 2.2.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = DecaResNet()
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB images (B, 3, 224, 224) in [0, 1] to (B, outputs)."""
        return self.layers(self.encoder(images))


INPUTS = 3 + 50 + 128  # jaw, expression, detail
CHANNELS = (128, 128, 64, 64, 32, 16)
START = 8  # texels a side before five doublings
MOST_DISPLACEMENT = 0.01  # metres
RELEASED_EPS = 0.8  # a slip of the released code that its weights have learned with


class DetailDecoder(nn.Module):
    """`D_detail` under its released names.

    Every batch norm after the first adds 0.8, not 1e-5, to the variance: reproduced, because the
    released weights depend on it.

    Source: spec `face_pipeline.md` 2.2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Sequential(nn.Linear(INPUTS, CHANNELS[0] * START**2))
        layers: list[nn.Module] = [nn.BatchNorm2d(CHANNELS[0])]
        for before, after in pairwise(CHANNELS):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(before, after, 3, 1, 1),
                nn.BatchNorm2d(after, RELEASED_EPS),
                nn.LeakyReLU(0.2),
            ]
        layers += [nn.Conv2d(CHANNELS[-1], 1, 3, 1, 1), nn.Tanh()]
        self.conv_blocks = nn.Sequential(*layers)

    def forward(self, jaw: Tensor, expression: Tensor, detail: Tensor) -> Tensor:
        """Displacement maps (B, 1, 256, 256) in metres along the normal.

        The jaw (B, 3) is axis-angle in radians, the expression (B, 50), the detail (B, 128).
        """
        start = self.l1(torch.cat([jaw, expression, detail], 1))
        maps = start.view(-1, CHANNELS[0], START, START)
        return self.conv_blocks(maps) * MOST_DISPLACEMENT


NETWORKS = ("E_flame", "E_detail", "D_detail")


class DecaNetworks(nn.Module):
    """The three networks of `deca_model.tar`, under their released names."""

    def __init__(self) -> None:
        super().__init__()
        self.E_flame = FaceEncoder(COARSE_OUTPUTS)
        self.E_detail = FaceEncoder(DETAIL_OUTPUTS)
        self.D_detail = DetailDecoder()


def read_networks(path: Path) -> DecaNetworks:
    """Read `deca_model.tar` strictly (the released loader skips what does not fit), frozen.

    What else it holds (options, optimisers) is left out.

    Raises:
        CheckpointError: if the file is damaged, holds code, or its entries are missing, surplus or
            of another shape.
    """
    tensors = read_released(path, NETWORKS).tensors
    with torch.device("meta"):  # no time for values that are overwritten at once
        networks = DecaNetworks()
    networks.to_empty(device="cpu")
    load_weights(networks, tensors, path, advice="give the released deca_model.tar")
    return networks.eval().requires_grad_(False)


FLAME_LICENCE = "FLAME: registration, no commercial use"
DECA_LICENCE = "Max Planck: registration, no commercial use"
FLAME_SOURCE = "register at https://flame.is.tue.mpg.de and download FLAME 2020"
DECA_SOURCE = "register at https://deca.is.tue.mpg.de or follow the DECA repository's README"
DATA_SOURCE = "take it from the folder `data` of the DECA repository"


@dataclass(frozen=True)
class FlameFile:
    """A file that only the user can supply: where to get it, what it unlocks, its strict reader."""

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

    The decoder makes vertices of coefficients, the artist pictures of vertices.
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
    """Load all files of a folder, under their usual names, strictly, to a device.

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
