"""The face segmenter of NED (FSGAN's U-Net) with the user's weights, and its masks of a clip."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spfem.checkpoints import load_weights, read_released
from spfem.errors import FaceNotFoundError, ShapeError
from spfem.renderer.blend import soft_erosion

CLASSES = 3  # background, face, hair
FACE = 1
WIDTHS = (64, 128, 256, 512, 1024)  # encoder, centre last
SIDE_STEP = 2 ** (len(WIDTHS) - 1)  # pixels; sides are multiples of it


class _PictureNorm(nn.BatchNorm2d):
    """Batch norm that takes the statistics of each picture, whatever the batch and the mode."""

    def forward(self, features: Tensor) -> Tensor:
        return functional.instance_norm(
            features, weight=self.weight, bias=self.bias, use_input_stats=True, eps=self.eps
        )


class _DoubleConvolution(nn.Module):
    """Two 3x3 convolutions, each with ReLU, in the encoder with a norm before it."""

    def __init__(self, inputs: int, outputs: int, norm: bool) -> None:
        super().__init__()
        for name, channels in (("conv1", inputs), ("conv2", outputs)):
            layers: list[nn.Module] = [nn.Conv2d(channels, outputs, 3, padding=1)]
            if norm:
                layers.append(_PictureNorm(outputs))
            self.add_module(name, nn.Sequential(*layers, nn.ReLU()))

    def forward(self, features: Tensor) -> Tensor:
        return self.get_submodule("conv2")(self.get_submodule("conv1")(features))


class _Up(nn.Module):
    """Twice the resolution, joined with the encoder's features of that resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _DoubleConvolution(inputs, outputs, False)
        self.conv1d = nn.Conv2d(inputs, outputs, 1)  # released as a 1-d layer of this shape

    def forward(self, finer: Tensor, coarser: Tensor) -> Tensor:
        larger = functional.interpolate(
            coarser, scale_factor=2, mode="bilinear", align_corners=True
        )
        return self.conv(torch.cat([finer, self.conv1d(larger)], dim=1))


class FaceSegmenter(nn.Module):
    """U-Net with three classes: background, face, hair. 28 950 851 parameters.

    State-dict keys are those of `lfw_figaro_unet_256_2_0_segmentation_v1.pth`.

    The released pipeline leaves the network in training mode with one picture a batch, so that
    every norm takes the statistics of the picture itself; that is the default here, for any batch
    size, whatever `train` or `eval` was called.

    Source: NED (which takes it from FSGAN v1).
    """

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        names = [f"conv{number}" for number in range(1, len(WIDTHS))] + ["center"]
        for name, width in zip(names, WIDTHS, strict=True):
            self.add_module(name, _DoubleConvolution(channels, width, True))
            channels = width
        for number in range(len(WIDTHS) - 1, 0, -1):
            self.add_module(f"up_concat{number}", _Up(WIDTHS[number], WIDTHS[number - 1]))
        self.final = nn.Conv2d(WIDTHS[0], CLASSES, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores (B, 3, H, W) of RGB pictures (B, 3, H, W) in [0, 1].

        Raises:
            ShapeError: if a side is no multiple of 16, both are 16, or the channels are not 3.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3:
            raise ShapeError(f"pictures have shape {tuple(pictures.shape)}; give (B, 3, H, W)")
        height, width = pictures.shape[2:]
        if height % SIDE_STEP or width % SIDE_STEP or height * width <= SIDE_STEP**2:
            raise ShapeError(
                f"pictures are {width} x {height} pixels; sides must be multiples of {SIDE_STEP}, "
                f"not both {SIDE_STEP}; the published size is 256"
            )
        features, finer = pictures, []
        for number in range(1, len(WIDTHS)):
            finer.append(self.get_submodule(f"conv{number}")(features))
            features = functional.max_pool2d(finer[-1], 2)
        features = self.get_submodule("center")(features)
        for number in range(len(WIDTHS) - 1, 0, -1):
            features = self.get_submodule(f"up_concat{number}")(finer.pop(), features)
        return self.final(features)


def load_segmenter(path: Path, *, device: torch.device | str = "cpu") -> FaceSegmenter:
    """Read FSGAN's `lfw_figaro_unet_256_2_0_segmentation_v1.pth` strictly, without gradients.

    Raises:
        CheckpointError: if the file is missing, damaged, holds code, or its entries are missing,
            surplus or of another shape.
    """
    tensors = read_released(path).tensors
    with torch.device("meta"):  # no time for values that are overwritten at once
        segmenter = FaceSegmenter()
    segmenter.to_empty(device="cpu")
    load_weights(segmenter, tensors, path, advice="give FSGAN's face segmenter of version 1")
    return segmenter.eval().requires_grad_(False).to(device)


EROSION_SIZE = 21  # pixels, of the cone kernel
EROSION_THRESHOLD = 0.6


@torch.inference_mode()
def segment_faces(segmenter: FaceSegmenter, crops: Iterable[np.ndarray]) -> np.ndarray:
    """Masks (T, S, S) uint8, 255 in the face, else 0, of the faces in the crops of a clip.

    The pixels of class face, softly eroded, the largest piece of them; a frame where nothing is
    left has the mask of the frame before. Departs from NED where the first frames show no face:
    they take the first mask found, instead of a crash.

    Args:
        segmenter: of `load_segmenter`.
        crops: T pictures (S, S, 3) uint8 RGB, S a multiple of 16; published: 256.

    Raises:
        FaceNotFoundError: if no frame shows a face.
        ShapeError: if the crops are of another size.
    """
    weight = segmenter.final.weight
    masks: list[np.ndarray | None] = []
    for crop in crops:
        picture = torch.from_numpy(np.ascontiguousarray(crop)).to(weight.device, weight.dtype)
        scores = segmenter(picture.movedim(-1, 0)[None] / 255)
        face = (scores[0].argmax(0) == FACE).cpu().numpy()
        mask = _largest_piece(soft_erosion(face, EROSION_SIZE, EROSION_THRESHOLD)[1])
        masks.append(mask if mask.any() else masks[-1] if masks else None)
    first = next((mask for mask in masks if mask is not None), None)
    if first is None:
        raise FaceNotFoundError(
            f"the segmenter saw no face in any of {len(masks)} crops; give crops of about 256 "
            "pixels, filled by one face, in RGB"
        )
    return np.stack([first if mask is None else mask for mask in masks])


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a bool mask as uint8 0 or 255; corners connect."""
    import cv2  # not of the light install

    count, pieces, facts, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    if count < 2:
        return np.zeros(mask.shape, np.uint8)
    largest = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    return np.where(pieces == largest, 255, 0).astype(np.uint8)
