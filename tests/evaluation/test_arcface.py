"""ArcFace adapter: alignment at the published places, a made-up ONNX file, wrong files."""

import numpy as np
import pytest

from spfem.errors import AssetError
from spfem.evaluation.identity import POINTS, TEMPLATE, arcface_crops, load_arcface

SIZE = 112


def number(value: int) -> bytes:
    """A protobuf integer."""
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + number(rest) if rest else bytes([low])


def entry(key: int, value: int | str | bytes) -> bytes:
    """A protobuf field."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    content = value.encode() if isinstance(value, str) else value
    return number(key << 3 | 2) + number(len(content)) + content


def tensor(name: str, array: np.ndarray) -> bytes:
    sizes = b"".join(entry(1, side) for side in array.shape)
    return sizes + entry(2, 1) + entry(8, name) + entry(9, array.astype(np.float32).tobytes())


def value(name: str, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(entry(1, entry(1, side)) for side in shape)
    return entry(1, name) + entry(2, entry(1, entry(1, 1) + entry(2, sizes)))


def node(kind: str, inputs: list[str], output: str, attribute: bytes) -> bytes:
    names = b"".join(entry(1, name) for name in inputs)
    return names + entry(2, output) + entry(3, output) + entry(4, kind) + entry(5, attribute)


def write_onnx(path, weights, bias):
    """One convolution over the whole picture: an embedding of 8 weighted sums."""
    kernel = entry(1, "kernel_shape") + entry(8, SIZE) + entry(8, SIZE) + entry(20, 7)
    axis = entry(1, "axis") + entry(3, 1) + entry(20, 2)
    graph = (
        entry(1, node("Conv", ["x", "w", "b"], "c", kernel))
        + entry(1, node("Flatten", ["c"], "y", axis))
        + entry(2, "made_up")
        + entry(5, tensor("w", weights))
        + entry(5, tensor("b", bias))
        + entry(11, value("x", (1, 3, SIZE, SIZE)))
        + entry(12, value("y", (1, len(bias))))
    )
    path.write_bytes(entry(1, 8) + entry(7, graph) + entry(8, entry(1, "") + entry(2, 13)))


def face(random, frames=2):
    """Frames and landmarks of a face that is turned, shifted and twice as large as the crop."""
    landmarks = random.uniform(20, 200, (frames, 478, 3))
    turn = 2 * np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    landmarks[:, POINTS, :2] = TEMPLATE @ turn.T + (60, 10)
    return random.integers(0, 256, (frames, 300, 320, 3), dtype=np.uint8), landmarks


def test_embeddings_are_those_of_the_file(tmp_path):
    random = np.random.default_rng(1)
    weights, bias = random.normal(0, 0.01, (8, 3, SIZE, SIZE)), random.normal(size=8)
    write_onnx(tmp_path / "arc.onnx", weights, bias)
    frames, landmarks = face(random)
    network = load_arcface(tmp_path / "arc.onnx")
    pictures = (arcface_crops(frames, landmarks).transpose(0, 3, 1, 2) - 127.5) / 127.5
    wanted = np.einsum("ncij,tcij->tn", weights, pictures) + bias
    np.testing.assert_allclose(network.embed(frames, landmarks), wanted, atol=1e-3)
    assert network.embed(frames[:0], landmarks[:0]).shape == (0, 8)


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(AssetError, match="is missing"):
        load_arcface(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(AssetError, match="no ONNX network"):
        load_arcface(tmp_path / "text.onnx")
