"""Pictures of FLAME's face, and its skin in the plane."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spfem.errors import InputError
from spfem.head.raster import interpolate, rasterise
from spfem.released.deca_images import (
    FaceArtist,
    SkinMap,
    read_face_mask,
    read_fixed_displacement,
    read_head_template,
    shade,
    texel_normals,
    vertex_normals,
)
from spfem.released.flame import project, read_flame_model, to_raster
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


SIZE = 224
ALIKE = {"atol": 2e-3, "rtol": 0}


@pytest.fixture(scope="module")
def parts(deca_folder):
    return (
        read_flame_model(deca_folder / "generic_model.pkl"),
        read_head_template(deca_folder / "head_template.obj"),
        read_face_mask(deca_folder / "uv_face_eye_mask.png"),
    )


@pytest.fixture(scope="module")
def artist(parts):
    model, template, mask = parts
    return FaceArtist(model, template, np.zeros((256, 256), np.float32), mask)


@pytest.fixture(scope="module")
def face(parts):
    """A head turned by half a radian, its camera and no wrinkles."""
    turn = torch.tensor([[np.cos(0.5), 0, np.sin(0.5)], [0, 1, 0], [-np.sin(0.5), 0, np.cos(0.5)]])
    vertices = torch.from_numpy(parts[0].template) @ turn.float().T
    camera = torch.tensor([[7.0, 0.01, -0.02]])
    return vertices[None], camera, torch.zeros(1, 1, 256, 256)


@pytest.fixture(scope="module")
def images(artist, face):
    return artist(*face)


def _slow_pixel(parts, vertices, camera, row, column):
    """Colour and normal where a line through one pixel's centre first meets the mesh."""
    model, template, _ = parts
    s, tx, ty = camera[0].numpy().astype(float)
    x = s * (vertices[:, 0] + tx)
    y = -s * (vertices[:, 1] + ty)
    flat = np.stack([x, y], 1)
    a, b, c = (flat[template.triangles[:, corner]] for corner in range(3))
    target = np.array([(2 * column + 1) / SIZE - 1, (2 * row + 1) / SIZE - 1])

    def area(p, q, r):
        return (q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0]

    whole = area(a, b, c)
    spot = np.broadcast_to(target, a.shape)
    shares = np.stack([area(b, c, spot), area(c, a, spot), area(a, b, spot)], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = shares / whole[:, None]
    hit = np.flatnonzero((shares >= 0).all(1) & (np.abs(whole) > 1e-14))
    if len(hit) == 0:
        return None
    corners = template.triangles[hit]
    depth = (shares[hit] * -vertices[corners, 2]).sum(1)
    first = np.argmin(depth)
    low, high = model.template.min(0), model.template.max(0)
    colours = (model.template - low) / (high - low)
    return shares[hit[first]] @ colours[corners[first]]


def test_colours_are_those_of_the_first_surface_behind_each_pixel(parts, face, images):
    vertices = face[0][0].numpy().astype(float)
    nmfc = images.nmfc[0].movedim(0, -1).numpy()
    seen = 0
    for row in range(3, SIZE, 13):
        for column in range(5, SIZE, 13):
            wanted = _slow_pixel(parts, vertices, face[1], row, column)
            found = nmfc[row, column]
            if wanted is None:
                np.testing.assert_array_equal(found, 0)
            elif found.any():  # steep places at the rim stay black
                np.testing.assert_allclose(found, wanted, **ALIKE)
                seen += 1
    assert seen > 50


def test_steep_places_are_black(artist, face, parts):
    vertices, camera, still = face
    behind = vertices * torch.tensor([-1.0, 1, -1])  # the same head from behind
    inside_out = torch.flip(artist.triangles, [1])
    turned = FaceArtist(parts[0], parts[1], np.zeros((256, 256), np.float32), parts[2])
    turned.triangles = inside_out  # normals point inwards: nothing faces the camera
    turned.map_triangles = torch.flip(artist.map_triangles, [1])
    assert (turned(behind, camera, still).nmfc > 0).float().mean() < 0.02
    assert (artist(behind, camera, still).nmfc > 0).float().mean() > 0.2


def test_without_wrinkles_the_shape_is_that_of_the_mesh(artist, face, images):
    vertices, camera, _ = face
    points = to_raster(project(vertices, camera), 224).contiguous()
    raster = rasterise(points, artist.triangles, 224, 224)
    normals = vertex_normals(vertices, artist.triangles)
    coarse = shade(interpolate(raster, artist.triangles, normals))[0, ..., 0]
    inside = images.nmfc[0].any(0)
    assert (images.shape[0, 0] - coarse)[inside].abs().median() < 0.01
    assert torch.equal(images.shape[:, 0], images.shape[:, 2])  # grey


def test_wrinkles_show_inside_the_mask_only(artist, face, images):
    rows, columns = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    ripple = (5e-4 * torch.sin(columns / 2.0)) * (rows < 128)
    rippled = artist(*face[:2], ripple[None, None])
    nothing = artist(*face[:2], (ripple * (artist.mask == 0))[None, None])
    assert (rippled.shape - images.shape).abs().max() > 0.1
    assert torch.equal(rippled.nmfc, images.nmfc)
    assert torch.equal(nothing.shape, images.shape)


def test_light_from_everywhere():
    front = shade(torch.tensor([0.0, 0, 1])).item()
    assert front == pytest.approx(180 / 255 * 1.7 * (4 / np.sqrt(3) + 1) / 5)
    side = shade(torch.tensor([1.0, 0, 0])).item()
    assert side == pytest.approx(180 / 255 * 1.7 * (2 / np.sqrt(3)) / 5)
    assert shade(torch.tensor([0.0, 0, -1])).item() == 0


def test_frames_do_not_touch_each_other(artist, face, images):
    vertices, camera, still = face
    pair = artist(
        torch.cat([vertices * 0.5, vertices]), camera.expand(2, 3), still.expand(2, 1, 256, 256)
    )
    torch.testing.assert_close(pair.nmfc[1], images.nmfc[0])
    torch.testing.assert_close(pair.shape[1], images.shape[0])
