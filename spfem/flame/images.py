"""Pictures of FLAME's face as DECA draws them: mean face coordinates and shaded shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from spfem.flame.camera import CROP_SIZE, project, to_raster
from spfem.flame.model_file import FlameModel
from spfem.flame.uv import SkinMap, texel_normals, vertex_normals
from spfem.flame.uv_file import HeadTemplate
from spfem.head.rasterise import interpolate, rasterise

ALBEDO = 180 / 255
LIGHTS = ((-1, 1, 1), (1, 1, 1), (-1, -1, 1), (1, -1, 1), (0, 0, 1))  # directions, y up
LIGHT_INTENSITY = 1.7
LARGEST_TURN = 0.15  # z of a normal of the projected face, which is negative where it is seen


@dataclass(frozen=True)
class FaceImages:
    """Pictures of B faces in the crop, real RGB in [0, 1], black around the face.

    Attributes:
        nmfc: (B, 3, 224, 224) normalised mean face coordinates x, y, z.
        shape: (B, 3, 224, 224) grey face with wrinkles under five lights.
        coarse_shape: (B, 3, 224, 224) the same without wrinkles, for looking at.
    """

    nmfc: Tensor
    shape: Tensor
    coarse_shape: Tensor


def mean_face_coordinates(template: np.ndarray) -> np.ndarray:
    """Colours (V, 3) in [0, 1] of vertices (V, 3): the mean head, stretched axis by axis."""
    low, high = template.min(0), template.max(0)
    return ((template - low) / (high - low)).astype(np.float32)


def shade(normals: Tensor) -> Tensor:
    """Grey levels (..., 1) in [0, 1] of normals (..., 3) under the five lights.

    Source: spec `face_pipeline.md` 2.6.
    """
    lights = torch.nn.functional.normalize(normals.new_tensor(LIGHTS), dim=-1)
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
        """Normals (B, 256, 256, 3) of the skin with its wrinkles.

        Args:
            vertices: (B, V, 3) metres.
            normals: (B, V, 3) of them.
            detail: (B, 1, 256, 256) metres, from the detail decoder.
        """
        mapped = self.skin_map(torch.cat([vertices, normals], -1))
        height = detail[:, 0] * self.mask + self.displacement
        return texel_normals(mapped[..., :3] + height[..., None] * mapped[..., 3:])

    def forward(self, vertices: Tensor, camera: Tensor, detail: Tensor) -> FaceImages:
        """Draw B faces.

        Args:
            vertices: (B, V, 3) float32 metres.
            camera: (B, 3).
            detail: (B, 1, 256, 256) metres.

        Source: spec `face_pipeline.md` 2.5, 2.6. The released code rasterises six times a frame.
        """
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
        pictures = (
            interpolate(raster, self.triangles, self.colours),
            shade(fine).expand(-1, -1, -1, 3),
            shade(coarse).expand(-1, -1, -1, 3),
        )
        return FaceImages(*((picture * seen).movedim(-1, 1) for picture in pictures))
