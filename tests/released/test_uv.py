from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.errors import InputError
from spfem.released.deca_images import (
    SkinMap,
    read_face_mask,
    read_fixed_displacement,
    read_head_template,
    texel_normals,
    vertex_normals,
)
from tests.released.made_up import head_mesh


@pytest.fixture(scope="module")
def template(deca_folder):
    return read_head_template(deca_folder / "head_template.obj")


def test_the_template_keeps_the_order_of_the_file(template):
    _, triangles, places, map_triangles = head_mesh()
    np.testing.assert_array_equal(template.triangles, triangles)
    np.testing.assert_array_equal(template.map_triangles, map_triangles)
    np.testing.assert_allclose(template.places, places, atol=1e-6)


def test_texels_show_the_skin_at_their_centre(template):
    places = head_mesh()[2]
    own = np.zeros((5023, 2), np.float32)  # each vertex's place in the map, away from the seam
    own[template.triangles] = places[template.map_triangles]
    found = SkinMap(template)(torch.from_numpy(own)[None])[0].numpy()
    u, v = np.meshgrid((np.arange(256) + 0.5) / 256, 1 - (np.arange(256) + 0.5) / 256)
    inside = (u > 0.03) & (u < 0.97) & (v > 0.02) & (v < 0.98)
    np.testing.assert_allclose(found[inside], np.stack([u, v], -1)[inside], atol=1e-5)
    outside = (u < 0.009) | (u > 0.991) | (v < 0.009) | (v > 0.991)
    corner = (u < 0.02) & (v < 0.02)  # where the loose triangles lie
    assert (found[outside & ~corner] == 0).all()


def _slow_normals(vertices, triangles):
    normals = np.zeros_like(vertices)
    for corner in range(3):
        a, b, c = (vertices[triangles[:, (corner + k) % 3]] for k in range(3))
        np.add.at(normals, triangles[:, corner], np.cross(b - a, c - a))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.maximum(length, 1e-6)


def test_vertex_normals_weigh_by_area():
    random = np.random.default_rng(0)
    vertices, triangles = random.standard_normal((2, 30, 3)), random.integers(0, 30, (50, 3))
    found = vertex_normals(*map(torch.from_numpy, (vertices, triangles)))
    for frame in range(2):
        np.testing.assert_allclose(found[frame], _slow_normals(vertices[frame], triangles))


def test_texel_normals_are_those_of_122990_triangles():
    triangles = []
    for row in range(5, 250):
        for column in range(2, 253):
            a = 256 * row + column
            b, c, d = a + 1, a + 256, a + 257
            triangles += [(a, c, b), (b, c, d)]
    assert len(triangles) == 122_990
    places = np.random.default_rng(1).standard_normal((256, 256, 3))
    slow = _slow_normals(places.reshape(-1, 3), np.array(triangles)).reshape(256, 256, 3)
    found = texel_normals(torch.from_numpy(places)[None])[0]
    np.testing.assert_allclose(found, slow, atol=1e-9)


def test_normals_of_skin_point_outwards(template):
    vertices = torch.from_numpy(head_mesh()[0]).float()[None]
    normals = vertex_normals(vertices, torch.from_numpy(template.triangles))
    outside = (vertices.norm(dim=-1) > 0.07)[0]
    assert ((normals * vertices).sum(-1)[0, outside] > 0).all()
    fine = texel_normals(SkinMap(template)(vertices))
    assert fine[0, 100, 128] @ torch.tensor([0.0, 0.0, 1.0]) > 0.9  # the middle of the face


def test_mask_is_the_red_channel(deca_folder):
    mask = read_face_mask(deca_folder / "uv_face_eye_mask.png")
    assert mask[100, 100] == 1
    assert mask.sum() == 176 * 128


def test_foreign_files_are_refused(deca_folder, tmp_path):
    text = (deca_folder / "head_template.obj").read_text()
    spoilt = tmp_path / "head_template.obj"
    for content, message in [
        (text.replace("vt ", "# ", 1), r"\(5023, \(5117, 2\), \(9976, 3, 2\)\)"),
        (text.replace("f 1/1", "f 9999/1"), "places that do not exist"),
        ("f 1/1 2/2 3\n", "no OBJ file of triangles"),
    ]:
        spoilt.write_text(content)
        with pytest.raises(InputError, match=message):
            read_head_template(spoilt)
    spoilt = tmp_path / "map.npy"
    np.save(spoilt, np.zeros((128, 128)))
    with pytest.raises(InputError, match=r"float64 \(128, 128\)"):
        read_fixed_displacement(spoilt)
    spoilt.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"no plain \.npy file"):
        read_fixed_displacement(spoilt)
    with pytest.raises(InputError, match="no picture"):
        read_face_mask(spoilt)
