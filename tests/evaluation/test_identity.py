"""Who is seen: chips as dlib cuts them, descriptors, ArcFace at the published places."""

from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import AssetError, ShapeError
from spfem.evaluation.identity import (
    POINTS,
    TEMPLATE,
    DlibIdentity,
    arcface_crops,
    cosine_identity,
    identity_distance,
    load_arcface,
)
from spfem.face.descriptor import CHIP_LANDMARKS, CHIP_POINTS, face_chips
from tests.evaluation.made_up import make_landmarks


def make_picture(side=128, seed=0):
    """A smooth random picture."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [
        np.sin(
            2 * np.pi * (random.integers(1, 4) * x + random.integers(1, 4) * y + random.random())
        )
        for _ in range(3)
    ]
    return (127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def test_chips_equal_those_of_dlib():
    dlib = pytest.importorskip("dlib")
    frame = make_picture(200)
    landmarks = np.zeros((1, 478, 2), np.float32)
    places = np.round(CHIP_POINTS * 0.9 + (25, 30))
    landmarks[0, CHIP_LANDMARKS] = places
    points = [dlib.point(int(x), int(y)) for x, y in places]
    face = dlib.full_object_detection(dlib.rectangle(0, 0, 200, 200), points)
    theirs = dlib.get_face_chip(frame, face, size=150, padding=0.25).astype(int)
    ours = face_chips(frame[None], landmarks)[0].astype(int)
    # dlib rounds the chip's box and samples a pyramid, which moves its chip by under a pixel.
    shifted = np.roll(ours, 3, axis=1)[:, 3:]
    assert 3 * np.abs(ours - theirs).mean() < np.abs(shifted - theirs[:, 3:]).mean()


def test_descriptor_does_not_depend_on_where_the_face_is():
    frame = make_picture(128)
    landmarks = make_landmarks(1)
    larger = frame.repeat(2, 0).repeat(2, 1)
    larger = np.pad(larger, ((10, 0), (20, 0), (0, 0)), mode="edge")
    moved = landmarks * 2 + np.float32([20, 10, 0])
    first = DlibIdentity().embed(frame[None], landmarks)
    second = DlibIdentity().embed(larger[None], moved)
    assert first.shape == (1, 128)
    assert cosine_identity(first, first) == pytest.approx(1.0)
    assert cosine_identity(first, second) > 0.98
    assert identity_distance(first, first) == 0.0


def test_distance_and_cosine_of_known_descriptors():
    first, second = np.array([[3.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 4.0], [0.0, 1.0]])
    assert cosine_identity(first, second) == pytest.approx(0.5)
    assert identity_distance(first, second) == pytest.approx(3.0)


def test_bad_input_is_refused():
    frame = make_picture()[None]
    with pytest.raises(ShapeError, match="uint8"):
        face_chips(frame.astype(float), make_landmarks(1))
    with pytest.raises(ShapeError, match="landmarks must be"):
        face_chips(frame, make_landmarks(2))
    with pytest.raises(ShapeError, match="one shape"):
        cosine_identity(np.zeros((2, 3)), np.zeros((3, 3)))


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
