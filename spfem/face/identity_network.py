"""dlib's face recognition network in torch, read from dlib's own file: a loss can look through it.

A ResNet of 29 convolutions, learned on about three million faces; file and weights are CC0.
The architecture is that of dlib's example `dnn_face_recognition_ex`, the file that of
`dlib::serialize`: every integer is a byte with its count of bytes and sign, then those bytes; the
numbers of a tensor are little-endian float32. Departs from dlib: each affine layer is folded into
the convolution before it, which changes the last digits.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.errors import AssetError, ShapeError

WEIGHTS_NAME = "dlib_face_recognition_resnet_model_v1.dat"
SIDE = 150  # pixels of the faces
COORDINATES = 128
MEANS = (122.782, 117.001, 104.298)  # of red, green, blue, that dlib takes off grey levels
SCALE = 256.0  # by which it then divides
STEM = 32  # channels after the first convolution

BLOCKS = ((32, 32, 32), (64, 64, 64, 64), (128, 128, 128), (256, 256, 256), (256,))
"""Channels of the residual blocks of the five levels; the first block of a level after the first
halves the sides."""

_MOST_BETWEEN = 400  # bytes of a file between two tensors of the network


def find_identity_weights() -> Path:
    """Path of dlib's weights in the package that ships them, without importing that package.

    Raises:
        AssetError: if the package or the file is missing.
    """
    spec = find_spec("face_recognition_models")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        path = Path(folder) / "models" / WEIGHTS_NAME
        if path.is_file():
            return path
    raise AssetError(
        f"{WEIGHTS_NAME} was not found; run: pip install --no-deps face_recognition_models==0.3.0"
    )


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut; where they differ in shape, zeros fill up the smaller."""

    def __init__(self, channels_in: int, channels: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        first: dict[str, int] = {"stride": 2} if halve else {"padding": 1}
        self.first = nn.Conv2d(channels_in, channels, 3, **first)  # type: ignore[arg-type]
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, values: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, H, W), or to half the sides."""
        changed = self.second(functional.relu(self.first(values)))
        kept = functional.avg_pool2d(values, 2) if self.halve else values
        shape = [max(sides) for sides in zip(changed.shape[1:], kept.shape[1:], strict=True)]
        return functional.relu(_filled(changed, shape) + _filled(kept, shape))


def _filled(values: Tensor, shape: list[int]) -> Tensor:
    channels, height, width = (
        wanted - found for wanted, found in zip(shape, values.shape[1:], strict=True)
    )
    return functional.pad(values, (0, width, 0, height, 0, channels))


class FaceResNet(nn.Module):
    """Descriptors of aligned faces: under 0.6 apart dlib's authors call it one person."""

    means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 7, stride=2)
        blocks, channels = [], STEM
        for level, widths in enumerate(BLOCKS):
            for index, width in enumerate(widths):
                blocks.append(ResidualBlock(channels, width, halve=level > 0 and index == 0))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.describe = nn.Linear(channels, COORDINATES, bias=False)
        self.register_buffer("means", torch.tensor(MEANS).view(1, 3, 1, 1), persistent=False)

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, H, W) after the last block of each level; C is 32, 64, 128, 256, 256.

        Args:
            images: (B, 3, 150, 150) RGB in [-1, 1], faces placed as `face_chips` does.

        Raises:
            ShapeError: for images of another shape.
        """
        if images.ndim != 4 or images.shape[1:] != (3, SIDE, SIDE):
            raise ShapeError(f"images must be (B, 3, {SIDE}, {SIDE}); got {tuple(images.shape)}")
        grey_levels = (images + 1) * 127.5
        values = functional.relu(self.stem((grey_levels - self.means) / SCALE))
        values = functional.max_pool2d(values, 3, 2)
        maps, last = [], np.cumsum([len(widths) for widths in BLOCKS]) - 1
        for index, block in enumerate(self.blocks):
            values = block(values)
            if index in last:
                maps.append(values)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Descriptors (B, 128) of images as in `feature_maps`, differentiable."""
        return self.describe(self.feature_maps(images)[-1].mean(dim=(2, 3)))


def load_identity_features(path: Path | None = None) -> FaceResNet:
    """The network with dlib's weights, frozen, in evaluation mode.

    Args:
        path: file of the weights; by default that of the package which ships them.

    Raises:
        AssetError: if the file is missing, damaged, or of another network.
    """
    path = find_identity_weights() if path is None else Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({error.strerror}); reinstall it") from error
    network, reader = FaceResNet(), WeightReader(path, content)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                weight, bias = reader.read_convolution(tuple(layer.weight.shape))
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
        matrix = reader.read_matrix((network.describe.in_features, COORDINATES))
        network.describe.weight.copy_(torch.from_numpy(matrix.T))
    reader.finish()
    return network.requires_grad_(False).eval()


class WeightReader:
    """The tensors of a file of dlib's, one after the other, each checked.

    dlib writes an outer layer around the inner ones, so what follows the settings of a layer is
    its parameters, first those that are computed first. Settings of layers without parameters are
    passed over: they are facts of the architecture.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content, self.place = path, content, 0
        start = content.find(b"input_rgb_image")
        if start < 0:
            raise self._damaged("no network on RGB pictures")
        self.place = start

    def _damaged(self, found: str) -> AssetError:
        return AssetError(
            f"{self.path} is not dlib's face recognition network, or damaged: {found}; run: pip "
            "install --no-deps --force-reinstall face_recognition_models==0.3.0"
        )

    def read_convolution(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Weight of the given shape (D, C, H, W) and bias (D,), the affine layer folded in."""
        channels, size = shape[0], int(np.prod(shape))
        self._enter(b"con_4")
        filters = self._tensor((size + channels, 1, 1, 1))
        self._enter(b"affine_")
        factor, shift = self._tensor((2 * channels, 1, 1, 1)).reshape(2, channels)
        weight = filters[:size].reshape(shape) * factor[:, None, None, None]
        return weight, filters[size:] * factor + shift

    def read_matrix(self, shape: tuple[int, int]) -> np.ndarray:
        """Matrix (C, D) of the last layer."""
        self._enter(b"fc_2")
        outputs, inputs = self._integer(), self._integer()
        if (inputs, outputs) != shape:
            raise self._damaged(f"a last layer from {inputs} to {outputs} numbers, wanted {shape}")
        return self._tensor((*shape, 1, 1)).reshape(shape)

    def finish(self) -> None:
        """Refuse a file that goes on with other tensors, or ends too soon."""
        left = len(self.content) - self.place
        if not 0 < left < _MOST_BETWEEN:
            raise self._damaged(f"{left} bytes after the last layer")

    def _enter(self, name: bytes) -> None:
        """Go behind the next layer with parameters, which must be one of this name."""
        near = self.content[self.place : self.place + _MOST_BETWEEN]
        found = re.search(rb"\x01[\x04-\x07](con_|affine_|fc_)[0-9]?", near)
        if found is None or found[0][2:] != name or found[0][1] != len(name):
            there = "no layer" if found is None else found[0][2:].decode()
            raise self._damaged(f"{there} at byte {self.place}, wanted {name.decode()}")
        self.place += found.end()

    def _integer(self) -> int:
        header = self.content[self.place : self.place + 1] or b"\0"
        count, start = header[0] & 15, self.place + 1
        self.place = start + count
        number = int.from_bytes(self.content[start : self.place], "little")
        return -number if header[0] & 128 else number

    def _tensor(self, shape: tuple[int, ...]) -> np.ndarray:
        """The numbers (N,) float32 of a tensor that must have this shape."""
        version, *found = (self._integer() for _ in range(1 + len(shape)))
        if version != 2 or tuple(found) != shape:
            raise self._damaged(f"a tensor {tuple(found)} of version {version}, wanted {shape}")
        start, size = self.place, int(np.prod(shape))
        self.place += 4 * size
        if self.place > len(self.content):
            raise self._damaged(f"it ends after {len(self.content)} bytes, within a tensor")
        numbers = np.frombuffer(self.content, "<f4", size, start)
        if not np.isfinite(numbers).all():
            raise self._damaged(f"numbers that are not finite from byte {start} on")
        return numbers.astype(np.float32)
