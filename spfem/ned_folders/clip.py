"""One clip of a NED folder as arrays, and what this package can do with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from spfem.artifacts import writing
from spfem.errors import InputError, ShapeError
from spfem.flame.codes import DecaCodes, to_expression
from spfem.flame.eyes import EYE_POINTS, draw_eyes
from spfem.renderer.clips import RendererClip
from spfem.renderer.conditions import stack_conditions

PICTURES = (  # folders of RGB pictures, one a frame
    "images",
    "faces",
    "faces_aligned",
    "nmfcs",
    "nmfcs_aligned",
    "shapes",
    "shapes_aligned",
)
MASKS = ("masks", "masks_aligned")
TABLES = ("eye_landmarks", "eye_landmarks_aligned", "align_transforms")
CODES = "DECA"
MOUTH_POINTS = 20  # rows of the mouth, after those of the eyes
TABLE_ROWS = {
    "eye_landmarks": (EYE_POINTS, EYE_POINTS + MOUTH_POINTS),
    "eye_landmarks_aligned": (EYE_POINTS, EYE_POINTS + MOUTH_POINTS),
    "align_transforms": (2,),
}
NED_SIZE = 256  # pixels, side of every picture of NED
MOUTH_CENTRE = (126.5, 174.0)  # between the corners of the mouth in NED's template of 256 pixels
_CODES_PREFIX = "DECA."


@dataclass(frozen=True)
class NedClip:
    """One clip of T frames as NED's preprocessing leaves it.

    Attributes:
        name: of the video, without suffix.
        fps: frames per second.
        frame_size: (H, W) of the video; (S, S), that of the crops, where it is unknown.
        arrays: folder name -> (T, ...). Pictures (T, S, S, 3) uint8 RGB: `images` are the square
            crops of the video, `..._aligned` lie in the template's place. Masks (T, S, S) uint8,
            0 or 255. `eye_landmarks` (T, 14 or 34, 2) float64 pixel indices (the first pixel's
            centre is 0): outlines of both eyes, the two pupils, and perhaps the mouth.
            `align_transforms` (T, 2, 3) float64, crop to aligned, pixel indices.
        boxes: (T, 4) int64 left, top, right, bottom of the crop in the video, the last two
            exclusive; None where the folder does not say.
        codes: DECA's; None where the folder has none.

    Raises:
        ShapeError: if an array is of another shape or type, or lengths differ.
    """

    name: str
    fps: float
    frame_size: tuple[int, int]
    arrays: Mapping[str, np.ndarray]
    boxes: np.ndarray | None = None
    codes: DecaCodes | None = None

    def __post_init__(self) -> None:
        if not {"images", "faces_aligned"} & set(self.arrays):
            raise ShapeError(f"clip {self.name} has neither images nor faces_aligned")
        wanted = (len(self), self.size, self.size)
        for folder, array in self.arrays.items():
            if folder in TABLES:
                columns = 3 if folder == "align_transforms" else 2
                fits = any(array.shape == (len(self), r, columns) for r in TABLE_ROWS[folder])
                fits = fits and array.dtype == np.float64
            else:
                fits = folder in PICTURES + MASKS and array.dtype == np.uint8
                fits = fits and array.shape == (wanted if folder in MASKS else (*wanted, 3))
            if not fits:
                raise ShapeError(f"clip {self.name}: {folder} is {array.dtype} {array.shape}")
        if self.boxes is not None and self.boxes.shape != (len(self), 4):
            raise ShapeError(f"clip {self.name}: boxes are {self.boxes.shape}")
        if self.codes is not None and len(self.codes) != len(self):
            raise ShapeError(f"clip {self.name}: codes are of {len(self.codes)} frames")

    def _first(self) -> np.ndarray:
        name = "images" if "images" in self.arrays else "faces_aligned"
        return self.arrays[name]

    def __len__(self) -> int:
        """Frames."""
        return len(self._first())

    @property
    def size(self) -> int:
        """S, side of every picture in pixels."""
        return int(self._first().shape[1])

    @property
    def faces(self) -> np.ndarray:
        """Aligned faces (T, S, S, 3) as in `FaceTrack`, but black outside the mask."""
        return self.need("faces_aligned")

    @property
    def masks(self) -> np.ndarray:
        """Aligned masks (T, S, S) as in `FaceTrack`."""
        return self.need("masks_aligned")

    @property
    def found(self) -> np.ndarray:
        """(T,) bool as in `FaceTrack`: NED fills frames without a face and does not say which."""
        return np.ones(len(self), bool)

    @property
    def align(self) -> np.ndarray:
        """Video to aligned pixels (T, 2, 3) float32 as in `FaceTrack` (first centre at 0.5).

        Without boxes, the crop stands for the video.
        """
        matrices = self.need("align_transforms").copy()
        # From pixel indices to places whose first centre is 0.5.
        matrices[:, :, 2] -= matrices[:, :, :2] @ (0.5, 0.5) - 0.5
        if self.boxes is not None:
            matrices = compose(matrices, crop_matrices(self.boxes, self.size))
        return matrices.astype(np.float32)

    @property
    def expression(self) -> np.ndarray:
        """The manipulator's vectors (T, 51) of the FLAME route, see `to_expression`.

        Raises:
            InputError: if the clip has no DECA codes.
        """
        if self.codes is None:
            raise InputError(f"clip {self.name} has no DECA codes; run NED's reconstruct first")
        return to_expression(self.codes)

    def need(self, folder: str) -> np.ndarray:
        """The array (T, ...) of a folder.

        Raises:
            InputError: if the clip has none.
        """
        if folder not in self.arrays:
            raise InputError(
                f"clip {self.name} has no {folder}; run NED's preprocessing to its end"
            )
        return self.arrays[folder]


def to_renderer_clip(clip: NedClip) -> RendererClip:
    """What a renderer of NED's layout learns from: ten channels NMFC, eyes, shape and mask.

    The eye image is drawn from the aligned landmarks. Where they lack the mouth (NED's test mode),
    its centre is that of NED's template.

    Raises:
        InputError: if an aligned folder is missing.

    Source: spec `manipulator_and_renderer.md` D2.
    """
    eyes = clip.need("eye_landmarks_aligned")
    conditions = stack_conditions(
        clip.need("nmfcs_aligned"),
        clip.need("shapes_aligned"),
        draw_eyes(eyes[:, :EYE_POINTS].astype(np.int32), clip.size, clip.size),
        clip.masks,
    )
    mouth = np.tile(np.array(MOUTH_CENTRE, np.float32) * (clip.size / NED_SIZE), (len(clip), 1))
    if eyes.shape[1] > EYE_POINTS:
        mouth = np.median(eyes[:, EYE_POINTS:], 1).astype(np.int32).astype(np.float32)
    eye_centres = np.median(eyes[:, :EYE_POINTS], 1).astype(np.int32).astype(np.float32)
    return RendererClip(conditions, clip.faces, mouth, eye_centres=eye_centres)


def crop_matrices(boxes: np.ndarray, size: int = NED_SIZE) -> np.ndarray:
    """Video to crop (T, 2, 3) float64, first centre at 0.5, of crops of boxes (T, 4)."""
    scale = size / (boxes[:, 2:] - boxes[:, :2])
    matrices = np.zeros((len(boxes), 2, 3))
    matrices[:, (0, 1), (0, 1)] = scale
    matrices[:, :, 2] = -scale * boxes[:, :2]
    return matrices


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The affine maps (T, 2, 3) that apply `first`, then `second`."""
    linear = second[:, :, :2] @ first[:, :, :2]
    shift = (second[:, :, :2] @ first[:, :, 2:])[..., 0] + second[:, :, 2]
    return np.concatenate([linear, shift[..., None]], -1)


def save_clip(path: Path, clip: NedClip) -> None:
    """Write one .npz file, whole or not at all."""
    values: dict[str, np.ndarray] = dict(clip.arrays)
    values |= {"name": np.array(clip.name), "fps": np.array(clip.fps)}
    values["frame_size"] = np.array(clip.frame_size, np.int64)
    if clip.boxes is not None:
        values["boxes"] = clip.boxes
    if clip.codes is not None:
        values |= {_CODES_PREFIX + f.name: getattr(clip.codes, f.name) for f in fields(clip.codes)}
    with writing(path) as aside:
        np.savez(aside, **values)  # type: ignore[arg-type]


def load_clip(path: Path) -> NedClip:
    """Read what `save_clip` wrote.

    Raises:
        InputError: if the file is missing, damaged or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = {name: stored[name] for name in stored.files}
        codes = None
        if any(name.startswith(_CODES_PREFIX) for name in values):
            parts = {f.name: values.pop(_CODES_PREFIX + f.name) for f in fields(DecaCodes)}
            codes = DecaCodes(**parts)
        height, width = values.pop("frame_size")
        return NedClip(
            name=str(values.pop("name")),
            fps=float(values.pop("fps")),
            frame_size=(int(height), int(width)),
            boxes=values.pop("boxes", None),
            codes=codes,
            arrays=values,
        )
    except Exception as error:  # damaged archives raise whatever the reader stumbles over
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} holds no clip of a NED folder ({reason}); import the folder again"
        ) from error
