"""A few faces of the renderer that moves pixels, with the rasters that were drawn for them.

Recorded where there is a rasteriser (`python -m benchmarks.moved_record`), read where none is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spfem.errors import InputError

DEFAULT = Path("tests/gpu/moved_scene.npz")
RASTER_PARTS = ("face", "barycentric", "depth")
DONOR_PARTS = ("pictures", "vertices", "shown", "palette")
CHOICE_PARTS = ("index", "weight", "slack")
SURFACE_PARTS = ("shading", "held")
MESH_PARTS = ("triangles", "layers", "regions", "upper")


@dataclass(frozen=True)
class ReplayedRaster:
    """A recorded raster; see `spfem.head.raster.Raster`."""

    face: Tensor
    barycentric: Tensor
    depth: Tensor


def _donors(given: Mapping[str, Tensor], layer: int) -> Any:
    """Donors of an opening, from crops as pictures."""
    from spfem.renderer.openings import Donors
    from spfem.renderer.warp import spline_coefficients

    crops, *others = (given[f"donor_{layer}_{part}"] for part in DONOR_PARTS)
    return Donors(spline_coefficients(crops), *others)


class Replay:
    """Gives recorded rasters in the order of the calls, on the grid that is asked for."""

    def __init__(self, rasters: list[ReplayedRaster]) -> None:
        self.rasters = rasters
        self.calls = 0
        self._fitted: dict[tuple[int, int, int], ReplayedRaster] = {}

    def __call__(
        self, points: Tensor, triangles: Tensor, height: int, width: int
    ) -> ReplayedRaster:
        """The next raster, its samples repeated or left out if the grid has another size."""
        number = self.calls % len(self.rasters)
        self.calls += 1
        place = (number, height, width)
        if place not in self._fitted:  # once: a drawing is timed, not how its rasters are fitted
            with torch.inference_mode(False):
                self._fitted[place] = self._fit(self.rasters[number], points, height, width)
        return self._fitted[place]

    def _fit(
        self, raster: ReplayedRaster, points: Tensor, height: int, width: int
    ) -> ReplayedRaster:
        rows, columns = (
            (torch.arange(wanted, device=points.device) * had).div(wanted, rounding_mode="floor")
            for wanted, had in zip((height, width), raster.face.shape[1:], strict=True)
        )
        part = [getattr(raster, name)[:, rows][:, :, columns] for name in RASTER_PARTS]
        return ReplayedRaster(part[0], part[1], part[2] * (width / raster.face.shape[2]))


@dataclass(frozen=True)
class MovedScene:
    """All arguments of the renderer as tensors by name, and what has no type of its own.

    Attributes:
        tensors: `pictures` (B, 3, H, W) in [0, 255], `source` and `edited` (B, U, 3), the parts of
            the mesh and the surface, of donors and choices by layer (`donor_0_pictures`,
            `choice_0_index`), of
            rasters by call (`raster_0_face`).
        unit: window pixels per head unit.
        boxes: layer, corners, height and width of each opening.
    """

    tensors: Mapping[str, Tensor]
    unit: float
    boxes: tuple[tuple[int, tuple[tuple[int, int], ...], int, int], ...]

    @property
    def raster_count(self) -> int:
        """Calls of the rasteriser that were recorded."""
        return sum(name.startswith("raster_") and name.endswith("face") for name in self.tensors)

    def bind(
        self, given: Mapping[str, Tensor], replay: Replay | None = None
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The renderer of pictures and edited vertices.

        Args:
            given: tensors with this scene's names, on any device.
            replay: of the rasters; default those of `given`, from the first on.
        """
        from spfem.renderer.moved import MovedRenderer, Surface
        from spfem.renderer.openings import DonorChoice
        from spfem.renderer.warp import OpeningBox

        rasters = replay or rasters_of(given, self.raster_count)
        triangles, layers, regions, upper = (given[name] for name in MESH_PARTS)
        renderer = MovedRenderer(triangles, layers, regions, upper, rasters)
        renderer.to(given["pictures"])
        boxes = [OpeningBox(*box) for box in self.boxes]
        donors = {
            layer: (
                _donors(given, layer),
                DonorChoice.of(
                    *(given[f"choice_{layer}_{part}"].cpu().numpy() for part in CHOICE_PARTS)
                ).to(given["pictures"].device),
            )
            for layer, *_ in self.boxes
            if f"donor_{layer}_pictures" in given
        }
        surface = Surface(*(given[f"surface_{part}"] for part in SURFACE_PARTS))
        return lambda pictures, edited: renderer(
            pictures, given["source"], edited, self.unit, boxes, donors, surface
        )

    def enlarged(self, side: int) -> MovedScene:
        """The same scene with a longer window side of `side` pixels; rasters stay as they are."""
        height, width = self.tensors["pictures"].shape[-2:]
        factor = side / max(height, width)
        size = (round(height * factor), round(width * factor))
        tensors = dict(self.tensors)
        for name, value in self.tensors.items():
            if name.endswith(("pictures", "shown")):
                rows = size if name == "pictures" else _times(value.shape[-2:], factor)
                tensors[name] = torch.nn.functional.interpolate(value, rows, mode="bilinear")
            elif name.endswith(("source", "edited", "vertices")):
                tensors[name] = value * factor
        boxes = []
        for layer, corners, high, wide in self.boxes:
            high, wide = _times((high, wide), factor)
            most = (size[1] - wide, size[0] - high)
            moved = tuple(
                (min(int(x * factor), most[0]), min(int(y * factor), most[1])) for x, y in corners
            )
            boxes.append((layer, moved, high, wide))
        return MovedScene(tensors, self.unit * factor, tuple(boxes))

    def repeated(self, times: int) -> MovedScene:
        """A batch that holds every face `times` times."""
        kept = ("donor_", *MESH_PARTS)
        tensors = {
            name: value if name.startswith(kept) else torch.cat([value] * times)
            for name, value in self.tensors.items()
        }
        boxes = tuple((layer, corners * times, *size) for layer, corners, *size in self.boxes)
        return MovedScene(tensors, self.unit, boxes)  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        """Write a compressed npz file."""
        arrays: dict[str, Any] = {"unit": np.array(self.unit)}
        for name, value in self.tensors.items():
            array = value.numpy()
            if name.endswith(("pictures", "shown")):
                scale = 255 if name.endswith("shown") else 1
                array = np.rint(array * scale).astype(np.uint8)
            arrays[name] = array
        for number, (layer, corners, high, wide) in enumerate(self.boxes):
            arrays[f"box_{number}"] = np.array([(layer, 0), (high, wide), *corners])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)


def _times(size: tuple[int, ...], factor: float) -> tuple[int, int]:
    return max(2, round(size[0] * factor)), max(2, round(size[1] * factor))


def rasters_of(given: Mapping[str, Tensor], count: int) -> Replay:
    """What replays the rasters among tensors by name."""
    return Replay(
        [
            ReplayedRaster(*(given[f"raster_{number}_{part}"] for part in RASTER_PARTS))
            for number in range(count)
        ]
    )


def load_scene(path: Path) -> MovedScene:
    """Read what `MovedScene.save` wrote.

    Raises:
        InputError: if the file is damaged or of another kind.
    """
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        boxes = tuple(_boxes(arrays))
        unit = float(arrays.pop("unit"))
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        for name, value in tensors.items():
            if value.dtype == torch.uint8:
                tensors[name] = value.float() / (255 if name.endswith("shown") else 1)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} holds no recorded scene ({error}); record it again") from error
    return MovedScene(tensors, unit, boxes)


def _boxes(
    arrays: dict[str, np.ndarray],
) -> Iterator[tuple[int, tuple[tuple[int, int], ...], int, int]]:
    for name in sorted(name for name in arrays if name.startswith("box_")):
        (layer, _), (high, wide), *corners = arrays.pop(name).tolist()
        yield layer, tuple((x, y) for x, y in corners), high, wide
