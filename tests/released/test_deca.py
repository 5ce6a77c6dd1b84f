"""DECA's crop, networks and files."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest
import torch
from torch import nn

from spfem.errors import AssetError, CheckpointError, ShapeError, SpfemError
from spfem.head import load_head_model
from spfem.released.deca import (
    COARSE_OUTPUTS,
    DETAIL_OUTPUTS,
    FLAME_FILES,
    NETWORKS,
    DetailDecoder,
    FaceEncoder,
    crop_faces,
    crop_transforms,
    load_deca,
    points_68,
    read_networks,
    warp_bilinear,
)
from tests.conftest import ROOT

MIRRORED = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
]  # fmt: skip


@pytest.fixture(scope="module")
def points():
    head = load_head_model()
    return points_68(head.landmarks(head.mean)[None])[0]


def test_each_point_has_its_mirror_image(points):
    assert len(set(map(tuple, points))) == 68
    mirrored = points[MIRRORED] * (-1, 1)
    eye_distance = points[45, 0] - points[36, 0]
    assert np.abs(points - mirrored).max() < 0.06 * eye_distance


def test_points_are_in_the_order_of_the_68(points):
    x, y = points.T
    assert (np.diff(x[4:13]) > 0).all()  # along the jaw, in the image's direction
    assert (np.diff(x[17:27]) > 0).all()  # brows
    assert (np.diff(y[27:31]) > 0).all()  # down the nose
    assert (np.diff(x[31:36]) > 0).all()
    for eye in (36, 42):
        assert x[eye] < x[eye + 1] < x[eye + 2] < x[eye + 3]
        assert (y[[eye + 1, eye + 2]] < y[[eye + 5, eye + 4]]).all()  # upper lid above lower
    assert (np.diff(x[48:55]) > 0).all()
    assert (np.diff(x[54:60]) < 0).all()
    assert y[51] < y[62] <= y[66] < y[57] < y[8]


def test_other_landmarks_are_named():
    with pytest.raises(ShapeError, match="wanted"):
        points_68(np.zeros((3, 68, 2)))


transform = pytest.importorskip("skimage.transform")


def _points(left=60.0, right=180.0, top=70.0, bottom=210.0):
    random = np.random.default_rng(0)
    points = random.uniform((left, top), (right, bottom), (68, 2))
    points[:2] = (left, top), (right, bottom)
    return points[None]


def test_the_box_is_the_released_one():
    size = int((120 + 140) / 2 * 1.1 * 1.25)
    (matrix,) = crop_transforms(_points(), (256, 256))
    corner = np.array([120, 140]) - size / 2
    np.testing.assert_allclose(matrix @ [*corner, 1], [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(matrix @ [*(corner + size), 1], [223, 223, 1], atol=1e-9)


def test_a_frame_without_a_face_gets_the_whole_image():
    points = np.concatenate([_points(), np.full((1, 68, 2), np.nan)])
    matrices = crop_transforms(points, (320, 240))
    assert matrices[0] == pytest.approx(crop_transforms(_points(), (320, 240))[0])
    size = int((319 + 239) / 2 * 1.1 * 1.25)
    np.testing.assert_allclose(matrices[1] @ [159.5, 119.5, 1], [111.5, 111.5, 1])
    assert matrices[1, 0, 0] == pytest.approx(223 / size)


def test_pictures_are_warped_as_by_skimage_there_and_back():
    images = np.random.default_rng(1).integers(0, 256, (2, 250, 256, 3), dtype=np.uint8)
    images[:, 0, 0] = 0  # skimage clips the border to the darkest pixel
    matrices = crop_transforms(np.concatenate([_points(), _points(-20, 90, 5, 150)]), (256, 250))
    crops = crop_faces(images, matrices)
    for image, matrix, crop in zip(images, matrices, crops, strict=True):
        similarity = transform.SimilarityTransform(matrix)
        wanted = transform.warp(image / 255, similarity.inverse, output_shape=(224, 224))
        np.testing.assert_allclose(crop.movedim(0, -1), wanted, atol=2e-4)
    back = warp_bilinear(crops, torch.from_numpy(matrices), 250, 256)
    for crop, matrix, found in zip(crops, matrices, back, strict=True):
        picture = crop.movedim(0, -1).double().numpy()
        similarity = transform.SimilarityTransform(matrix)
        wanted = transform.warp(picture, similarity, output_shape=(250, 256), clip=False)
        np.testing.assert_allclose(found.movedim(0, -1), wanted, atol=2e-4)


def test_points_that_make_no_box_are_named():
    with pytest.raises(ShapeError, match="wanted"):
        crop_transforms(np.zeros((1, 478, 2)), (256, 256))
    with pytest.raises(ShapeError, match="frame 1 has no extent"):
        crop_transforms(np.concatenate([_points(), np.ones((1, 68, 2))]), (256, 256))


def cheap_networks():
    """The released entries, of true shapes, one value each: a file of some hundred kilobytes."""
    with torch.device("meta"):
        modules = FaceEncoder(COARSE_OUTPUTS), FaceEncoder(DETAIL_OUTPUTS), DetailDecoder()
    return {
        group: {
            name: torch.tensor(0.01 * (index % 7)).to(value.dtype).expand(value.shape)
            for index, (name, value) in enumerate(module.state_dict().items())
        }
        for group, module in zip(NETWORKS, modules, strict=True)
    }


@pytest.fixture
def file(tmp_path):
    def write(content):
        torch.save(content | {"opt": {"state": {}}, "global_step": 9}, tmp_path / "deca_model.tar")
        return tmp_path / "deca_model.tar"

    return write


def test_networks_hold_what_the_file_holds(file):
    content = cheap_networks()
    networks = read_networks(file(content))
    parts = networks.E_flame, networks.E_detail, networks.D_detail
    for group, part in zip(NETWORKS, parts, strict=True):
        own = part.state_dict()
        assert list(own) == list(content[group])
        assert all(torch.equal(own[name], value) for name, value in content[group].items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n["E_flame"].pop("layers.2.bias"), r"lacks 1 entries \(E_flame.layers.2.bias"),
        (lambda n: n["E_detail"].update(fc=torch.ones(1)), r"surplus 1 entries \(E_detail.fc"),
        (
            lambda n: n["E_flame"].update({"layers.2.bias": torch.ones(159)}),
            r"\(159,\) instead of \(236,\)",
        ),
        (lambda n: n.pop("D_detail"), "lacks the networks D_detail"),
        (lambda n: n.update(E_flame=nn.Linear(1, 1)), "could run code"),
    ],
)
def test_other_files_are_refused_by_name(file, change, message):
    content = cheap_networks()
    change(content)
    with pytest.raises(CheckpointError, match=message):
        read_networks(file(content))


SIZES = {
    "E_flame": (lambda: FaceEncoder(COARSE_OUTPUTS), 25_848_108, 322),
    "E_detail": (lambda: FaceEncoder(DETAIL_OUTPUTS), 25_737_408, 322),
    "D_detail": (DetailDecoder, 1_773_345, 44),
}


def _build(name):
    with torch.device("meta"):
        return SIZES[name][0]()


@pytest.mark.parametrize("name", SIZES)
def test_number_of_parameters(name):
    network = _build(name)
    assert sum(p.numel() for p in network.parameters()) == SIZES[name][1]
    assert len(network.state_dict()) == SIZES[name][2]


@pytest.mark.parametrize("name", SIZES)
def test_names_shapes_and_types_are_the_released_ones(name):
    listed = ROOT.parent / "shared" / "spec" / "checkpoint_keys" / "keys_deca.txt"
    if not listed.exists():
        pytest.skip(f"no list of released entries at {listed}")
    rows = [line.split("\t") for line in listed.read_text().splitlines() if "\t" in line]
    wanted = {row[1]: (tuple(ast.literal_eval(row[2])), row[3]) for row in rows if row[0] == name}
    found = {
        key: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for key, tensor in _build(name).state_dict().items()
    }
    assert found == wanted


def test_a_displacement_never_exceeds_a_centimetre():
    network = DetailDecoder().eval()
    with torch.inference_mode():
        maps = network(torch.zeros(2, 3), torch.zeros(2, 50), 1e4 * torch.randn(2, 128))
    assert maps.shape == (2, 1, 256, 256)
    assert maps.abs().max() <= 0.01


FILES = FLAME_FILES.values()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_half_a_file_is_found_out(deca_folder, tmp_path, file):
    whole = deca_folder / file.name
    half = tmp_path / file.name
    with whole.open("rb") as source, half.open("wb") as target:
        target.write(source.read(min(whole.stat().st_size, 60_000_000) // 2))
    with pytest.raises(SpfemError, match=re.escape(str(half))):
        file.read(half)


def test_all_missing_files_are_named_at_once(tmp_path):
    with pytest.raises(AssetError) as caught:
        load_deca(tmp_path)
    for file in FLAME_FILES.values():
        assert file.name in str(caught.value)
        assert file.unlocks in str(caught.value)
        assert file.licence in str(caught.value)


def test_networks_are_frozen_and_as_stored(deca, deca_folder):
    stored = torch.load(deca_folder / "deca_model.tar", weights_only=True, mmap=True)
    for name, network in [
        ("E_flame", deca.networks.E_flame),
        ("E_detail", deca.networks.E_detail),
        ("D_detail", deca.networks.D_detail),
    ]:
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        last = list(stored[name])[-2]
        torch.testing.assert_close(network.state_dict()[last], stored[name][last])
