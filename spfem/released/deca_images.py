"""Pictures of FLAME's face as DECA draws them, and the files that lay its skin in the plane.

Readers raise an `InputError` that names the file and what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from spfem.errors import InputError
from spfem.released.flame import CROP_SIZE, TRIANGLES, VERTICES, FlameModel, project, to_raster

MAP_PLACES = 5118  # vertices of the map: seams count twice
MAP_SIZE = 256  # texels a side


@dataclass(frozen=True)
class HeadTemplate:
    """Topology of FLAME's mesh and of its map.

    Attributes:
        places: (5118, 2) float32 u to the right, v up, in [0, 1].
        triangles: (9976, 3) int32 vertices.
        map_triangles: (9976, 3) int32 rows of `places`.
    """

    places: np.ndarray
    triangles: np.ndarray
    map_triangles: np.ndarray


def read_head_template(path: Path) -> HeadTemplate:
    """Read `head_template.obj`: 5023 vertices, 5118 map places, 9976 triangles `f v/vt`."""
    places, corners, vertices = [], [], 0
    try:
        for line in path.read_text(encoding="latin1").splitlines():
            words = line.split()
            if line.startswith("v "):
                vertices += 1
            elif line.startswith("vt "):
                places.append([float(word) for word in words[1:3]])
            elif line.startswith("f "):
                corners.append([[int(n) for n in word.split("/")[:2]] for word in words[1:]])
        indices = np.array(corners, np.int32) - 1
        map_places = np.array(places, np.float32)
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} is no OBJ file of triangles ({error})") from error
    found = (vertices, map_places.shape, indices.shape)
    wanted = (VERTICES, (MAP_PLACES, 2), (TRIANGLES, 3, 2))
    if found != wanted:
        raise InputError(
            f"{path}: vertices, map places, triangles are {found} instead of {wanted}; give "
            "head_template.obj of DECA"
        )
    if indices.min() < 0 or (indices.max((0, 1)) >= (VERTICES, MAP_PLACES)).any():
        raise InputError(f"{path}: triangles name places that do not exist; get the file again")
    return HeadTemplate(
        map_places, np.ascontiguousarray(indices[..., 0]), np.ascontiguousarray(indices[..., 1])
    )


def read_fixed_displacement(path: Path) -> np.ndarray:
    """Read `fixed_displacement_256.npy`: (256, 256) float32 metres along the normal."""
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is no plain .npy file ({error}); get it again") from error
    if values.shape != (MAP_SIZE, MAP_SIZE) or values.dtype.kind != "f":
        raise InputError(
            f"{path} is {values.dtype} {values.shape}; DECA's map is ({MAP_SIZE}, {MAP_SIZE}) reals"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{path} is not finite; get the file again")
    return values.astype(np.float32)


def read_face_mask(path: Path) -> np.ndarray:
    """Read `uv_face_eye_mask.png`: (256, 256) float32 in [0, 1], its red channel."""
    import cv2  # not of the light install

    content = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    if picture is None or picture.dtype != np.uint8 or picture.shape[:2] != (MAP_SIZE, MAP_SIZE):
        found = "no picture" if picture is None else f"{picture.dtype} {picture.shape}"
        raise InputError(f"{path} is {found}; DECA's mask is an 8-bit PNG of 256 x 256")
    red = picture if picture.ndim == 2 else picture[..., 2]  # OpenCV reads BGR(A)
    return red.astype(np.float32) / 255


ROWS, COLUMNS = (5, 250), (2, 253)  # of the texels that carry detail: [first, last)
NORMAL_EPS = 1e-6


class SkinMap(nn.Module):
    """Carries attributes of vertices to texels.

    Source: spec `face_pipeline.md` 2.5: u to the right, v up, 256 x 256 texels.
    """

    corners: Tensor
    places: Tensor

    def __init__(self, template: HeadTemplate) -> None:
        from spfem.head.raster import rasterise  # Warp is not of the light install

        super().__init__()
        flat = torch.from_numpy(template.places) * torch.tensor([1.0, -1.0])
        flat = flat + torch.tensor([0.0, 1.0])
        points = nn.functional.pad(flat * MAP_SIZE, (0, 1))[None]
        raster = rasterise(points, torch.from_numpy(template.map_triangles), MAP_SIZE, MAP_SIZE)
        seen = raster.face[0].clamp(min=0).long()
        self.register_buffer("corners", torch.from_numpy(template.triangles).long()[seen])
        self.register_buffer("places", raster.barycentric[0])  # 0 where there is no skin

    def forward(self, attributes: Tensor) -> Tensor:
        """Map (B, V, C) to (B, 256, 256, C); 0 where there is no skin; differentiable."""
        places = self.places.to(attributes.dtype)
        # One corner after the other, so that no (B, 256, 256, 3, C) is held.
        return sum(
            attributes[:, self.corners[..., corner]] * places[..., corner, None]
            for corner in range(3)
        )  # type: ignore[return-value]


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals (B, V, 3) of vertices (B, V, 3), each triangle (F, 3) weighing by its area."""
    a, b, c = (vertices[:, triangles[:, corner].long()] for corner in range(3))
    across = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals.index_add_(1, triangles[:, corner].long(), across)
    return nn.functional.normalize(normals, dim=-1, eps=NORMAL_EPS)


def texel_normals(places: Tensor) -> Tensor:
    """Unit normals of texels (B, 256, 256, 3) seen as a mesh, 0 on its margin.

    Two triangles a square of four texels a b / c d, cut from b to c and turned so that normals of
    FLAME's skin point outwards: 122 990 triangles, never listed, because neighbours in a grid are
    shifts of it.

    Source: spec `face_pipeline.md` 2.6, which does not say which way a square is cut.
    """
    rows, columns = slice(*ROWS), slice(*COLUMNS)
    below, beside = slice(ROWS[0] + 1, ROWS[1] + 1), slice(COLUMNS[0] + 1, COLUMNS[1] + 1)
    a, b = places[:, rows, columns], places[:, rows, beside]
    c, d = places[:, below, columns], places[:, below, beside]
    first = torch.linalg.cross(c - a, b - a)
    second = torch.linalg.cross(c - b, d - b)
    normals = torch.zeros_like(places)
    normals[:, rows, columns] += first
    normals[:, rows, beside] += first + second
    normals[:, below, columns] += first + second
    normals[:, below, beside] += second
    return nn.functional.normalize(normals, dim=-1, eps=NORMAL_EPS)


ALBEDO = 180 / 255
LIGHTS = ((-1, 1, 1), (1, 1, 1), (-1, -1, 1), (1, -1, 1), (0, 0, 1))  # directions, y up
LIGHT_INTENSITY = 1.7
LARGEST_TURN = 0.15  # z of a normal of the projected face, which is negative where it is seen


class FaceImages(NamedTuple):
    """Pictures (B, 3, 224, 224) in [0, 1] of faces in the crop, black around the face."""

    nmfc: Tensor
    shape: Tensor


def mean_face_coordinates(template: np.ndarray) -> np.ndarray:
    """Colours (V, 3) in [0, 1] of vertices (V, 3): the mean head, stretched axis by axis."""
    low, high = template.min(0), template.max(0)
    return ((template - low) / (high - low)).astype(np.float32)


def shade(normals: Tensor) -> Tensor:
    """Grey levels (..., 1) in [0, 1] of normals (..., 3) under the five lights.

    Source: spec `face_pipeline.md` 2.6.
    """
    lights = nn.functional.normalize(normals.new_tensor(LIGHTS), dim=-1)
    falling = (normals @ lights.mT).clamp(0, 1) * LIGHT_INTENSITY
    return (ALBEDO * falling.mean(-1, keepdim=True)).clamp(max=1)


class FaceArtist(nn.Module):
    """Draws vertices of FLAME; one rasterisation a frame, on the CPU or a GPU.

    Args:
        model: FLAME's arrays.
        template: topology of the mesh and of its map.
        displacement: (256, 256) metres that DECA adds along the normals of every face.
        mask: (256, 256) in [0, 1], where the detail decoder counts.
    """

    colours: Tensor
    triangles: Tensor
    map_triangles: Tensor
    map_places: Tensor
    displacement: Tensor
    mask: Tensor

    def __init__(
        self, model: FlameModel, template: HeadTemplate, displacement: np.ndarray, mask: np.ndarray
    ) -> None:
        super().__init__()
        self.skin_map = SkinMap(template)
        # As `grid_sample` takes them: x to the right, y down, the border of the map at -1 and 1.
        places = (template.places * 2 - 1) * np.array([1, -1], np.float32)
        buffers = {
            "colours": mean_face_coordinates(model.template),
            "triangles": template.triangles,
            "map_triangles": template.map_triangles,
            "map_places": places,
            "displacement": displacement,
            "mask": mask,
        }
        for name, array in buffers.items():
            self.register_buffer(name, torch.from_numpy(np.array(array)))

    def detail_normals(self, vertices: Tensor, normals: Tensor, detail: Tensor) -> Tensor:
        """Normals (B, 256, 256, 3) of the skin (B, V, 3) with its wrinkles `detail`, in metres."""
        mapped = self.skin_map(torch.cat([vertices, normals], -1))
        height = detail[:, 0] * self.mask + self.displacement
        return texel_normals(mapped[..., :3] + height[..., None] * mapped[..., 3:])

    def forward(self, vertices: Tensor, camera: Tensor, detail: Tensor) -> FaceImages:
        """Draw normalised mean face coordinates, and the grey face with wrinkles under five lights.

        Vertices (B, V, 3) and `detail` (B, 1, 256, 256) are in metres, `camera` is (B, 3).

        Source: spec `face_pipeline.md` 2.5, 2.6. The released code rasterises six times a frame.
        """
        from spfem.head.raster import interpolate, rasterise  # not of the light install

        points = to_raster(project(vertices, camera), CROP_SIZE)
        raster = rasterise(points.contiguous(), self.triangles, CROP_SIZE, CROP_SIZE)
        normals = vertex_normals(vertices, self.triangles)
        coarse = interpolate(raster, self.triangles, normals)
        # The projection turns normals half around x: z changes its sign.
        seen = ((raster.face >= 0) & (-coarse[..., 2] < LARGEST_TURN))[..., None]
        places = interpolate(raster, self.map_triangles, self.map_places)
        fine = nn.functional.grid_sample(
            self.detail_normals(vertices, normals, detail).movedim(-1, 1),
            places,
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        ).movedim(1, -1)
        nmfc = interpolate(raster, self.triangles, self.colours)
        shape = shade(fine).expand(-1, -1, -1, 3)
        return FaceImages((nmfc * seen).movedim(-1, 1), (shape * seen).movedim(-1, 1))
