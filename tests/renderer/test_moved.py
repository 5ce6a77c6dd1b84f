"""Whole pictures of moved pixels, and their gradients to face units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from spfem.edit.surface import AnchoredMesh
from spfem.errors import ShapeError
from spfem.face.camera import rotation_matrix
from spfem.head import load_head_model
from spfem.head.raster import rasterise
from spfem.renderer.moved import MovedRenderer, Surface
from spfem.renderer.openings import DonorChoice, Donors
from spfem.renderer.warp import OpeningBox, spline_coefficients
from spfem.settings import MOUTH, SKIN_LAYER, MovedSettings
from tests.edit.drawn import draw_clip, units
from tests.renderer.sheets import flat_sheet

SIDE, UNIT = 96, 60.0
SHEET = flat_sheet(24.0, 72.0, 13)


def _renderer(layers=None):
    count = len(SHEET.triangles)
    return MovedRenderer(
        SHEET.triangles,
        torch.full((count,), SKIN_LAYER) if layers is None else layers,
        torch.zeros(count),
        SHEET.vertices[0, :, 1] < 48,
        rasterise,
    )


def _texture():
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return torch.from_numpy(
        np.stack([120 + 60 * np.sin(x / 5), 120 + 60 * np.cos(y / 6), 100 + x / 2]).astype(
            np.float32
        )
    )[None]


def test_a_texture_moves_where_the_mesh_moves_it():
    picture = _texture()
    moved = SHEET.vertices + torch.tensor([3.0, -2.0, 0.0])
    made = _renderer()(picture, SHEET.vertices, moved, UNIT)
    inside = (..., slice(26, 66), slice(30, 70))
    wanted = picture.roll((-2, 3), (-2, -1))
    assert (made[inside] - wanted[inside]).abs().max() < 0.1
    assert torch.allclose(made[..., :6, :], picture[..., :6, :], atol=1e-2)


def test_light_follows_the_surface_and_what_is_held_stays():
    picture, count = _texture(), SHEET.vertices.shape[1]
    bright = Surface(torch.full((1, count), 1.2), torch.zeros(1, count))
    made = _renderer()(picture, SHEET.vertices, SHEET.vertices, UNIT, surface=bright)
    inside = (..., slice(30, 66), slice(30, 66))
    torch.testing.assert_close(made[inside], 1.2 * picture[inside], atol=1e-2, rtol=0)
    torch.testing.assert_close(made[..., :4, :4], picture[..., :4, :4], atol=1e-2, rtol=0)
    held = Surface(torch.full((1, count), 1.2), torch.ones(1, count))
    moved = SHEET.vertices + torch.tensor([3.0, 0.0, 0.0])
    made = _renderer()(picture, SHEET.vertices, moved, UNIT, surface=held)
    torch.testing.assert_close(made[inside], picture[inside], atol=1e-2, rtol=0)


def _mouth(opened):
    """A slit across the sheet's middle; opened by so many pixels on either side."""
    places = SHEET.vertices.clone()
    y, x = places[0, :, 1], places[0, :, 0]
    across = ((x > 34) & (x < 62)).float()
    lower, upper = (y - 48).abs() < 0.1, (y - 44).abs() < 0.1
    places[0, lower, 1] += opened * across[lower] - 4 + 0.5
    places[0, upper, 1] -= opened * across[upper]
    centre = SHEET.vertices[0][SHEET.triangles.long()].mean(1)
    inner = (centre[:, 1] > 44) & (centre[:, 1] < 48) & (centre[:, 0] > 36) & (centre[:, 0] < 60)
    return places, torch.where(inner, MOUTH, SKIN_LAYER)


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.25, 0.25)])
def test_an_opening_shows_its_donors_by_their_weights(weights):
    source, layers = _mouth(0.0)
    edited, _ = _mouth(7.0)
    picture = torch.full((1, 3, SIDE, SIDE), 180.0)
    colours = torch.tensor([[0.0, 200, 0], [0, 0, 240]])
    crops = colours[:, :, None, None].expand(2, 3, SIDE, SIDE).contiguous()
    donors = Donors(
        spline_coefficients(crops),
        edited.repeat(2, 1, 1),
        torch.ones(2, 1, SIDE, SIDE),
        torch.tensor([[60.0, 20, 20]] * 7),
    )
    choice = DonorChoice.of(
        np.array([[0, 1]]), np.array([weights], np.float32), np.ones((1, 3), np.float32)
    )
    box = OpeningBox(MOUTH, ((28, 28),), 36, 40)
    made = _renderer(layers)(picture, source, edited, UNIT, [box], {MOUTH: (donors, choice)})
    wanted = weights[0] * torch.tensor([60.0, 20, 20])  # paint: the frame's mouth is shut
    wanted = wanted + weights[1] * colours[0] + weights[2] * colours[1]
    middle = made[0, :, 45, 48]
    if weights[0] == 0:
        torch.testing.assert_close(middle, wanted, atol=2.0, rtol=0)
    else:
        others = weights[1] * colours[0] + weights[2] * colours[1]
        assert (middle - others >= -2).all()
        assert (middle - others <= weights[0] * 180 + 2).all()
    torch.testing.assert_close(made[..., :20, :], picture[..., :20, :], atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pictures": torch.zeros(2, 3, SIDE, SIDE)}, "2 pictures, 1 source meshes and 1 edited"),
        ({"edited": SHEET.vertices[:, :-1]}, "must be equal"),
        ({"boxes": [OpeningBox(MOUTH, ((90, 10),), 8, 8)]}, r"8 x 8 pixels at \[\(90, 10\)\]"),
        ({"boxes": [OpeningBox(MOUTH, ((1, 1), (2, 2)), 8, 8)]}, "each of 1 windows of 96 x 96"),
    ],
)
def test_what_does_not_fit_together_is_named(change, message):
    given = {
        "pictures": torch.zeros(1, 3, SIDE, SIDE),
        "source": SHEET.vertices,
        "edited": SHEET.vertices,
        "unit": UNIT,
        **change,
    }
    with pytest.raises(ShapeError, match=message):
        _renderer()(**given)


FRAME_SIDE, STEP, LOOKS = 128, 0.03, 6
UNITS = {
    "browInnerUp": 0.1,
    "mouthSmileLeft": 0.25,
    "mouthFrownLeft": 0.25,
    "noseSneerLeft": 0.1,
    "jawOpen": 0.25,
    "mouthPucker": 0.25,
    "mouthClose": 0.25,
    "mouthFunnel": 0.25,
    "eyeBlinkLeft": 0.25,
}
"""How far gradients may be off, as a share: visibility is held fixed, so that some is left out."""


class Scene:
    """A drawn head that says something and looks a little aside, and its renderer.

    `draw` gives the picture (T, 3, H, W) after a change (T, E) of face units.
    """

    def __init__(self, frames: int, dtype: torch.dtype) -> None:
        mesh = AnchoredMesh(load_head_model(), MovedSettings())
        jaw = np.linspace(0.05, 0.3, frames)
        clip = draw_clip(units(frames, jawOpen=jaw), turn=(0.05, 0.2, 0.02), size=FRAME_SIDE)
        track, arrays = clip.track, mesh.mesh
        self.unit = float(track.scale[0])
        self.pictures = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).to(dtype)
        self.source = mesh.vertices(track, track.expression, mesh.corrections(track)).to(dtype)
        turn = rotation_matrix(torch.from_numpy(track.rotation)).to(dtype)
        turn = turn * torch.from_numpy(track.scale).to(dtype)[:, None, None]
        basis = torch.from_numpy(arrays.expression_basis).to(dtype)
        self.moves = torch.einsum("euc,tdc->teud", basis, turn)
        wish = units(
            frames, mouthSmile=0.4, browInnerUp=0.3, jawOpen=0.15, eyeWide=0.2, mouthPucker=0.1
        )
        self.wish = torch.from_numpy(wish).to(dtype)
        self.renderer = MovedRenderer(
            torch.from_numpy(arrays.triangles),
            torch.from_numpy(mesh.layers),
            torch.from_numpy(arrays.region),
            torch.from_numpy(mesh.upper),
            rasterise,
            mesh.settings,
        ).to(dtype)
        places, self.boxes = self.vertices(self.wish), []
        for layer, rim in mesh.rims.items():
            low = np.floor(places[:, rim, :2].numpy().min(1) - 4).astype(int)
            high = places[:, rim, :2].numpy().max(1) + 4
            width, height = (int(side) for side in np.ceil((high - low).max(0)))
            corners = tuple((int(x), int(y)) for x, y in low)
            self.boxes.append(OpeningBox(layer, corners, height, width))

    def vertices(self, change):
        return self.source + torch.einsum("te,teuc->tuc", change.to(self.source), self.moves)

    def draw(self, change, pictures=None):
        pictures = self.pictures if pictures is None else pictures
        return self.renderer(pictures, self.source, self.vertices(change), self.unit, self.boxes)


@pytest.fixture(scope="module")
def scene():
    return Scene(1, torch.float64)


@pytest.fixture(scope="module")
def weights():
    """Smooth looks (K, 1, 3, H, W) at a picture, each a number."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(LOOKS, 3, FRAME_SIDE, FRAME_SIDE, generator=random, dtype=torch.float64)
    return functional.avg_pool2d(noise, 5, 1, 2)[:, None]


@pytest.fixture(scope="module")
def slopes(scene, weights):
    """Derivatives (K, E) of the looks, by one pass back each."""
    change = scene.wish.clone().requires_grad_()
    looks = (scene.draw(change) * weights).sum((1, 2, 3, 4))
    rows = [torch.autograd.grad(look, change, retain_graph=True)[0].sum(0) for look in looks]
    return torch.stack(rows)


@pytest.mark.parametrize(("name", "tolerance"), UNITS.items())
def test_gradient_is_the_finite_difference(scene, weights, slopes, name, tolerance):
    """Units that only move the skin, and such that hide or reveal the inside."""
    index = load_head_model().expression_names.index(name)
    step = torch.zeros_like(scene.wish)
    step[:, index] = STEP
    with torch.no_grad():
        after, before = (scene.draw(scene.wish + sign * step) for sign in (1, -1))
    wanted = ((after - before) * weights).sum((1, 2, 3, 4)) / (2 * STEP)
    assert (slopes[:, index] - wanted).norm() / wanted.norm() < tolerance


def test_pictures_have_their_gradient_too(scene):
    pictures = scene.pictures.clone().requires_grad_()
    made = scene.draw(scene.wish, pictures)
    direction = torch.rand_like(pictures)
    (slope,) = torch.autograd.grad((made * direction).sum(), pictures)
    with torch.no_grad():  # linear in the pictures, since no donor adds its own
        doubled = scene.draw(scene.wish, 2 * pictures)
    torch.testing.assert_close(doubled, 2 * made.detach())
    torch.testing.assert_close((slope * pictures).sum(), (made * direction).sum())


def test_sixteen_frames_go_forward_and_backward_at_once():
    scene = Scene(16, torch.float32)
    change = scene.wish.clone().requires_grad_()
    made = scene.draw(change)
    made.square().mean().backward()
    assert made.shape == (16, 3, FRAME_SIDE, FRAME_SIDE)
    assert change.grad.isfinite().all()
    assert (change.grad.abs().sum(1) > 0).all()
