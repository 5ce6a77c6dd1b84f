from __future__ import annotations

import numpy as np
import torch

from spfem.head.raster import rasterise
from spfem.released.flame import project, to_crop_pixels, to_raster

SIZE = 16


def test_projection_is_the_weak_perspective_of_deca():
    points = torch.tensor([[[0.1, 0.2, 0.3]]])
    camera = torch.tensor([[5.0, 0.02, -0.04]])
    found = project(points, camera)[0, 0]
    torch.testing.assert_close(found, torch.tensor([0.6, -0.8, -1.5]))
    torch.testing.assert_close(to_crop_pixels(found), torch.tensor([112 + 67.2, 112 - 89.6]))


def _draw(triangle, depth=0.0):
    points = torch.tensor([[*place, depth] for place in triangle])[None]
    corners = torch.arange(3, dtype=torch.int32)[None]
    return rasterise(to_raster(points, SIZE), corners, SIZE, SIZE)


def test_pixel_centres_are_where_deca_has_them():
    # A right triangle whose legs run between pixel centres: x' > -0.3, y' > -0.5, x' + y' < 0.4.
    raster = _draw([(-0.3, -0.5), (0.9, -0.5), (-0.3, 0.7)])
    centre = (2 * np.arange(SIZE) + 1) / SIZE - 1
    x, y = np.meshgrid(centre, centre)
    inside = (x > -0.3) & (y > -0.5) & (x + y < 0.4)
    np.testing.assert_array_equal(raster.face[0] >= 0, inside)


def test_the_smallest_depth_wins():
    near, far = [(-0.5, -0.5), (0.5, -0.5), (0, 0.5)], [(-1, -1), (1, -1), (0, 1)]
    points = torch.tensor([[*p, 0.2] for p in far] + [[*p, -0.1] for p in near])[None]
    corners = torch.arange(6, dtype=torch.int32).view(2, 3)
    seen = rasterise(to_raster(points, SIZE), corners, SIZE, SIZE).face[0]
    small = _draw(near).face[0] >= 0
    assert (seen[small] == 1).all()
    assert (seen[~small] <= 0).all()
    assert (seen == 0).any()
