"""Gradients of the moved picture to face units, against central finite differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional

from spfem.edit.anchoring import AnchoredMesh
from spfem.face.camera import rotation_matrix
from spfem.head import load_head_model
from spfem.head.raster import rasterise
from spfem.renderer.moved import MovedRenderer, OpeningBox
from spfem.settings import MovedSettings
from tests.edit.drawn import draw_clip, units

SIDE, STEP, LOOKS = 128, 0.03, 6
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


@dataclass(frozen=True)
class Scene:
    """A drawn head and its renderer, float64.

    Attributes:
        renderer: of the mesh.
        pictures: (T, 3, H, W).
        source: (T, U, 3) vertices of the frames.
        moves: (T, E, U, 3) what each face unit does to them.
        wish: (T, E) change of face units about which is differentiated.
        unit: pixels per head unit.
    """

    renderer: MovedRenderer
    pictures: torch.Tensor
    source: torch.Tensor
    moves: torch.Tensor
    wish: torch.Tensor
    unit: float

    def vertices(self, change):
        return self.source + torch.einsum("te,teuc->tuc", change.to(self.source), self.moves)

    def boxes(self, rims):
        places = self.vertices(self.wish).detach()
        found = []
        for layer, rim in rims.items():
            low = np.floor(places[:, rim, :2].numpy().min(1) - 4).astype(int)
            high = places[:, rim, :2].numpy().max(1) + 4
            width, height = (int(side) for side in np.ceil((high - low).max(0)))
            corners = tuple((int(x), int(y)) for x, y in low)
            found.append(OpeningBox(layer, corners, height, width))
        return found


def make_scene(frames: int, dtype: torch.dtype) -> tuple[Scene, list[OpeningBox]]:
    """A head that says something, looking a little aside."""
    mesh = AnchoredMesh(load_head_model(), MovedSettings())
    jaw = np.linspace(0.05, 0.3, frames)
    clip = draw_clip(units(frames, jawOpen=jaw), turn=(0.05, 0.2, 0.02), size=SIDE)
    track = clip.track
    source = mesh.vertices(track, track.expression, mesh.corrections(track)).to(dtype)
    turn = rotation_matrix(torch.from_numpy(track.rotation)).to(dtype)
    turn = turn * torch.from_numpy(track.scale).to(dtype)[:, None, None]
    basis = torch.from_numpy(mesh.mesh.expression_basis).to(dtype)
    wish = units(
        frames, mouthSmile=0.4, browInnerUp=0.3, jawOpen=0.15, eyeWide=0.2, mouthPucker=0.1
    )
    renderer = MovedRenderer(
        torch.from_numpy(mesh.mesh.triangles),
        torch.from_numpy(mesh.layers),
        torch.from_numpy(mesh.mesh.region),
        torch.from_numpy(mesh.upper),
        rasterise,
        mesh.settings,
    ).to(dtype)
    scene = Scene(
        renderer,
        torch.from_numpy(clip.frames).permute(0, 3, 1, 2).to(dtype),
        source,
        torch.einsum("euc,tdc->teud", basis, turn),
        torch.from_numpy(wish).to(dtype),
        float(track.scale[0]),
    )
    return scene, scene.boxes(mesh.rims)


@pytest.fixture(scope="module")
def scene():
    return make_scene(1, torch.float64)


@pytest.fixture(scope="module")
def weights():
    """Smooth looks (K, 1, 3, H, W) at a picture, each a number."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(LOOKS, 3, SIDE, SIDE, generator=random, dtype=torch.float64)
    return functional.avg_pool2d(noise, 5, 1, 2)[:, None]


@pytest.fixture(scope="module")
def slopes(scene, weights):
    """Derivatives (K, E) of the looks, by one pass back each."""
    moving, boxes = scene
    change = moving.wish.clone().requires_grad_()
    made = moving.renderer(
        moving.pictures, moving.source, moving.vertices(change), moving.unit, boxes
    )
    looks = (made * weights).sum((1, 2, 3, 4))
    rows = [torch.autograd.grad(look, change, retain_graph=True)[0].sum(0) for look in looks]
    return torch.stack(rows)


@pytest.mark.parametrize(("name", "tolerance"), UNITS.items())
def test_gradient_is_the_finite_difference(scene, weights, slopes, name, tolerance):
    """Units that only move the skin, and such that hide or reveal the inside."""
    moving, boxes = scene
    index = load_head_model().expression_names.index(name)
    step = torch.zeros_like(moving.wish)
    step[:, index] = STEP
    with torch.no_grad():
        after, before = (
            moving.renderer(
                moving.pictures,
                moving.source,
                moving.vertices(moving.wish + sign * step),
                moving.unit,
                boxes,
            )
            for sign in (1, -1)
        )
    wanted = ((after - before) * weights).sum((1, 2, 3, 4)) / (2 * STEP)
    miss = float((slopes[:, index] - wanted).norm() / wanted.norm())

    assert miss < tolerance


def test_pictures_have_their_gradient_too(scene):
    moving, boxes = scene
    pictures = moving.pictures.clone().requires_grad_()
    with torch.no_grad():
        places = moving.vertices(moving.wish)
    made = moving.renderer(pictures, moving.source, places, moving.unit, boxes)
    direction = torch.rand_like(pictures)
    (slope,) = torch.autograd.grad((made * direction).sum(), pictures)
    with torch.no_grad():  # linear in the pictures, since no donor adds its own
        doubled = moving.renderer(2 * pictures, moving.source, places, moving.unit, boxes)
    torch.testing.assert_close(doubled, 2 * made.detach())
    torch.testing.assert_close((slope * pictures).sum(), (made * direction).sum())


def test_sixteen_frames_go_forward_and_backward_at_once():
    moving, boxes = make_scene(16, torch.float32)
    change = moving.wish.clone().requires_grad_()
    made = moving.renderer(
        moving.pictures, moving.source, moving.vertices(change), moving.unit, boxes
    )
    made.square().mean().backward()
    assert made.shape == (16, 3, SIDE, SIDE)
    assert change.grad.isfinite().all()
    assert (change.grad.abs().sum(1) > 0).all()
